//! Takes the daily cycle out of hour buckets, so that a leak under it shows.
//!
//! The slope is the median over all pairs of equal hours on different days (the seasonal Kendall
//! slope of Hirsch, Slack and Smith, Water Resour. Res. 18, 1982), which no daily cycle moves. With
//! that slope taken off, the median of each hour of the day is the cycle; it is subtracted from the
//! floors and their mean put back. Assumes that the cycle repeats; needs three and a half days and
//! must explain most of what the floors scatter around the line, else they stay as they are. It
//! lies about weekly cycles, which it does not know.

use super::Params;
use super::cells::floor;
use crate::history::Bucket;

const DAY: usize = 24;
const DAY_HOURS: i64 = 24;
const HOUR_MS: i64 = 3_600_000;
/// Below this a step and a leak under a cycle cannot be told apart.
const HOURS_MIN: usize = 84;
/// Older buckets are judged without being searched for a cycle: bounds the pairs at 504.
const HOURS_MAX: usize = 7 * DAY;

/// What may be left of the scatter, as a share, when the cycle is taken out.
const EXPLAINED: f64 = 0.5;

/// Fills `floors` with the floor of each bucket, without the daily cycle where that is known.
pub(super) fn remove(
    params: &Params,
    hours: &[Bucket],
    floors: &mut Vec<f64>,
    buffer: &mut Vec<f64>,
) {
    floors.clear();
    floors.extend(hours.iter().map(floor));
    let skipped = hours.len().saturating_sub(HOURS_MAX);
    let recent = &hours[skipped..];
    if recent.len() < HOURS_MIN {
        return;
    }
    let hour = |b: &Bucket| b.at.0.div_euclid(HOUR_MS);
    let of_day = |b: &Bucket| usize::try_from(hour(b).rem_euclid(DAY_HOURS)).unwrap_or(0);
    buffer.clear();
    for start in 0..recent.len().min(DAY) {
        // Every 24th bucket is of the same hour, but for pairs across a gap, which are left out.
        for i in (start..recent.len()).step_by(DAY) {
            for j in (start..i).step_by(DAY) {
                if of_day(&recent[i]) == of_day(&recent[j]) {
                    let hours = (hour(&recent[i]) - hour(&recent[j])).max(1);
                    buffer.push((floors[skipped + i] - floors[skipped + j]) / hours as f64);
                }
            }
        }
    }
    let Some(slope) = median(buffer) else { return };
    let mut cycle = [0.0; DAY];
    for (h, level) in cycle.iter_mut().enumerate() {
        buffer.clear();
        let own = recent.iter().enumerate().filter(|(_, b)| of_day(b) == h);
        buffer.extend(
            own.map(|(i, b)| floors[skipped + i] - slope * (hour(b) - hour(&recent[0])) as f64),
        );
        *level = median(buffer).unwrap_or(0.0);
    }
    let mean = cycle.iter().sum::<f64>() / DAY as f64;
    for level in &mut cycle {
        *level -= mean;
    }
    let mut scatter = |cycle: &[f64; DAY]| {
        buffer.clear();
        buffer.extend(recent.iter().enumerate().map(|(i, b)| {
            let line = mean + slope * (hour(b) - hour(&recent[0])) as f64;
            (floors[skipped + i] - line - cycle[of_day(b)]).abs()
        }));
        median(buffer).unwrap_or(0.0)
    };
    let (plain, without) = (scatter(&[0.0; DAY]), scatter(&cycle));
    if plain < params.growth_min.as_f64() || without > EXPLAINED * plain {
        return;
    }
    for (value, bucket) in floors.iter_mut().zip(hours) {
        *value -= cycle[of_day(bucket)];
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}
