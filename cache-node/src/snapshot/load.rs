//! From a file to the store: what is sound is taken, what is damaged is counted and left out.

use super::file::{Block, End, Header, Kind, Reader, Unreadable, VERSION};
use super::items::{Kept, decode};
use crate::clock::{Clock, Secs};
use crate::store::{Data, Expires, New, Refused, Store};
use std::fs::{self, File};
use std::io::{self, BufReader, Error, ErrorKind};
use std::path::Path;

/// What was loaded, and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub items: u64,
    pub bytes: u64,
    /// Over since it was written.
    pub expired: u64,
    /// Sound, and yet not taken: too large now, or no room.
    pub refused: u64,
    pub damaged_blocks: u64,
    /// It ends before its end.
    pub is_torn: bool,
    /// The highest CAS value that was kept.
    pub cas_max: u64,
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
    let mut loaded = Loaded::default();
    // How many seconds this clock shows less than the writer's did at the same time.
    let ahead = clock.unix_at_zero().saturating_sub(header.unix_at_zero);
    let ahead = Secs::try_from(ahead).unwrap_or(Secs::MAX);
    let now = clock.now();
    while let Some(block) = reader.next()? {
        let Block::Sound { payload, items, .. } = block else {
            loaded.damaged_blocks += 1;
            continue;
        };
        let (mut rest, mut read) = (&payload[..], 0);
        while let Some(kept) = decode(&mut rest) {
            take(&mut loaded, store, &kept, ahead, now);
            read += 1;
        }
        if read != items || !rest.is_empty() {
            loaded.damaged_blocks += 1;
        }
    }
    loaded.is_torn = reader.end() == Some(End::Torn);
    Ok(loaded)
}

fn take(loaded: &mut Loaded, store: &Store, kept: &Kept<'_>, ahead: Secs, now: Secs) {
    let expires = match kept.expires {
        Expires::Never => Expires::Never,
        Expires::At(at) if at.saturating_sub(ahead) <= now => {
            loaded.expired += 1;
            return;
        }
        Expires::At(at) => Expires::At(at - ahead),
    };
    match put(store, kept, expires, now) {
        Ok(()) => {
            loaded.items += 1;
            loaded.bytes += (kept.key.len() + kept.value.len()) as u64;
            loaded.cas_max = loaded.cas_max.max(kept.cas);
        }
        Err(_) => loaded.refused += 1,
    }
}

fn put(store: &Store, kept: &Kept<'_>, expires: Expires, now: Secs) -> Result<(), Refused> {
    let data = if kept.value.len() <= store.inline_bytes_max() {
        Data::Bytes(kept.value)
    } else {
        let mut upload = store.upload(kept.key, kept.value.len())?;
        upload.push(store, kept.value)?;
        Data::Uploaded(upload)
    };
    let mut slot = store.lock(kept.key);
    slot.put(New { flags: kept.flags, expires, data, cas: Some(kept.cas) }, now)?;
    if kept.stale || kept.won {
        slot.mark(kept.stale, kept.won, None);
    }
    if kept.fetched {
        slot.hit(now);
    }
    Ok(())
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
                let Loaded { items, bytes, expired, refused, .. } = *loaded;
                tracing::info!(%path, items, bytes, expired, refused, "snapshot loaded");
                if loaded.damaged_blocks > 0 || loaded.is_torn {
                    let (damaged_blocks, is_torn) = (loaded.damaged_blocks, loaded.is_torn);
                    tracing::warn!(
                        %path, damaged_blocks, is_torn,
                        "the snapshot is damaged: the rest was loaded"
                    );
                }
            }
        }
    }
}
