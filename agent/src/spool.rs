//! A queue of what waits to be sent, each entry in a file of its own, so that neither a restart nor
//! a kill loses one. In memory only where there is no directory.
//!
//! Bounded in bytes, in number and in age: the oldest is dropped first, and counted; what is only
//! in memory has a bound of its own. A file opens with a line that holds a checksum; one that does
//! not fit is damaged, and dropped. An entry is removed once it is delivered: if the agent dies
//! between the two it is delivered twice. It knows nothing of what the entries mean.

use crate::sources::read_bounded;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is queued: how its files are called and begin, and how much is too much.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The ending of a file's name.
    pub ending: &'static str,
    /// The first word of a file.
    pub magic: &'static str,
    /// Entries in one queue at most; each takes a file.
    pub entries_max: usize,
    /// The longest entry. Units: bytes.
    pub entry_bytes_max: usize,
    /// Of entries that are on no disk. Units: bytes.
    pub held_bytes_max: u64,
}

/// Why an entry was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// The queue was full.
    Full,
    /// It waited longer than the queue's `age_max`.
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
pub struct Spool {
    kind: Kind,
    dir: Option<PathBuf>,
    limits: Limits,
    entries: VecDeque<Entry>,
    next_seq: u64,
    bytes: u64,
    /// Of that in memory.
    held_bytes: u64,
    /// What was dropped and not yet told to whoever counts.
    dropped: Vec<Dropped>,
    /// Why entries are only held in memory, if they should be on disk.
    pub trouble: Option<String>,
}

impl Spool {
    /// Opens the queue in `dir`, which is made if need be, with what is still in it.
    #[must_use]
    pub fn open(kind: Kind, dir: Option<PathBuf>, limits: Limits) -> Self {
        let mut queue = Self {
            kind,
            dir,
            limits,
            entries: VecDeque::new(),
            next_seq: 1,
            bytes: 0,
            held_bytes: 0,
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
            let is_entry = path.extension().is_some_and(|own| own == self.kind.ending);
            match stem.parse::<u64>() {
                Ok(seq) if is_entry => found.push((seq, entry.metadata()?.len())),
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

    /// Appends an entry; returns false if it could only be held in memory although it should be on
    /// disk. Older ones are dropped to make room.
    pub fn push(&mut self, body: &[u8], now_ms: i64) -> bool {
        let head = format!("{} {:08x} {now_ms}\n", self.kind.magic, crc32fast::hash(body));
        let bytes = (head.len() + body.len()) as u64;
        if head.len() + body.len() > self.kind.entry_bytes_max || bytes > self.limits.bytes_max {
            self.dropped.push(Dropped::Full);
            return true;
        }
        while !self.entries.is_empty()
            && (self.bytes + bytes > self.limits.bytes_max
                || self.entries.len() >= self.kind.entries_max)
        {
            self.drop_first(Dropped::Full);
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        let text = [head.as_bytes(), body].concat();
        let written = self.dir.as_ref().map(|dir| replace(dir, &self.name_of(seq), &text));
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
        self.held_bytes += if held.is_some() { bytes } else { 0 };
        self.entries.push_back(Entry { seq, bytes, queued_ms: now_ms, held });
        self.bytes += bytes;
        while self.held_bytes > self.kind.held_bytes_max && !self.entries.is_empty() {
            self.drop_first(Dropped::Full);
        }
        on_disk
    }

    /// The oldest entry that is not too old, and its number; it stays until [`Spool::remove`].
    pub fn first(&mut self, now_ms: i64) -> Option<(u64, Vec<u8>)> {
        loop {
            let entry = self.entries.front()?;
            let Some((queued_ms, body)) = self.read(entry) else {
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
            return Some((entry.seq, body));
        }
    }

    /// Takes the entry of this number out: it was delivered, or for `why` never will be.
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

    /// Counts one that could not even be queued.
    pub fn count(&mut self, why: Dropped) {
        self.dropped.push(why);
    }

    /// What was dropped since this was last asked.
    pub fn take_dropped(&mut self) -> Vec<Dropped> {
        std::mem::take(&mut self.dropped)
    }

    fn read(&self, entry: &Entry) -> Option<(i64, Vec<u8>)> {
        match (&entry.held, &self.dir) {
            (Some(text), _) => decode(self.kind.magic, text),
            (None, Some(dir)) => {
                let path = dir.join(self.name_of(entry.seq));
                decode(self.kind.magic, &read_bounded(&path, self.kind.entry_bytes_max).ok()?)
            }
            (None, None) => None,
        }
    }

    fn drop_first(&mut self, why: Dropped) {
        self.take_first();
        self.dropped.push(why);
    }

    fn take_first(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        if entry.held.is_some() {
            self.held_bytes = self.held_bytes.saturating_sub(entry.bytes);
        }
        if let (Some(dir), None) = (&self.dir, &entry.held) {
            // One that cannot be removed is delivered again after a restart.
            let _ = std::fs::remove_file(dir.join(self.name_of(entry.seq)));
        }
    }

    fn name_of(&self, seq: u64) -> String {
        format!("{seq:020}.{}", self.kind.ending)
    }
}

/// Reads the text of an entry's file: when it was queued, and what it holds.
#[must_use]
pub fn decode(magic: &str, text: &[u8]) -> Option<(i64, Vec<u8>)> {
    let end = text.iter().take(100).position(|b| *b == b'\n')?;
    let head = std::str::from_utf8(&text[..end]).ok()?;
    let mut words = head.split(' ');
    let (first, crc, queued) = (words.next()?, words.next()?, words.next()?);
    let body = &text[end + 1..];
    let sound = first == magic && u32::from_str_radix(crc, 16) == Ok(crc32fast::hash(body));
    Some((queued.parse().ok()?, body.to_vec())).filter(|_| sound)
}

/// Writes `bytes` under a passing name, syncs, and renames. Readable by the owner alone.
///
/// # Errors
/// When the disk does not take it.
pub fn replace(dir: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let passing = dir.join(format!("{name}.tmp"));
    let mut options = File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&passing)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    drop(file);
    std::fs::rename(&passing, dir.join(name))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests;
