//! The black box: keeps what led to a kill, so that it can be said afterwards what, who and why.
//!
//! ```text
//! sampler ── on suspicion ──► Pins: every reading of the suspect, its cgroup and the node;
//!    │                              what was said of it and when; evidence taken twice
//!    ├──── on a kill ──► Draft ── queue of 16 ──► thread ── compose ──► Shelf ── state directory
//!    └──── every 10 s ─► Checkpoint ──────────────► (pins and how far the kernel log was heard)
//! ```
//!
//! [`Recorder`] is part of the sampler's state, does no IO, reads no clock and cannot fail. The
//! thread composes and writes; neither the sampler nor the API ever waits for it or for the disk.
//!
//! # Bounds
//! [`PINS_MAX`] targets of [`ring::POINTS_MAX`] readings of 32 bytes (2 MiB beside the history's
//! budget, as rings fill), 64 things said and 4 pieces of evidence each; twice [`DEAD_MAX`] ended
//! processes of about 200 bytes; [`SIGNALS_MAX`] pressure signals. On disk `recorder.incidents_max`
//! incidents in `recorder.disk_budget`, the oldest deleted first; one incident has at most 1 MiB.

mod advice;
pub mod burst;
mod compose;
mod dead;
pub mod draft;
pub mod foretold;
mod growth;
pub mod heap;
mod inside;
pub mod pins;
mod ring;
pub mod shelf;
mod thread;
mod words;

pub use burst::Bursts;
pub use compose::compose;
pub use dead::{Dead, Death};
pub use draft::{Checkpoint, Draft, Told};
pub use growth::{Growth, growth_of};
pub use pins::{Pin, Pins};
pub use shelf::{Shelf, ShelfError, ShelfParams};
pub use thread::{Job, Outcome, Writer, WriterHealth, add_victims};

use crate::clock::Stamp;
use crate::view::PressureNote;
use std::collections::VecDeque;
use std::time::Duration;

/// Targets whose history is pinned at once.
pub const PINS_MAX: usize = 32;
/// Ended processes whose names are kept, for the kernel log tells of a kill after the end.
pub const DEAD_MAX: usize = 256;
/// Pressure signals kept, answered or not.
pub const SIGNALS_MAX: usize = 256;
/// Drafts that wait for the thread inside the sampler; beyond it they are dropped and counted.
pub const OUTBOX_MAX: usize = 16;
/// A pin is kept for this long after its target was cleared or has ended.
pub const PIN_KEPT: Duration = Duration::from_secs(900);
/// Signals older than this are no part of an incident.
pub const SIGNALS_KEPT: Duration = Duration::from_secs(900);

/// What the black box holds in memory.
#[derive(Debug, Default)]
pub struct Recorder {
    pub pins: Pins,
    pub dead: Dead,
    pub bursts: Bursts,
    pub outbox: VecDeque<Job>,
    pub counters: RecorderCounters,
    signals: VecDeque<(Stamp, PressureNote)>,
}

/// What the recorder counted since the agent started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderCounters {
    pub incidents: u64,
    /// Kills of which no incident could be made: the thread was too far behind.
    pub dropped: u64,
    pub write_failures: u64,
    /// Incidents deleted to keep the bounds.
    pub deleted: u64,
    /// Suspects that found no pin free.
    pub pins_refused: u64,
}

impl Recorder {
    #[must_use]
    pub fn new(pins_max: usize) -> Self {
        Self { pins: Pins::new(pins_max.min(PINS_MAX)), ..Self::default() }
    }

    /// Takes a job for the thread. A draft that finds no room is dropped and counted; a checkpoint
    /// only replaces an older one that has not gone out yet.
    pub fn post(&mut self, job: Job) {
        if matches!(job, Job::Checkpoint(_)) {
            self.outbox.retain(|waiting| !matches!(waiting, Job::Checkpoint(_)));
        }
        if self.outbox.len() >= OUTBOX_MAX {
            self.counters.dropped += u64::from(matches!(job, Job::Draft(_)));
            return;
        }
        self.outbox.push_back(job);
    }

    /// Takes up a pressure signal that was sent. An answer comes by [`Recorder::answered`].
    pub fn signalled(&mut self, at: Stamp, note: PressureNote) {
        if self.signals.len() >= SIGNALS_MAX {
            self.signals.pop_front();
        }
        self.signals.push_back((at, note));
    }

    /// Enters what `subscriber` freed for the newest signal of `scope` that it has not answered.
    pub fn answered(
        &mut self,
        scope: &str,
        subscriber: &str,
        freed: crate::units::Bytes,
        now: Stamp,
    ) {
        let open = |note: &PressureNote| {
            note.scope == scope && note.subscriber == subscriber && note.freed_bytes.is_none()
        };
        let newest = self.signals.iter_mut().rev().find(|(_, note)| open(note));
        if let Some((at, note)) = newest {
            note.freed_bytes = Some(freed);
            note.answered_after_s = Some(now.since(*at).as_secs_f64());
        }
    }

    /// The signals before `killed` that concern `memcg` or the node, oldest first.
    #[must_use]
    pub fn signals_before(&self, killed: Stamp, memcg: Option<&str>) -> Vec<PressureNote> {
        let oldest = killed.minus(SIGNALS_KEPT);
        let concerns = |scope: &str| {
            let path = scope.strip_prefix("cgroup:");
            path.is_none_or(|path| memcg.is_some_and(|memcg| related(memcg, path)))
        };
        let within = |at: Stamp| at >= oldest && at <= killed;
        let wanted = self.signals.iter().filter(|(at, note)| within(*at) && concerns(&note.scope));
        let shown = wanted.map(|(at, note)| PressureNote {
            before_s: Some(killed.since(*at).as_secs_f64()),
            ..note.clone()
        });
        shown.collect()
    }
}

/// Whether one of two cgroups holds the other.
#[must_use]
pub fn related(a: &str, b: &str) -> bool {
    is_within(a, b) || is_within(b, a)
}

/// Whether the cgroup at `path` is `ancestor` or below it.
#[must_use]
pub fn is_within(path: &str, ancestor: &str) -> bool {
    path == ancestor
        || ancestor == "/"
        || path.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    fn signal(scope: &str) -> PressureNote {
        PressureNote { scope: scope.into(), subscriber: "cache".into(), ..PressureNote::default() }
    }

    #[test]
    fn an_answer_is_entered_with_the_newest_open_signal_of_its_scope() {
        let mut recorder = Recorder::default();
        recorder.signalled(Stamp(1_000), signal("cgroup:/a"));
        recorder.signalled(Stamp(3_000), signal("cgroup:/a"));
        recorder.signalled(Stamp(4_000), signal("node"));
        recorder.answered("cgroup:/a", "cache", Bytes::mib(8), Stamp(3_500));
        let notes = recorder.signals_before(Stamp(10_000), Some("/a/b"));
        let freed: Vec<_> = notes.iter().map(|n| (n.before_s, n.freed_bytes)).collect();
        let mib = Some(Bytes::mib(8));
        assert_eq!(freed, [(Some(9.0), None), (Some(7.0), mib), (Some(6.0), None)]);
        assert_eq!(notes[1].answered_after_s, Some(0.5));
        assert_eq!(recorder.signals_before(Stamp(10_000), Some("/other")).len(), 1, "the node's");
        assert_eq!(recorder.signals_before(Stamp(2_000_000), Some("/a")).len(), 0, "long ago");
        for at in 0..1_000 {
            recorder.signalled(Stamp(at), signal("node"));
        }
        assert_eq!(recorder.signals.len(), SIGNALS_MAX);
    }

    #[test]
    fn cgroups_are_related_if_one_holds_the_other() {
        assert!(related("/a", "/a/b") && related("/a/b", "/a") && related("/", "/x"));
        assert!(!related("/a", "/ab") && !related("/a/b", "/a/c"));
    }
}
