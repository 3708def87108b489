//! The queue of one destination: notices in the order in which they were told, each in a file of
//! its own, so that neither a restart nor a kill loses one. In memory only where there is no
//! directory.
//!
//! Bounded in bytes, in number and in age: the oldest is dropped first, and counted. A file opens
//! with a line that holds a checksum; one that does not fit is damaged, and dropped. A notice is
//! removed once it is delivered: if the agent dies between the two it is delivered twice.

use super::notice::Notice;
use super::saved::replace;
use crate::sources::read_bounded;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Notices in one queue at most; each takes a file.
pub const NOTICES_MAX: usize = 2000;
const ENDING: &str = "notice";
const MAGIC: &str = "plimsoll-notice-1";
/// The longest notice: 64 alerts with their evidence are far below. Units: bytes.
const NOTICE_BYTES_MAX: usize = 4 << 20;

/// Why a notice was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// The queue was full.
    Full,
    /// It waited longer than `queue_age_max`.
    Age,
    /// The destination does not want it and never will.
    Refused,
    /// Its file could not be read back.
    Damaged,
}

impl Dropped {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Age => "age",
            Self::Refused => "refused",
            Self::Damaged => "damaged",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub bytes_max: u64,
    pub age_max: Duration,
}

#[derive(Debug)]
struct Entry {
    seq: u64,
    bytes: u64,
    queued_ms: i64,
    /// The text of one that is on no disk.
    held: Option<Vec<u8>>,
}

/// The queue. Times are wall times, for they outlast a boot. Units: milliseconds since the epoch.
#[derive(Debug)]
pub struct Queue {
    dir: Option<PathBuf>,
    limits: Limits,
    entries: VecDeque<Entry>,
    next_seq: u64,
    bytes: u64,
    /// What was dropped and not yet told to whoever counts.
    dropped: Vec<Dropped>,
    /// Why notices are only held in memory, if they should be on disk.
    pub trouble: Option<String>,
}

impl Queue {
    /// Opens the queue in `dir`, which is made if need be, with what is still in it.
    #[must_use]
    pub fn open(dir: Option<PathBuf>, limits: Limits) -> Self {
        let mut queue = Self {
            dir,
            limits,
            entries: VecDeque::new(),
            next_seq: 1,
            bytes: 0,
            dropped: Vec::new(),
            trouble: None,
        };
        if let Some(dir) = queue.dir.clone()
            && let Err(why) = queue.load(&dir)
        {
            queue.trouble = Some(format!("{}: {why}", dir.display()));
            queue.dir = None;
        }
        queue
    }

    fn load(&mut self, dir: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(dir)?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir)?.flatten() {
            let path = entry.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let is_notice = path.extension().is_some_and(|own| own == ENDING);
            match stem.parse::<u64>() {
                Ok(seq) if is_notice => found.push((seq, entry.metadata()?.len())),
                // Written half when the agent was killed: nobody was promised it.
                _ if path.extension().is_some_and(|own| own == "tmp") => {
                    let _ = std::fs::remove_file(&path);
                }
                _ => {}
            }
        }
        found.sort_unstable();
        for (seq, bytes) in found {
            // The age is in the file; it is looked at when its turn comes.
            self.entries.push_back(Entry { seq, bytes, queued_ms: i64::MAX, held: None });
            self.bytes += bytes;
            self.next_seq = seq + 1;
        }
        Ok(())
    }

    /// Appends a notice; returns false if it could only be held in memory although it should be on
    /// disk. Older ones are dropped to make room.
    pub fn push(&mut self, notice: &Notice, now_ms: i64) -> bool {
        let Ok(json) = serde_json::to_vec(notice) else {
            self.dropped.push(Dropped::Damaged);
            return true;
        };
        let mut text = format!("{MAGIC} {:08x} {now_ms}\n", crc32fast::hash(&json)).into_bytes();
        text.extend_from_slice(&json);
        let bytes = text.len() as u64;
        while !self.entries.is_empty()
            && (self.bytes + bytes > self.limits.bytes_max || self.entries.len() >= NOTICES_MAX)
        {
            self.drop_first(Dropped::Full);
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        let written = self.dir.as_ref().map(|dir| replace(dir, &name_of(seq), &text));
        let held = match written {
            Some(Ok(())) => {
                self.trouble = None;
                None
            }
            Some(Err(why)) => {
                self.trouble = Some(why.to_string());
                Some(text)
            }
            None => Some(text),
        };
        let on_disk = held.is_none() || self.dir.is_none();
        self.entries.push_back(Entry { seq, bytes, queued_ms: now_ms, held });
        self.bytes += bytes;
        on_disk
    }

    /// The oldest notice that is not too old, and its number; it stays until [`Queue::remove`].
    pub fn first(&mut self, now_ms: i64) -> Option<(u64, Notice)> {
        loop {
            let entry = self.entries.front()?;
            let Some((queued_ms, notice)) = self.read(entry) else {
                self.drop_first(Dropped::Damaged);
                continue;
            };
            let age_max = i64::try_from(self.limits.age_max.as_millis()).unwrap_or(i64::MAX);
            if now_ms.saturating_sub(queued_ms) > age_max {
                self.drop_first(Dropped::Age);
                continue;
            }
            let entry = self.entries.front_mut()?;
            entry.queued_ms = queued_ms;
            return Some((entry.seq, notice));
        }
    }

    /// Takes the notice of this number out: it was delivered, or for `why` never will be.
    pub fn remove(&mut self, seq: u64, why: Option<Dropped>) {
        // It may have been dropped to make room while it was on its way.
        if self.entries.front().is_some_and(|entry| entry.seq == seq) {
            self.take_first();
            self.dropped.extend(why);
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Units: bytes, on disk or in memory.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was dropped since this was last asked.
    pub fn take_dropped(&mut self) -> Vec<Dropped> {
        std::mem::take(&mut self.dropped)
    }

    fn read(&self, entry: &Entry) -> Option<(i64, Notice)> {
        let read;
        let text = match (&entry.held, &self.dir) {
            (Some(text), _) => text,
            (None, Some(dir)) => {
                read = read_bounded(&dir.join(name_of(entry.seq)), NOTICE_BYTES_MAX).ok()?;
                &read
            }
            (None, None) => return None,
        };
        decode(text)
    }

    fn drop_first(&mut self, why: Dropped) {
        self.take_first();
        self.dropped.push(why);
    }

    fn take_first(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        if let (Some(dir), None) = (&self.dir, &entry.held) {
            // One that cannot be removed is delivered again after a restart.
            let _ = std::fs::remove_file(dir.join(name_of(entry.seq)));
        }
    }
}

fn name_of(seq: u64) -> String {
    format!("{seq:020}.{ENDING}")
}

/// Reads the text of a notice's file: when it was queued, and what it says.
#[must_use]
pub fn decode(text: &[u8]) -> Option<(i64, Notice)> {
    let end = text.iter().take(100).position(|b| *b == b'\n')?;
    let head = std::str::from_utf8(&text[..end]).ok()?;
    let mut words = head.split(' ');
    let (magic, crc, queued) = (words.next()?, words.next()?, words.next()?);
    let json = &text[end + 1..];
    let sound = magic == MAGIC && u32::from_str_radix(crc, 16) == Ok(crc32fast::hash(json));
    Some((queued.parse().ok()?, serde_json::from_slice(json).ok()?)).filter(|_| sound)
}

#[cfg(test)]
mod tests;
