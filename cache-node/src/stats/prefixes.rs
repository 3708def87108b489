//! Counts by key prefix: what `stats detail on` gathers and `stats detail dump` shows.
//!
//! A prefix is what stands before the first delimiter; keys without one are not counted. One lock
//! guards them all: it is taken only while the gathering is switched on, a debugging aid.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Prefixes beyond this are not counted; whoever puts no prefix before the delimiter would
/// otherwise fill the memory with every key ever seen.
const PREFIXES_MAX: usize = 16 << 10;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    gets: u64,
    hits: u64,
    sets: u64,
    deletes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    Hit,
    Miss,
    Set,
    Delete,
}

#[derive(Debug)]
pub struct Prefixes {
    delimiter: u8,
    on: AtomicBool,
    counts: Mutex<BTreeMap<Box<[u8]>, Counts>>,
}

impl Prefixes {
    #[must_use]
    pub fn new(delimiter: u8, on: bool) -> Self {
        Self { delimiter, on: AtomicBool::new(on), counts: Mutex::default() }
    }

    pub fn switch(&self, on: bool) {
        self.on.store(on, Relaxed);
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    pub fn note(&self, key: &[u8], did: Did) {
        if self.is_on() {
            self.count(key, did);
        }
    }

    #[cold]
    fn count(&self, key: &[u8], did: Did) {
        let Some(at) = memchr::memchr(self.delimiter, key) else { return };
        let mut all = self.counts.lock();
        if !all.contains_key(&key[..at]) {
            if all.len() >= PREFIXES_MAX {
                return;
            }
            all.insert(key[..at].into(), Counts::default());
        }
        let Some(counts) = all.get_mut(&key[..at]) else { return };
        counts.gets += u64::from(matches!(did, Did::Hit | Did::Miss));
        counts.hits += u64::from(did == Did::Hit);
        counts.sets += u64::from(did == Did::Set);
        counts.deletes += u64::from(did == Did::Delete);
    }

    pub fn reset(&self) {
        self.counts.lock().clear();
    }

    /// Appends a line for each prefix, in order.
    pub fn dump(&self, out: &mut Vec<u8>) {
        for (prefix, c) in self.counts.lock().iter() {
            out.extend_from_slice(b"PREFIX ");
            out.extend_from_slice(prefix);
            let rest =
                format!(" get {} hit {} set {} del {}\r\n", c.gets, c.hits, c.sets, c.deletes);
            out.extend_from_slice(rest.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_by_what_stands_before_the_delimiter() {
        let prefixes = Prefixes::new(b':', true);
        prefixes.note(b"foo:1", Did::Set);
        prefixes.note(b"foo:1", Did::Hit);
        prefixes.note(b"foo:2", Did::Miss);
        prefixes.note(b"bare", Did::Hit);
        prefixes.switch(false);
        prefixes.note(b"foo:2", Did::Delete);
        let mut out = Vec::new();
        prefixes.dump(&mut out);
        assert_eq!(out, b"PREFIX foo get 2 hit 1 set 1 del 0\r\n");
    }

    #[test]
    fn prefixes_beyond_the_limit_are_not_kept() {
        let prefixes = Prefixes::new(b':', true);
        (0..PREFIXES_MAX + 10).for_each(|n| prefixes.note(format!("{n}:").as_bytes(), Did::Set));
        assert_eq!(prefixes.counts.lock().len(), PREFIXES_MAX);
    }
}
