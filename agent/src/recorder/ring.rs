//! Every reading of one pinned target, in a ring of packed runs.
//!
//! Pure. Filled from the history's newest points once a second, so that what the tiers drop or
//! coarsen later is kept here as it was read.

use crate::clock::Stamp;
use crate::history::{Point, Split};
use crate::units::Bytes;
use std::collections::VecDeque;

/// Runs kept of one target. At ten changed readings a second, three and a half minutes; at one,
/// half an hour.
pub const POINTS_MAX: usize = 2048;

/// A run of equal readings in 32 bytes; values in units of 4 KiB, as the history has them.
#[derive(Clone, Copy, Debug)]
struct Packed {
    at: i64,
    span_ms: u32,
    units: [u32; 5],
}

#[derive(Clone, Debug, Default)]
pub struct Ring {
    runs: VecDeque<Packed>,
}

impl Ring {
    /// Takes over what of `points` is new. They come oldest first.
    pub fn follow(&mut self, points: impl Iterator<Item = Point>) {
        for point in points {
            let packed = Packed::of(&point);
            match self.runs.back_mut() {
                // The history's newest run goes on growing.
                Some(last) if last.at == packed.at => *last = packed,
                Some(last) if last.at > packed.at => {}
                _ => {
                    if self.runs.len() >= POINTS_MAX {
                        self.runs.pop_front();
                    }
                    self.runs.push_back(packed);
                }
            }
        }
    }

    /// Oldest first.
    pub fn points(&self) -> impl Iterator<Item = Point> {
        self.runs.iter().map(|packed| packed.point())
    }

    #[must_use]
    pub fn first_at(&self) -> Option<Stamp> {
        self.runs.front().map(|packed| Stamp(packed.at))
    }
}

impl Packed {
    fn of(point: &Point) -> Self {
        let split = point.split;
        let unit = |bytes: Bytes| u32::try_from(bytes.0 >> 12).unwrap_or(u32::MAX);
        let span = point.until.since(point.at).as_millis();
        Self {
            at: point.at.0,
            span_ms: u32::try_from(span).unwrap_or(u32::MAX),
            units: [split.used, split.anon, split.file, split.shmem, split.swap].map(unit),
        }
    }

    fn point(&self) -> Point {
        let [used, anon, file, shmem, swap] = self.units.map(|unit| Bytes(u64::from(unit) << 12));
        Point {
            at: Stamp(self.at),
            until: Stamp(self.at.saturating_add(i64::from(self.span_ms))),
            split: Split { used, anon, file, shmem, swap },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: i64, until: i64, mib: u64) -> Point {
        let used = Bytes::mib(mib);
        Point { at: Stamp(at), until: Stamp(until), split: Split { used, ..Split::default() } }
    }

    #[test]
    fn what_the_history_forgets_stays_and_nothing_is_taken_twice() {
        let mut ring = Ring::default();
        ring.follow([point(0, 10, 1), point(20, 20, 2)].into_iter());
        ring.follow([point(20, 45, 2), point(50, 50, 3)].into_iter());
        let kept: Vec<Point> = ring.points().collect();
        assert_eq!(kept, [point(0, 10, 1), point(20, 45, 2), point(50, 50, 3)]);
        for at in 0..5_000 {
            ring.follow(std::iter::once(point(100 + at, 100 + at, 4)));
        }
        assert_eq!((ring.points().count(), ring.first_at()), (POINTS_MAX, Some(Stamp(3_052))));
        assert_eq!(size_of::<Packed>(), 32);
    }
}
