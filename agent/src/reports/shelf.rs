//! Where heap reports stand: files in the state directory, and in memory what is not on disk.
//!
//! At most `reports.reports_max` of `reports.disk_budget`, none older than `reports.ttl`; the
//! oldest goes first. The lock is never held across IO: lists are answered from memory whatever the
//! disk does.

use super::files;
use crate::config::ReportsConfig;
use crate::target::ProcessId;
use crate::view::{ReportFound, ReportState, ReportSummary};
use parking_lot::Mutex;
use plimsoll_heap::Report;
use std::path::PathBuf;
use std::sync::Arc;

/// Reports kept in memory because they are not on disk.
const MEMORY_MAX: usize = 8;
/// Reports that were refused, of which only the summary is kept.
const REFUSED_MAX: usize = 64;
const ID_LENGTH_MAX: usize = 64;

/// One report as the shelf knows it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) summary: ReportSummary,
    /// When it was asked for. Units: milliseconds since the Unix epoch.
    pub(super) at_ms: i64,
    /// Of its file; 0 without one.
    pub(super) bytes: u64,
    /// The report, where it is not on disk.
    pub(super) held: Option<Arc<Report>>,
}

/// What the shelf counted since the agent started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShelfCounts {
    /// Deleted to keep to number, bytes or age.
    pub deleted: u64,
    pub write_failures: u64,
}

#[derive(Debug, Default)]
struct Held {
    /// Oldest first.
    entries: Vec<Entry>,
    counts: ShelfCounts,
    health: Option<String>,
}

/// All reports, for those who take them and those who ask.
#[derive(Debug)]
pub struct ReportShelf {
    dir: Option<PathBuf>,
    config: ReportsConfig,
    held: Mutex<Held>,
}

impl ReportShelf {
    /// Reads what an earlier run has left. Returns notes on files that could not be read.
    #[must_use]
    pub fn open(dir: Option<PathBuf>, config: ReportsConfig, now_ms: i64) -> (Self, Vec<String>) {
        let mut held = Held::default();
        let mut notes = Vec::new();
        if let Some(dir) = &dir {
            match files::prepare(dir) {
                Ok((entries, found)) => (held.entries, notes) = (entries, found),
                Err(what) => held.health = Some(what.to_string()),
            }
        }
        let shelf = Self { dir, config, held: Mutex::new(held) };
        shelf.prune(now_ms);
        (shelf, notes)
    }

    /// Newest first. Answers at once.
    #[must_use]
    pub fn list(&self) -> Vec<ReportSummary> {
        self.held.lock().entries.iter().rev().map(|entry| entry.summary.clone()).collect()
    }

    /// How many there are in each state. Answers at once.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.lock().entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Units: bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.held.lock().entries.iter().map(|entry| entry.bytes).sum()
    }

    #[must_use]
    pub fn counts(&self) -> ShelfCounts {
        self.held.lock().counts
    }

    /// Why reports are not on disk; None while all is well.
    #[must_use]
    pub fn health(&self) -> Option<String> {
        self.held.lock().health.clone()
    }

    /// Puts up one that is only asked for yet. Gives it an id that no other has.
    pub(super) fn begin(&self, mut summary: ReportSummary, at_ms: i64) -> String {
        let mut held = self.held.lock();
        let time = id_time(at_ms);
        let taken = |id: &str| held.entries.iter().any(|entry| entry.summary.id == id);
        let id = (0..=held.entries.len())
            .map(|n| match n {
                0 => format!("{time}-{}", summary.pid),
                n => format!("{time}-{}-{n}", summary.pid),
            })
            .find(|id| !taken(id))
            .unwrap_or(time);
        summary.id.clone_from(&id);
        held.entries.push(Entry { summary, at_ms, bytes: 0, held: None });
        id
    }

    /// Takes back one that was never taken up.
    pub(super) fn forget(&self, id: &str) {
        self.held.lock().entries.retain(|entry| entry.summary.id != id);
    }

    /// Notes what is being done.
    pub(super) fn doing(&self, id: &str, what: &str) {
        if let Some(entry) = self.held.lock().entry(id) {
            entry.summary.doing = Some(what.to_owned());
        }
    }

    /// It could not be taken.
    pub(super) fn refuse(&self, id: &str, why: String) -> Option<ReportSummary> {
        let mut held = self.held.lock();
        let entry = held.entry(id)?;
        entry.summary.state = ReportState::Refused;
        entry.summary.doing = None;
        entry.summary.why = Some(why);
        let summary = entry.summary.clone();
        let refused = |entry: &Entry| entry.summary.state == ReportState::Refused;
        if held.entries.iter().filter(|entry| refused(entry)).count() > REFUSED_MAX
            && let Some(oldest) = held.entries.iter().position(refused)
        {
            held.entries.remove(oldest);
        }
        Some(summary)
    }

    /// It is finished. Waits for the disk.
    pub(super) fn put(&self, id: &str, mut report: Report, now_ms: i64) -> Option<ReportSummary> {
        report.id = Some(id.to_owned());
        let report = Arc::new(files::bounded(report));
        let (mut summary, at_ms) = {
            let mut held = self.held.lock();
            let entry = held.entry(id)?;
            entry.summary.conclude(&report);
            // Whoever hears of it finds it, even while the disk hangs.
            entry.held = Some(Arc::clone(&report));
            (entry.summary.clone(), entry.at_ms)
        };
        let written = self.dir.as_ref().map(|dir| files::write(dir, &summary, at_ms, &report));
        {
            let mut held = self.held.lock();
            match written {
                Some(Ok(bytes)) => {
                    held.health = None;
                    if let Some(entry) = held.entry(id) {
                        (entry.bytes, entry.held, entry.summary.on_disk) = (bytes, None, true);
                    }
                    summary.on_disk = true;
                }
                Some(Err(what)) => {
                    held.counts.write_failures += 1;
                    held.health = Some(what.to_string());
                }
                None => {}
            }
        }
        self.prune(now_ms);
        Some(summary)
    }

    /// One report. May wait for the disk.
    #[must_use]
    pub fn find(&self, id: &str) -> ReportFound {
        {
            let held = self.held.lock();
            let Some(entry) = held.entries.iter().find(|entry| entry.summary.id == id) else {
                return ReportFound::None;
            };
            if let Some(report) = &entry.held {
                return ReportFound::Ready(Arc::clone(report));
            }
            if entry.summary.state != ReportState::Ready {
                return ReportFound::Unfinished(Box::new(entry.summary.clone()));
            }
        }
        let read = self.dir.as_ref().map(|dir| files::read(dir, id));
        match read {
            Some(Ok(report)) => ReportFound::Ready(Arc::new(report)),
            Some(Err(what)) => {
                tracing::warn!(%what, "a heap report cannot be read any more");
                ReportFound::None
            }
            None => ReportFound::None,
        }
    }

    /// The newest finished report of a process. May wait for the disk.
    #[must_use]
    pub fn newest_of(&self, process: ProcessId) -> Option<Arc<Report>> {
        let target = crate::target::Target::Process(process).to_string();
        let id = {
            let held = self.held.lock();
            let own = |entry: &&Entry| {
                entry.summary.target == target && entry.summary.state == ReportState::Ready
            };
            held.entries.iter().rev().find(own)?.summary.id.clone()
        };
        match self.find(&id) {
            ReportFound::Ready(report) => Some(report),
            _ => None,
        }
    }

    /// Deletes what is beyond the bounds; the newest stays whatever its size.
    pub(super) fn prune(&self, now_ms: i64) {
        let ttl_ms = i64::try_from(self.config.ttl.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = now_ms.saturating_sub(ttl_ms);
        let gone = {
            let mut held = self.held.lock();
            let mut gone = Vec::new();
            held.entries.retain(|entry| {
                let running = entry.summary.state == ReportState::Running;
                let keep = running || entry.at_ms >= oldest_ms;
                if !keep {
                    gone.push(entry.clone());
                }
                keep
            });
            while let Some(at) = held.excess(&self.config) {
                gone.push(held.entries.remove(at));
            }
            held.counts.deleted += gone.iter().filter(|e| e.bytes > 0).count() as u64;
            gone
        };
        for entry in gone.iter().filter(|entry| entry.bytes > 0) {
            if let Some(dir) = &self.dir {
                files::delete(dir, &entry.summary.id);
            }
        }
    }
}

impl Held {
    fn entry(&mut self, id: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.summary.id == id)
    }

    /// Which one has to go next, if one has to.
    fn excess(&self, config: &ReportsConfig) -> Option<usize> {
        let on_disk = || self.entries.iter().enumerate().filter(|(_, entry)| entry.bytes > 0);
        let in_memory = || self.entries.iter().enumerate().filter(|(_, e)| e.held.is_some());
        let bytes: u64 = on_disk().map(|(_, entry)| entry.bytes).sum();
        let count = on_disk().count();
        if count > 1 && (count > config.reports_max || bytes > config.disk_budget.0) {
            return on_disk().next().map(|(at, _)| at);
        }
        (in_memory().count() > MEMORY_MAX).then(|| in_memory().next())?.map(|(at, _)| at)
    }
}

/// `20261121T100900123`: sorts by time.
fn id_time(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    let whole = at.strftime("%Y%m%dT%H%M%S").to_string();
    format!("{whole}{:03}Z", at_ms.rem_euclid(1000))
}

/// Whether `id` has the form of a report's id, so that it can be part of a path.
#[must_use]
pub fn is_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !id.is_empty() && id.len() <= ID_LENGTH_MAX && id.bytes().all(plain)
}

#[cfg(test)]
mod tests;
