//! A target's past as slices, and its folding into at most 24 equal cells.
//!
//! A reading of zero bytes is a reading that failed (no living process has none) and is left out; a
//! cell without readings does not exist, so a gap costs cells and invents none.

use crate::clock::Stamp;
use crate::history::{Bucket, Point, Split, Tier, Window};
use crate::units::Bytes;
use std::time::Duration;

/// Cells a stretch is cut into: enough for ranks, few enough that all 276 pairs cost below 5 µs.
const CELLS: usize = 24;

/// Everything known of one target. Shape: each slice oldest first; buckets closed.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    pub points: &'a [Point],
    pub minutes: &'a [Bucket],
    pub hours: &'a [Bucket],
}

/// One cell of a stretch. Units: bytes; `t` in seconds before now, so never above zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    pub t: f64,
    /// The least demand: what is left when a sawtooth has fallen.
    pub floor: f64,
    /// The mean demand.
    pub level: f64,
    pub anon: f64,
    pub file: f64,
    pub shmem: f64,
    pub other: f64,
}

/// What reclaim cannot take back by dropping clean pages. Units: bytes.
#[must_use]
pub fn demand(split: &Split) -> Bytes {
    split.used - split.file + split.swap
}

/// Demand at the floor of a bucket: its tenth percentile, less the file pages at its median.
pub(crate) fn floor(bucket: &Bucket) -> f64 {
    let offset = demand(&bucket.median).as_f64() - bucket.median.used.as_f64();
    (bucket.used_p10.as_f64() + offset).max(0.0)
}

impl Past<'_> {
    pub(super) fn oldest_of(&self, tier: Tier) -> Option<Stamp> {
        match tier {
            Tier::Fine => self.points.first().map(|p| p.at),
            Tier::Minute => self.minutes.first().map(|b| b.at),
            Tier::Hour => self.hours.first().map(|b| b.at),
        }
    }

    /// Where the longest stretch of a tier begins. Fine points are few where they are frequent, so
    /// minutes before them lengthen their stretch up to `bridge`.
    pub(super) fn longest_from(&self, tier: Tier, now: Stamp, bridge: Duration) -> Option<Stamp> {
        let oldest = self.oldest_of(tier)?;
        let minute = self.minutes.first().filter(|_| tier == Tier::Fine);
        let bridged = minute.map(|b| b.at.max(now.minus(bridge)));
        Some(bridged.map_or(oldest, |at| at.min(oldest)))
    }

    /// The oldest instant of any tier.
    #[must_use]
    pub fn observed_from(&self) -> Option<Stamp> {
        [Tier::Fine, Tier::Minute, Tier::Hour].into_iter().filter_map(|t| self.oldest_of(t)).min()
    }

    /// The lowest demand between two instants, from the finest tier that knows it.
    pub(super) fn floor_between(&self, from: Stamp, until: Stamp) -> Option<f64> {
        let first = self.points.partition_point(|p| p.until < from);
        let points = self.points[first..].iter().take_while(|p| p.at <= until);
        let lowest = points.map(|p| demand(&p.split)).filter(|d| d.0 > 0).min();
        let of = |buckets: &[Bucket]| {
            let first = buckets.partition_point(|b| b.until <= from);
            let floors = buckets[first..].iter().take_while(|b| b.at < until).map(floor);
            floors.min_by(f64::total_cmp)
        };
        lowest.map(Bytes::as_f64).or_else(|| of(self.minutes)).or_else(|| of(self.hours))
    }

    /// The highest level known from before `from`: readings, else medians of minutes and hours.
    pub(super) fn level_before(&self, from: Stamp) -> f64 {
        let points = self.points.iter().take_while(|p| p.until <= from).map(|p| demand(&p.split));
        let buckets = |buckets: &[Bucket]| {
            buckets
                .iter()
                .take_while(|b| b.until <= from)
                .map(|b| demand(&b.median))
                .max()
                .unwrap_or_default()
        };
        points
            .max()
            .unwrap_or_default()
            .max(buckets(self.minutes))
            .max(buckets(self.hours))
            .as_f64()
    }
}

/// Buffers that are filled anew for each target and kept between them, so that judging allocates
/// nothing once they have grown to the longest history.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    points: Vec<Point>,
    minutes: Vec<Bucket>,
    hours: Vec<Bucket>,
    work: Work,
}

impl Scratch {
    /// Copies a window out, and lends it together with the working space.
    pub(crate) fn take(&mut self, window: &Window<'_>) -> (Past<'_>, &mut Work) {
        self.minutes.clear();
        self.minutes.extend(window.buckets(Tier::Minute).filter(|b| b.median.used.0 > 0));
        self.hours.clear();
        self.hours.extend(window.buckets(Tier::Hour).filter(|b| b.median.used.0 > 0));
        self.take_points(window);
        let past = Past { points: &self.points, minutes: &self.minutes, hours: &self.hours };
        (past, &mut self.work)
    }

    /// Only the fine points of a window.
    pub(crate) fn take_fine(&mut self, window: &Window<'_>) -> (Past<'_>, &mut Work) {
        self.take_points(window);
        (Past { points: &self.points, minutes: &[], hours: &[] }, &mut self.work)
    }

    fn take_points(&mut self, window: &Window<'_>) {
        self.points.clear();
        self.points.extend(window.points().filter(|p| p.split.used.0 > 0));
    }
}

/// The working space of one search.
#[derive(Clone, Debug, Default)]
pub struct Work {
    pub(super) cells: Vec<Cell>,
    pub(super) slopes: Vec<f64>,
    /// The floors of the hour buckets with the daily cycle taken out.
    pub(super) floors: Vec<f64>,
    pub(super) season: Vec<f64>,
}

impl Work {
    /// Folds the stretch from `from` to `now` into `cells`. Shape: oldest first, at most 24.
    pub(super) fn fold(&mut self, past: Past<'_>, tier: Tier, from: Stamp, now: Stamp) {
        self.cells.clear();
        match tier {
            Tier::Fine => self.fold_points(past, from, now),
            Tier::Minute => self.fold_buckets(past.minutes, false, from, now),
            Tier::Hour => self.fold_buckets(past.hours, true, from, now),
        }
    }

    /// Cells of points, and of the minutes before the first point where the stretch is longer than
    /// the fine tier.
    fn fold_points(&mut self, past: Past<'_>, from: Stamp, now: Stamp) {
        let (from_s, now_s) = (from.secs(), now.secs());
        let width = (now_s - from_s) / CELLS as f64;
        let mut sums = [Sum::default(); CELLS];
        let first = past.minutes.partition_point(|b| b.until <= from);
        let fine_from = past.points.first().map_or(now, |p| p.at);
        let minutes = past.minutes[first..].iter().take_while(|b| b.until <= fine_from);
        let minutes = minutes.map(|b| Point { at: b.at, until: b.until, split: b.median });
        let first = past.points.partition_point(|p| p.until < from);
        let points = minutes.chain(past.points[first..].iter().copied());
        for point in points.filter(|p| p.split.used.0 > 0) {
            let (at, until) = (point.at.secs().max(from_s), point.until.secs().min(now_s));
            let index = |t: f64| (((t - from_s) / width) as usize).min(CELLS - 1);
            for (i, sum) in sums.iter_mut().enumerate().take(index(until) + 1).skip(index(at)) {
                let begin = (from_s + i as f64 * width).max(at);
                let end = (from_s + (i + 1) as f64 * width).min(until);
                // A single reading has no duration; it weighs a millisecond.
                sum.add(&point.split, f64::midpoint(begin, end) - now_s, (end - begin).max(1e-3));
            }
        }
        self.cells.extend(sums.iter().filter(|s| s.weight > 0.0).map(Sum::cell));
    }

    /// Cells of buckets take the lower quartile of the floors, so that a cell which holds whole
    /// teeth of a sawtooth shows their foot.
    fn fold_buckets(&mut self, buckets: &[Bucket], seasonless: bool, from: Stamp, now: Stamp) {
        let first = buckets.partition_point(|b| b.until <= from);
        let count = buckets.len() - first;
        if count == 0 {
            return;
        }
        let span = now.secs() - from.secs();
        let width = (span / CELLS as f64).max(1e-3);
        let slot = |b: &Bucket| ((b.at.secs() - from.secs()).max(0.0) / width) as usize;
        let mut start = first;
        while start < buckets.len() {
            let own = slot(&buckets[start]);
            let end = start + buckets[start..].iter().take_while(|b| slot(b) == own).count();
            let mut sum = Sum::default();
            self.slopes.clear();
            let mut offset = 0.0;
            for (i, bucket) in buckets.iter().enumerate().take(end).skip(start) {
                let middle = f64::midpoint(bucket.at.secs(), bucket.until.secs());
                sum.add(&bucket.median, middle - now.secs(), 1.0);
                let plain = floor(bucket);
                let used = if seasonless { self.floors[i] } else { plain };
                offset += used - plain;
                self.slopes.push(used);
            }
            let mut cell = sum.cell();
            let quarter = self.slopes.len() / 4;
            cell.floor = *self.slopes.select_nth_unstable_by(quarter, f64::total_cmp).1;
            cell.level += offset / (end - start) as f64;
            self.cells.push(cell);
            start = end;
        }
    }
}

/// A weighted sum of readings on its way to a [`Cell`].
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    weight: f64,
    of: Cell,
}

impl Sum {
    fn add(&mut self, split: &Split, t: f64, weight: f64) {
        let level = demand(split).as_f64();
        self.of.floor = if self.weight > 0.0 { self.of.floor.min(level) } else { level };
        self.weight += weight;
        self.of.t += t * weight;
        self.of.level += level * weight;
        self.of.anon += (split.anon + split.swap).as_f64() * weight;
        self.of.file += split.file.as_f64() * weight;
        self.of.shmem += split.shmem.as_f64() * weight;
        let other = split.used - split.anon - split.file - split.shmem;
        self.of.other += other.as_f64() * weight;
    }

    fn cell(&self) -> Cell {
        let Cell { t, floor, level, anon, file, shmem, other } = self.of;
        let mean = |sum: f64| sum / self.weight;
        Cell {
            t: mean(t),
            floor,
            level: mean(level),
            anon: mean(anon),
            file: mean(file),
            shmem: mean(shmem),
            other: mean(other),
        }
    }
}
