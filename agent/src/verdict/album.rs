//! What made up a target's memory at moments of its past, for the growth of each part since then.
//!
//! At most 24 snapshots, spaced in proportion to their age: when there is one too many, the one is
//! dropped whose loss leaves the smallest gap for how long ago it is.

use super::Facts;
use crate::clock::Stamp;
use crate::history::Split;
use crate::units::Bytes;

const SNAPSHOTS_MAX: usize = 24;
/// A snapshot is taken when the last one is this share of the time seen old.
const SPACING: i64 = 128;
const SPACING_MIN_MS: i64 = 1_000;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Snapshot {
    pub(super) at: Stamp,
    pub(super) split: Split,
    /// What the heap's owner says is in use, where it says.
    pub(super) heap_in_use: Option<Bytes>,
    pub(super) threads: Option<u32>,
    pub(super) open_fds: Option<u64>,
    pub(super) kernel: Option<Bytes>,
}

impl Snapshot {
    pub(super) const fn of(at: Stamp, split: Split, facts: &Facts) -> Self {
        Self {
            at,
            split,
            heap_in_use: facts.heap_in_use,
            threads: facts.threads,
            open_fds: facts.open_fds,
            kernel: facts.kernel,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Album {
    /// Oldest first.
    snapshots: Vec<Snapshot>,
}

impl Album {
    pub(super) fn offer(&mut self, snapshot: Snapshot) {
        if let (Some(first), Some(last)) = (self.snapshots.first(), self.snapshots.last()) {
            let seen = snapshot.at.0 - first.at.0;
            if snapshot.at.0 - last.at.0 < (seen / SPACING).max(SPACING_MIN_MS) {
                return;
            }
        }
        if self.snapshots.len() == SNAPSHOTS_MAX {
            self.thin(snapshot.at);
        }
        self.snapshots.push(snapshot);
    }

    fn thin(&mut self, now: Stamp) {
        let gap = |window: &[Snapshot]| {
            let age = (now.0 - window[1].at.0).max(1);
            (window[2].at.0 - window[0].at.0) as f64 / age as f64
        };
        let gaps = self.snapshots.windows(3).map(gap).enumerate();
        if let Some((before, _)) = gaps.min_by(|a, b| a.1.total_cmp(&b.1)) {
            self.snapshots.remove(before + 1);
        }
    }

    /// The newest one that is not younger than `at`, else the oldest.
    pub(super) fn at(&self, at: Stamp) -> Option<&Snapshot> {
        let older = self.snapshots.iter().rev().find(|snapshot| snapshot.at <= at);
        older.or_else(|| self.snapshots.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_age_is_met_within_a_third_of_it() {
        let mut album = Album::default();
        let day = 86_400_000;
        for second in 0..86_400 {
            album.offer(Snapshot { at: Stamp(second * 1000), ..Snapshot::default() });
        }
        assert!(album.snapshots.len() <= SNAPSHOTS_MAX);
        assert_eq!(album.snapshots[0].at, Stamp(0));
        for ago in [day / 2, day / 4, day / 10, day / 30] {
            let met = album.at(Stamp(day - ago)).expect("not empty").at.0;
            let error = (day - ago - met) as f64 / ago as f64;
            assert!((0.0..0.34).contains(&error), "{ago} ms ago: off by {error}");
        }
    }

    #[test]
    fn before_the_first_there_is_the_first() {
        let mut album = Album::default();
        assert!(album.at(Stamp(5)).is_none());
        album.offer(Snapshot { at: Stamp(100), ..Snapshot::default() });
        assert_eq!(album.at(Stamp(5)).unwrap().at, Stamp(100));
    }
}
