//! The least that works: both the floor and the middle of 24 hours rise by the Mann–Kendall test
//! and from third to third; Sen's slope gives the rate and, with its interval, the time left.
//!
//! Source of the slope and its interval: Sen 1968; 80 %, by the normal approximation.

use super::alarm::{Alarm, Finding};
use super::buckets::Buckets;
use super::mann_kendall::{Z_MIN, variance, z};
use super::{HOUR, Rule};
use crate::events::{Eta, Event};
use crate::series::{Series, median};

#[derive(Debug)]
pub struct Sketch;

/// The normal quantile of 0.9.
const Z_80: f64 = 1.2816;
const AHEAD_S: f64 = 96.0 * HOUR;

impl Rule for Sketch {
    fn name(&self) -> &'static str {
        "15-line sketch"
    }

    fn judge(&self, series: &Series) -> Vec<Event> {
        let mut alarm = Alarm::default();
        let mut buckets = Buckets::new(series);
        for point in series.points() {
            if buckets.add(point) {
                let lows = buckets.full(|bucket| bucket.low);
                let medians = buckets.full(|bucket| bucket.median);
                let finding = lows.zip(medians).and_then(|(lows, medians)| {
                    let rises = rises(&lows) && rises(&medians);
                    rises.then(|| finding(&medians, buckets.width_s(), point.limit))
                });
                alarm.tell(point.time_s, finding);
            }
        }
        alarm.into_events()
    }
}

fn rises(values: &[(f64, f64)]) -> bool {
    let third = values.len() / 3;
    let middle = |part: &[(f64, f64)]| median(part.iter().map(|v| v.1).collect());
    let (first, last) = (middle(&values[..third]), middle(&values[values.len() - third..]));
    let second = middle(&values[third..values.len() - third]);
    z(values) > Z_MIN && first < second && second < last
}

fn finding(medians: &[(f64, f64)], width_s: f64, limit: f64) -> Finding {
    let mut slopes = Vec::new();
    for (at, later) in medians.iter().enumerate() {
        let slope = |earlier: &(f64, f64)| (later.1 - earlier.1) / (later.0 - earlier.0) / width_s;
        slopes.extend(medians[..at].iter().map(slope));
    }
    slopes.sort_by(f64::total_cmp);
    let middle = (slopes.len() - 1) as f64 / 2.0;
    let off = Z_80 * variance(medians).sqrt() / 2.0;
    let at = |place: f64| slopes[place.round().clamp(0.0, 2.0 * middle) as usize];
    let now = medians.last().map_or(0.0, |last| last.1);
    let eta = |slope: f64| if slope > 0.0 { (limit - now).max(0.0) / slope } else { f64::INFINITY };
    let eta_s =
        Eta { p10: eta(at(middle + off)), p50: eta(at(middle)), p90: eta(at(middle - off)) };
    let is_near = eta_s.p50 < AHEAD_S;
    Finding { rate_bytes_per_s: Some(at(middle)), eta_s: is_near.then_some(eta_s) }
}
