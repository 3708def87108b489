//! From a file to the store: what is sound is taken, what is damaged is counted and left out.

use super::file::{Block, End, Header, Kind, Reader, Unreadable, VERSION};
use crate::clock::Clock;
use crate::store::{Adopting, Store};
use std::fs::{self, File};
use std::io::{self, BufReader, Error, ErrorKind};
use std::path::Path;

/// What was loaded, and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub items: u64,
    /// Over since it was written.
    pub expired: u64,
    /// Sound, and yet not taken: too large now, or no room.
    pub refused: u64,
    /// Large items of which a part is missing.
    pub cut_off: u64,
    pub damaged_blocks: u64,
    /// It ends before its end.
    pub is_torn: bool,
}

/// What came of a file.
#[derive(Debug)]
pub enum Outcome {
    Loaded(Loaded),
    /// There is none.
    Absent,
    /// It was written while requests were answered, and nobody asked for such a one.
    IsLive,
    /// Nothing of it can be read; it is left where it is.
    Unreadable(Unreadable),
}

/// Loads `path`, then removes it: it is true only once. `also_live`: even if it does not come from
/// a graceful stop, so that what was deleted since comes back.
///
/// # Errors
/// `PATH.meta` is there: then the file belongs to memcached, whose items are not ours to read.
pub fn load(path: &Path, store: &Store, clock: &Clock, also_live: bool) -> io::Result<Outcome> {
    let mut foreign = path.as_os_str().to_owned();
    foreign.push(".meta");
    if Path::new(&foreign).exists() {
        let said = format!(
            "{}: belongs to a memory file of memcached or is left over from one, and cannot be \
             read; remove it",
            Path::new(&foreign).display()
        );
        return Err(Error::new(ErrorKind::InvalidData, said));
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Outcome::Absent),
        Err(error) => return Ok(Outcome::Unreadable(error.into())),
    };
    let (mut reader, header) = match Reader::begin(BufReader::new(file)) {
        Ok(begun) => begun,
        Err(error) => return Ok(Outcome::Unreadable(error)),
    };
    if header.kind == Kind::Live && !also_live {
        return Ok(Outcome::IsLive);
    }
    let taken = take_all(&mut reader, &header, store, clock);
    match taken {
        Ok(loaded) => {
            fs::remove_file(path)?;
            Ok(Outcome::Loaded(loaded))
        }
        Err(error) => Ok(Outcome::Unreadable(error.into())),
    }
}

fn take_all(
    reader: &mut Reader<BufReader<File>>,
    header: &Header,
    store: &Store,
    clock: &Clock,
) -> io::Result<Loaded> {
    let mut adopting = Adopting::default();
    let (now, mut damaged_blocks) = (clock.now(), 0);
    // What is added to the writer's seconds to have ours.
    let signed = |unix: u64| i64::try_from(unix).unwrap_or(i64::MAX);
    let shift = signed(header.unix_at_zero).saturating_sub(signed(clock.unix_at_zero()));
    while let Some(block) = reader.next()? {
        match block {
            Block::Sound { payload, .. } => store.adopt(&mut adopting, &payload, shift, now),
            Block::Damaged => damaged_blocks += 1,
        }
    }
    let adopted = store.adopted(adopting);
    Ok(Loaded {
        items: adopted.items,
        expired: adopted.over,
        refused: adopted.refused,
        cut_off: adopted.cut_off,
        damaged_blocks: damaged_blocks + adopted.damaged,
        is_torn: reader.end() == Some(End::Torn),
    })
}

impl Outcome {
    /// Tells the log what came of `path`.
    pub fn log(&self, path: &Path) {
        let path = path.display();
        match self {
            Self::Absent => tracing::info!(%path, "no snapshot: starting empty"),
            Self::IsLive => tracing::warn!(
                %path,
                "the snapshot does not come from a graceful stop and was not loaded: what was \
                 changed after it was written would come back"
            ),
            Self::Unreadable(why) => {
                tracing::warn!(%path, %why, version = VERSION, "the snapshot was not loaded");
            }
            Self::Loaded(loaded) => {
                let Loaded { items, expired, refused, cut_off, damaged_blocks, is_torn } = *loaded;
                tracing::info!(%path, items, expired, refused, "snapshot loaded");
                if damaged_blocks > 0 || is_torn {
                    tracing::warn!(
                        %path, damaged_blocks, cut_off, is_torn,
                        "the snapshot is damaged: the rest was loaded"
                    );
                }
            }
        }
    }
}
