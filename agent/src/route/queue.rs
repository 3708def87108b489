//! The queue of one destination: notices in the order in which they were told.
//!
//! The queue itself is [`crate::spool`]; here is what its entries hold: a notice as JSON each.

use super::notice::Notice;
use crate::spool::{self, Kind, Spool};
pub use crate::spool::{Dropped, Limits};
use std::path::PathBuf;

/// Notices in one queue at most; each takes a file.
pub const NOTICES_MAX: usize = 2000;
const KIND: Kind = Kind {
    ending: "notice",
    magic: "plimsoll-notice-1",
    entries_max: NOTICES_MAX,
    // 64 alerts with their evidence are far below.
    entry_bytes_max: 4 << 20,
    held_bytes_max: 64 << 20,
};

/// The queue. Times are wall times, for they outlast a boot. Units: milliseconds since the epoch.
#[derive(Debug)]
pub struct Queue(Spool);

impl Queue {
    /// Opens the queue in `dir`, which is made if need be, with what is still in it.
    #[must_use]
    pub fn open(dir: Option<PathBuf>, limits: Limits) -> Self {
        Self(Spool::open(KIND, dir, limits))
    }

    /// Appends a notice; returns false if it could only be held in memory although it should be on
    /// disk. Older ones are dropped to make room.
    pub fn push(&mut self, notice: &Notice, now_ms: i64) -> bool {
        match serde_json::to_vec(notice) {
            Ok(json) => self.0.push(&json, now_ms),
            Err(_) => {
                self.0.count(Dropped::Damaged);
                true
            }
        }
    }

    /// The oldest notice that is not too old, and its number; it stays until [`Queue::remove`].
    pub fn first(&mut self, now_ms: i64) -> Option<(u64, Notice)> {
        loop {
            let (seq, json) = self.0.first(now_ms)?;
            match serde_json::from_slice(&json) {
                Ok(notice) => return Some((seq, notice)),
                Err(_) => self.0.remove(seq, Some(Dropped::Damaged)),
            }
        }
    }

    /// Takes the notice of this number out: it was delivered, or for `why` never will be.
    pub fn remove(&mut self, seq: u64, why: Option<Dropped>) {
        self.0.remove(seq, why);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Units: bytes, on disk or in memory.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Why notices are only held in memory, if they should be on disk.
    #[must_use]
    pub const fn trouble(&self) -> Option<&String> {
        self.0.trouble.as_ref()
    }

    /// What was dropped since this was last asked.
    pub fn take_dropped(&mut self) -> Vec<Dropped> {
        self.0.take_dropped()
    }
}

/// Reads the text of a notice's file: when it was queued, and what it says.
#[must_use]
pub fn decode(text: &[u8]) -> Option<(i64, Notice)> {
    let (queued_ms, json) = spool::decode(KIND.magic, text)?;
    Some((queued_ms, serde_json::from_slice(&json).ok()?))
}

#[cfg(test)]
mod tests;
