//! What `detect` and `forecast` see of a target's past: read-only, oldest first.
//!
//! Iterating allocates nothing and costs 10 ns per item, 50 to 80 where the blocks are cold.

use super::codec::Run;
use super::fold::{ANON, ATOMS, Atom, FILE, MAX, P10, SHMEM, SWAP, Share, USED, fold};
use super::pool::{Buckets, Pool, Series};
use super::tiers::{HOUR, HOURS_KEPT, MINUTE, MINUTES_KEPT, floor};
use super::track::Runs;
use crate::clock::Stamp;
use crate::units::Bytes;

/// One reading of a target's memory. `used` is what the target's limit is held against: RSS for a
/// process, the sum of RSS for a workload, usage for a cgroup, MemTotal − MemAvailable for the
/// node. The parts need not sum to `used` (the rest is kernel memory); swap is never part of it.
///
/// History keeps each value to the nearest 4 KiB, up to 16 TiB − 4 KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Split {
    pub used: Bytes,
    pub anon: Bytes,
    pub file: Bytes,
    pub shmem: Bytes,
    pub swap: Bytes,
}

impl Split {
    /// Rounded to units of 4 KiB, saturating.
    pub(super) fn units(self) -> [u32; 5] {
        [self.used, self.anon, self.file, self.shmem, self.swap]
            .map(|bytes| u32::try_from(bytes.0.saturating_add(2048) >> 12).unwrap_or(u32::MAX))
    }

    pub(super) fn of_units([used, anon, file, shmem, swap]: [u32; 5]) -> Self {
        Self {
            used: bytes(used),
            anon: bytes(anon),
            file: bytes(file),
            shmem: bytes(shmem),
            swap: bytes(swap),
        }
    }
}

fn bytes(units: u32) -> Bytes {
    Bytes(u64::from(units) << 12)
}

/// A run of equal readings: the values held from `at` to `until` (equal to `at` for a single one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub at: Stamp,
    pub until: Stamp,
    pub split: Split,
}

impl Point {
    pub(super) fn of(run: Run<5>) -> Self {
        Self { at: Stamp(run.at), until: Stamp(run.until), split: Split::of_units(run.values) }
    }
}

/// A closed stretch of time folded into order statistics, weighted by how long each value held.
///
/// It lies within one minute or hour of the boot clock and covers it whole, but for the ends of the
/// data and of gaps in it. (Buckets from before a reboot, whose boundaries were others, are cut at
/// the present ones and folded anew.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub at: Stamp,
    pub until: Stamp,
    /// 10th percentile of `used`: the floor under a sawtooth.
    pub used_p10: Bytes,
    pub used_max: Bytes,
    /// Medians of each part, `used` among them.
    pub median: Split,
}

impl Bucket {
    fn of(run: Run<7>) -> Self {
        let values = run.values;
        Self {
            at: Stamp(run.at),
            until: Stamp(run.until),
            used_p10: bytes(values[P10]),
            used_max: bytes(values[MAX]),
            median: Split::of_units([USED, ANON, FILE, SHMEM, SWAP].map(|part| values[part])),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Points as they were read, equal neighbours merged.
    Fine,
    /// Buckets of one minute.
    Minute,
    /// Buckets of one hour.
    Hour,
}

/// One series, as far as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    pool: &'a Pool,
    series: Option<&'a Series>,
    buckets: Option<&'a Buckets>,
}

impl<'a> Window<'a> {
    pub(super) fn new(pool: &'a Pool, series: Option<&'a Series>) -> Self {
        let buckets = series.and_then(|series| pool.buckets(series.buckets));
        Self { pool, series, buckets }
    }

    /// The newest runs of readings, about 350 at most; the last one may still be growing.
    pub fn points(&self) -> impl Iterator<Item = Point> + use<'a> {
        self.series
            .map_or_else(|| Runs::none(self.pool), |series| series.fine.runs(self.pool))
            .map(Point::of)
    }

    /// Closed buckets: at most 24 hours of [`Tier::Minute`], 14 days of [`Tier::Hour`], each for a
    /// minute or hour of its own; none for [`Tier::Fine`]. The minute and the hour that are still
    /// open are not among them. Where there was no data there is no bucket; where readings are
    /// further apart than a minute (yet no gap), each minute between them has its bucket.
    pub fn buckets(&self, tier: Tier) -> impl Iterator<Item = Bucket> + use<'a> {
        Merged::of(self, tier).map(Bucket::of)
    }

    /// The earliest moment that any tier knows of.
    #[must_use]
    pub fn first_at(&self) -> Option<Stamp> {
        let series = self.series.filter(|series| !series.fine.is_empty())?;
        let mut first = series.fine.oldest_at(self.pool);
        for track in self.buckets.iter().flat_map(|buckets| [&buckets.minute, &buckets.hour]) {
            if !track.is_empty() {
                first = first.min(track.oldest_at(self.pool));
            }
        }
        Some(Stamp(first.max(series.fine.until - HOURS_KEPT)))
    }

    #[must_use]
    pub fn last(&self) -> Option<Point> {
        let series = self.series.filter(|series| !series.fine.is_empty())?;
        Some(Point::of(series.fine.newest()))
    }
}

/// Cuts the runs of a coarse track into periods and puts the pieces of each period together.
#[derive(Debug)]
struct Merged<'a> {
    runs: Runs<'a, 7>,
    rest: Option<Run<7>>,
    period: i64,
    /// What ends before is past keeping; what begins at or after is still open.
    oldest: i64,
    open_from: i64,
}

/// Pieces of one period that are put together at once; more make more than one bucket.
const PIECES_MAX: usize = 16;

impl<'a> Merged<'a> {
    fn of(window: &Window<'a>, tier: Tier) -> Self {
        let none = Runs::none(window.pool);
        let (Some(series), Some(buckets)) = (window.series, window.buckets) else {
            return Self { runs: none, rest: None, period: 1, oldest: 0, open_from: 0 };
        };
        let (runs, period, kept) = match tier {
            Tier::Fine => (none, 1, 0),
            Tier::Minute => (buckets.minute.runs(window.pool), MINUTE, MINUTES_KEPT),
            Tier::Hour => (buckets.hour.runs(window.pool), HOUR, HOURS_KEPT),
        };
        let open = series.is(Series::OPEN);
        let open_from = if open { floor(series.minute_from, period) } else { i64::MAX };
        let oldest = floor(series.minute_from - kept, period);
        Self { runs, rest: None, period, oldest, open_from }
    }

    /// The next piece, without taking it.
    fn peek(&mut self) -> Option<Run<7>> {
        while self.rest.is_none_or(|run| run.until <= self.oldest) {
            self.rest = Some(self.runs.next()?);
        }
        let mut piece = self.rest?;
        piece.at = piece.at.max(self.oldest);
        piece.until = piece.until.min(floor(piece.at, self.period) + self.period);
        (piece.at < self.open_from).then_some(piece)
    }

    fn take(&mut self, piece: Run<7>) {
        self.rest = self.rest.filter(|run| run.until > piece.until);
        if let Some(rest) = &mut self.rest {
            rest.at = piece.until;
        }
    }

    /// Puts `first` and the pieces of the same period together. Kept apart from `next`, which for
    /// most buckets needs no fold.
    #[cold]
    fn together(&mut self, first: Run<7>) -> Run<7> {
        let mut shares: [Share; PIECES_MAX] = [([0; 7], 0); PIECES_MAX];
        let mut atoms: [Atom; ATOMS * PIECES_MAX] = [(0, 0); ATOMS * PIECES_MAX];
        let mut whole = first;
        let mut count = 0;
        let mut piece = first;
        for share in &mut shares {
            *share = (piece.values, u32::try_from(piece.until - piece.at).unwrap_or(u32::MAX));
            whole.until = piece.until;
            count += 1;
            match self.peek() {
                Some(next) if count < PIECES_MAX && self.same_period(first, next) => {
                    self.take(next);
                    piece = next;
                }
                _ => break,
            }
        }
        whole.values = fold(&shares[..count], &mut atoms).unwrap_or(whole.values);
        whole
    }

    const fn same_period(&self, a: Run<7>, b: Run<7>) -> bool {
        floor(a.at, self.period) == floor(b.at, self.period)
    }
}

impl Iterator for Merged<'_> {
    type Item = Run<7>;

    fn next(&mut self) -> Option<Run<7>> {
        let first = self.peek()?;
        self.take(first);
        match self.peek() {
            Some(next) if self.same_period(first, next) => Some(self.together(first)),
            _ => Some(first),
        }
    }
}
