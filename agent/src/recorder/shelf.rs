//! Where incidents stand: files in the state directory, and in memory what is not on disk.
//!
//! `incidents/incident-ID.json`, 0600, each written whole beside its place, synced and renamed, so
//! that a kill -9 or a power cut leaves the old one, the new one or none. At most
//! `incidents_max` files of `disk_budget` bytes; the oldest are deleted first. What cannot be
//! written is kept in memory (8 at most), tried again and told of in the health report.
//!
//! The lock is never held across IO: lists are answered from memory whatever the disk does.

mod files;

pub use files::{read_checkpoint, read_dir};

use super::draft::Checkpoint;
use crate::units::Bytes;
use crate::view::{Incident, IncidentSummary};
use files::Entry;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Incidents kept in memory because they are not on disk.
const MEMORY_MAX: usize = 8;
/// One incident; a larger one loses its series, then its task dump. Units: bytes.
pub const INCIDENT_BYTES_MAX: usize = 1 << 20;
/// A kill within this time of an incident's first, of the same pid, is that incident's. Longer than
/// a burst and the difference of the clocks.
const SAME_KILL_S: f64 = 125.0;
const ID_LENGTH_MAX: usize = 64;

#[derive(Clone, Debug)]
pub struct ShelfParams {
    /// The state directory; None: incidents are kept in memory only.
    pub dir: Option<PathBuf>,
    pub incidents_max: usize,
    pub disk_budget: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    #[error("{path}: {what}")]
    Io { path: PathBuf, what: io::Error },
    #[error("{path}: {what}")]
    Garbled { path: PathBuf, what: serde_json::Error },
}

/// All incidents, for those who write them and those who ask.
#[derive(Debug)]
pub struct Shelf {
    params: ShelfParams,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Oldest first.
    index: Vec<Entry>,
    memory: VecDeque<Arc<Incident>>,
    health: Option<String>,
    deleted: u64,
    write_failures: u64,
}

impl Shelf {
    /// Reads what an earlier run has left. Blocks as long as that takes: some 5 ms for each MiB.
    ///
    /// Returns notes on files that could not be read; they are set aside.
    #[must_use]
    pub fn open(params: ShelfParams) -> (Self, Vec<String>) {
        let mut held = Held::default();
        let mut notes = Vec::new();
        if let Some(dir) = &params.dir {
            match files::prepare(dir) {
                Ok(found) => {
                    held.index = found.entries;
                    notes = found.notes;
                }
                Err(what) => held.health = Some(what.to_string()),
            }
        }
        (Self { params, held: Mutex::new(held) }, notes)
    }

    /// A shelf in memory, for an agent that keeps nothing.
    #[must_use]
    pub fn in_memory() -> Self {
        let params = ShelfParams { dir: None, incidents_max: MEMORY_MAX, disk_budget: Bytes::ZERO };
        Self { params, held: Mutex::default() }
    }

    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        self.params.dir.as_deref()
    }

    /// Newest first. Answers at once.
    #[must_use]
    pub fn list(&self) -> Vec<IncidentSummary> {
        let held = self.held.lock();
        held.index.iter().rev().map(|entry| entry.summary.clone()).collect()
    }

    /// How many there are. Answers at once.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.lock().index.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One incident. May wait for the disk.
    #[must_use]
    pub fn read(&self, id: &str) -> Option<Arc<Incident>> {
        {
            let held = self.held.lock();
            if let Some(found) = held.memory.iter().find(|incident| incident.id == id) {
                return Some(Arc::clone(found));
            }
            held.index.iter().find(|entry| entry.summary.id == id)?;
        }
        let dir = self.params.dir.as_ref()?;
        files::read(dir, id).ok().map(Arc::new)
    }

    /// Whether there is an incident of this id. Answers at once.
    #[must_use]
    pub fn holds(&self, id: &str) -> bool {
        self.held.lock().index.iter().any(|entry| entry.summary.id == id)
    }

    /// Whether the kill of `pid`, printed `kernel_time_s` after the boot `boot_id`, is in an
    /// incident already.
    #[must_use]
    pub fn knows(&self, boot_id: &str, kernel_time_s: f64, pid: u32) -> bool {
        let held = self.held.lock();
        held.index.iter().any(|entry| {
            let near = (kernel_time_s - entry.kernel_time_s).abs() <= SAME_KILL_S;
            near && entry.boot_id == boot_id && entry.pids.contains(&pid)
        })
    }

    /// Puts an incident up, in place of an older one of the same id. True if it is on disk. May
    /// wait for the disk.
    pub fn put(&self, incident: Incident) -> bool {
        let incident = Arc::new(files::bounded(incident));
        // Whoever hears of it finds it, even while the disk hangs.
        self.enter(&incident, 0, false);
        self.store(&incident)
    }

    /// Tries again to write what is in memory only. True if nothing is left to be written.
    pub fn retry(&self) -> bool {
        let waiting: Vec<Arc<Incident>> = self.held.lock().memory.iter().cloned().collect();
        waiting.iter().all(|incident| self.store(incident))
    }

    /// Writes the checkpoint; it is not synced, for it is written again soon.
    pub fn checkpoint(&self, checkpoint: &Checkpoint) {
        let Some(dir) = &self.params.dir else { return };
        let written = files::write_checkpoint(dir, checkpoint);
        let mut held = self.held.lock();
        match written {
            Ok(()) if held.memory.is_empty() => held.health = None,
            Ok(()) => {}
            Err(what) => held.failed(&what),
        }
    }

    /// Why incidents are not on disk; None while all is well.
    #[must_use]
    pub fn health(&self) -> Option<String> {
        self.held.lock().health.clone()
    }

    /// Incidents deleted to keep the bounds, and failed writes, since the agent started.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let held = self.held.lock();
        (held.deleted, held.write_failures)
    }

    fn store(&self, incident: &Arc<Incident>) -> bool {
        let Some(dir) = &self.params.dir else { return false };
        match files::write(dir, incident) {
            Ok(bytes) => {
                self.enter(incident, bytes, true);
                self.prune(dir);
                true
            }
            Err(what) => {
                self.held.lock().failed(&what);
                false
            }
        }
    }

    fn enter(&self, incident: &Arc<Incident>, bytes: u64, on_disk: bool) {
        let mut held = self.held.lock();
        let entry = Entry::of(incident, bytes, on_disk);
        match held.index.iter_mut().find(|entry| entry.summary.id == incident.id) {
            Some(former) => *former = entry,
            None => held.index.push(entry),
        }
        held.index.sort_by(|a, b| a.summary.id.cmp(&b.summary.id));
        held.memory.retain(|other| other.id != incident.id);
        if on_disk {
            if held.memory.is_empty() {
                held.health = None;
            }
            return;
        }
        held.memory.push_back(Arc::clone(incident));
        if held.memory.len() > MEMORY_MAX
            && let Some(lost) = held.memory.pop_front()
        {
            held.index.retain(|entry| entry.summary.id != lost.id || entry.summary.on_disk);
            held.deleted += 1;
        }
    }

    /// Deletes the oldest files beyond the bounds; the newest stays whatever its size.
    fn prune(&self, dir: &Path) {
        let gone: Vec<String> = {
            let mut held = self.held.lock();
            let mut gone = Vec::new();
            loop {
                let bytes: u64 = held.index.iter().map(|entry| entry.bytes).sum();
                let over = held.index.len() > self.params.incidents_max.max(1)
                    || bytes > self.params.disk_budget.0;
                if !over || held.index.len() <= 1 {
                    break;
                }
                gone.push(held.index.remove(0).summary.id);
                held.deleted += 1;
            }
            gone
        };
        for id in gone {
            files::delete(dir, &id);
        }
    }
}

impl Held {
    fn failed(&mut self, what: &ShelfError) {
        self.write_failures += 1;
        self.health = Some(what.to_string());
    }
}

/// Whether `id` has the form of an incident's id, so that it can be part of a path.
#[must_use]
pub fn is_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !id.is_empty() && id.len() <= ID_LENGTH_MAX && id.bytes().all(plain)
}

#[cfg(test)]
mod tests;
