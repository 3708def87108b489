//! Reading a log back: twice over the file, first for its checksums and clocks, then for its
//! records. Foreign bytes: bounded memory, no panic, what cannot be read is noted.

use super::decode::{Replay, times};
use super::files::{logs, remove_unfinished, set_aside};
use super::frame::{self, FILE_HEAD, FRAME_MAX};
use crate::clock::{Clock, Stamp};
use crate::history::codec::Reader;
use crate::history::store::{History, HistoryParams};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

/// What was found on disk.
#[derive(Debug)]
pub struct Loaded {
    pub history: History,
    /// For the log: what was dropped or set aside, and why.
    pub notes: Vec<String>,
    pub frames: u64,
    pub bytes_dropped: u64,
}

impl Loaded {
    pub(super) fn nothing(params: &HistoryParams) -> Self {
        let history = History::new(params.clone());
        Self { history, notes: Vec::new(), frames: 0, bytes_dropped: 0 }
    }
}

/// The boot that reads: its id, and where its clock stands against wall time.
#[derive(Clone, Copy, Debug)]
pub struct Boot<'a> {
    pub(super) id: &'a str,
    pub(super) wall_minus_boot_ms: i64,
}

impl<'a> Boot<'a> {
    #[must_use]
    pub const fn new(id: &'a str, clock: Clock) -> Self {
        Self { id, wall_minus_boot_ms: clock.unix_ms(Stamp(0)) }
    }
}

/// Reads the newest file that is one. Returns also the highest number in use.
///
/// # Errors
/// If the directory itself cannot be read or changed.
pub(super) fn load_dir(
    dir: &Path,
    params: &HistoryParams,
    boot: Boot<'_>,
) -> io::Result<(Loaded, u64)> {
    remove_unfinished(dir)?;
    let files = logs(dir)?;
    let newest = files.first().map_or(0, |(number, _)| *number);
    let mut notes = Vec::new();
    for (_, path) in files {
        let read = File::open(&path)
            .and_then(|file| read_log(&mut BufReader::with_capacity(64 << 10, file), params, boot));
        match read {
            Ok(Ok(mut loaded)) => {
                if loaded.bytes_dropped > 0 {
                    let (bytes, frames) = (loaded.bytes_dropped, loaded.frames);
                    let path = path.display();
                    notes.push(format!(
                        "{path}: the last {bytes} bytes are torn or damaged and were dropped; \
                         {frames} frames before them were read"
                    ));
                }
                notes.append(&mut loaded.notes);
                return Ok((Loaded { notes, ..loaded }, newest));
            }
            Ok(Err(why)) => {
                let aside = set_aside(dir, &path)?;
                notes.push(format!("{}: {why}; set aside as {}", path.display(), aside.display()));
            }
            Err(e) => notes.push(format!("{}: {e}", path.display())),
        }
    }
    Ok((Loaded { notes, ..Loaded::nothing(params) }, newest))
}

/// Reads one file from its beginning. `Ok(Err(why))` if it is no log of ours at all.
///
/// # Errors
/// Only what reading fails with.
pub fn read_log(
    file: &mut (impl Read + Seek),
    params: &HistoryParams,
    boot: Boot<'_>,
) -> io::Result<Result<Loaded, String>> {
    let mut head = [0; FILE_HEAD.len()];
    if frame::read_full(file, &mut head)? < head.len() || head[..8] != FILE_HEAD[..8] {
        return Ok(Err("not a history of plimsoll".to_owned()));
    }
    if head != FILE_HEAD {
        let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        return Ok(Err(format!("version {version} is not known here, only 1")));
    }
    let mut body = Vec::new();
    let old_boot = match frame::next(file, &mut body)? {
        Some((frame::BOOT, id)) => String::from_utf8_lossy(&body[id]).into_owned(),
        _ => return Ok(Err("its first frame is damaged".to_owned())),
    };
    let start = file.stream_position()?;
    let (mut frames, mut last) = (0, None);
    while let Some((frame::RECORDS, payload)) = frame::next(file, &mut body)? {
        let Some(times) = times(&mut Reader::new(&body[payload])) else { break };
        last = Some(times);
        frames += 1;
    }
    let rebooted = old_boot != boot.id;
    let moved = last.map_or(0, |(_, wall)| wall.saturating_sub(boot.wall_minus_boot_ms));
    let shift = if rebooted { moved } else { 0 };
    file.seek(io::SeekFrom::Start(start))?;
    let mut replay = Replay::new(History::new(params.clone()), shift, rebooted);
    let (mut notes, mut good) = (Vec::new(), start);
    for number in 1..=frames {
        let Some((_, payload)) = frame::next(file, &mut body)? else { break };
        good += (frame::HEAD_BYTES + body.len()) as u64;
        if replay.apply(&body[payload]).is_none() {
            notes.push(format!("frame {number} holds records that make no sense"));
        }
    }
    debug_assert!(body.capacity() <= 2 * FRAME_MAX);
    let end = file.seek(io::SeekFrom::End(0))?;
    let bytes_dropped = end.saturating_sub(good);
    Ok(Ok(Loaded { history: replay.finish(), notes, frames, bytes_dropped }))
}
