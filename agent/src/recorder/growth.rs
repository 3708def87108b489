//! How much a target grew, since when and how fast, out of its history. Pure.

use super::draft::SPAN;
use crate::clock::Stamp;
use crate::history::{Point, Tier, Window};
use crate::units::{Bytes, BytesPerSec};

/// Growth from the lowest point of the last hour to the last reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    pub since: Stamp,
    pub until: Stamp,
    pub used: Bytes,
    pub grown: Bytes,
    /// Of the line of least squares through the readings since then.
    pub rate: BytesPerSec,
}

/// The growth of a series up to `until`; None without a reading. Lies about what saws: the lowest
/// point is then the last trough. Cost: some 50 µs.
#[must_use]
pub fn growth_of(window: Window<'_>, until: Stamp) -> Option<Growth> {
    let from = until.minus(SPAN);
    let fine: Vec<Point> = window.points().filter(|point| point.at <= until).collect();
    let fine_from = fine.first().map_or(until, |point| point.at);
    let minutes = window.buckets(Tier::Minute);
    let minutes = minutes.filter(|b| b.until > from && b.until <= fine_from);
    let coarse = minutes.map(|b| (Stamp(b.at.0.midpoint(b.until.0)), b.median.used));
    let ends = |p: &Point| [(p.at, p.split.used), (p.until.min(until), p.split.used)];
    let recent = fine.iter().filter(|point| point.until >= from);
    let readings: Vec<(Stamp, Bytes)> = coarse.chain(recent.flat_map(ends)).collect();
    of_readings(&readings)
}

fn of_readings(readings: &[(Stamp, Bytes)]) -> Option<Growth> {
    let &(until, used) = readings.last()?;
    // Of equal lows the last: what came before it was no growth.
    let low = readings.iter().enumerate().rev().min_by_key(|(_, (_, used))| *used)?.0;
    let since = &readings[low..];
    Some(Growth {
        since: since[0].0,
        until,
        used,
        grown: used - since[0].1,
        rate: BytesPerSec(slope(since)),
    })
}

/// Bytes per second of the line of least squares; 0 through a single moment.
fn slope(readings: &[(Stamp, Bytes)]) -> f64 {
    let n = readings.len() as f64;
    let origin = readings.first().map_or(0.0, |(at, _)| at.secs());
    let mean_t = readings.iter().map(|(at, _)| at.secs() - origin).sum::<f64>() / n;
    let mean_v = readings.iter().map(|(_, used)| used.as_f64()).sum::<f64>() / n;
    let (mut both, mut square) = (0.0, 0.0);
    for (at, used) in readings {
        let t = at.secs() - origin - mean_t;
        both += t * (used.as_f64() - mean_v);
        square += t * t;
    }
    if square > 0.0 { both / square } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(values: impl IntoIterator<Item = u64>) -> Vec<(Stamp, Bytes)> {
        (0..).zip(values).map(|(s, mib)| (Stamp(s * 1000), Bytes::mib(mib))).collect()
    }

    #[test]
    fn growth_begins_at_the_last_low_and_has_the_slope_of_its_readings() {
        let growth = of_readings(&readings([9, 5, 5, 5].into_iter().chain(6..=64))).unwrap();
        assert_eq!((growth.since, growth.grown), (Stamp(3_000), Bytes::mib(59)));
        assert!((growth.rate.0 / Bytes::mib(1).as_f64() - 1.0).abs() < 0.01, "{growth:?}");
        assert_eq!(of_readings(&[]), None);
        let single = of_readings(&readings([7])).unwrap();
        assert_eq!((single.grown, single.rate.0), (Bytes::ZERO, 0.0));
    }

    #[test]
    fn what_shrinks_has_not_grown() {
        let growth = of_readings(&readings((1..60).rev())).unwrap();
        assert_eq!((growth.grown, growth.rate.0), (Bytes::ZERO, 0.0));
    }
}
