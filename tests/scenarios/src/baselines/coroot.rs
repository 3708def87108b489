//! Coroot's memory-leak rule, as far as it is described: growth in percent an hour over the longest
//! stretch of the last hour in which the memory did not halve.

use super::alarm::{Alarm, Finding};
use super::line::Line;
use super::{HOUR, Pace, Rule};
use crate::events::Event;
use crate::series::{Point, Series};

#[derive(Debug)]
pub struct Coroot;

const POINTS_MIN: usize = 10;
const COVERED: f64 = 0.8;
/// Slope of the last quarter, at least so much of the whole's: what levels off is no leak.
const LAST_QUARTER: f64 = 0.3;
/// Growth in an hour as a share of the limit, where there is one.
const OF_LIMIT: f64 = 0.05;
/// Growth in an hour as a share of where the line begins.
const OF_BASE: f64 = 0.1;
const FOR_S: f64 = 900.0;

impl Rule for Coroot {
    fn name(&self) -> &'static str {
        "Coroot's rule"
    }

    fn judge(&self, series: &Series) -> Vec<Event> {
        let points: Vec<Point> = series.points().collect();
        let mut alarm = Alarm::default();
        let mut pace = Pace::new();
        let mut since_s = None;
        let mut from = 0;
        for (at, point) in points.iter().enumerate() {
            while points[from].time_s < point.time_s - HOUR {
                from += 1;
            }
            if !pace.is_due(point.time_s) {
                continue;
            }
            let slope = growth(longest(&points[from..=at]));
            since_s = slope.map(|_| since_s.unwrap_or(point.time_s));
            let stands = since_s.is_some_and(|since_s| point.time_s - since_s >= FOR_S);
            let finding = Finding { rate_bytes_per_s: slope, eta_s: None };
            alarm.tell(point.time_s, stands.then_some(finding));
        }
        alarm.into_events()
    }
}

/// The longest stretch without a sample that is less than half of the one before.
fn longest(points: &[Point]) -> &[Point] {
    let stretches = points.chunk_by(|before, after| after.used >= 0.5 * before.used);
    stretches.max_by_key(|stretch| stretch.len()).unwrap_or_default()
}

/// The slope if it passes all conditions. Units: bytes per second.
fn growth(points: &[Point]) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    if points.len() < POINTS_MIN || last.time_s - first.time_s < COVERED * HOUR {
        return None;
    }
    let whole = line(points).fit(first.time_s)?;
    let quarter = line(&points[points.len() * 3 / 4..]).fit(last.time_s)?;
    let hourly = whole.slope * HOUR;
    let is_leak = hourly > OF_BASE * whole.now
        && quarter.slope >= LAST_QUARTER * whole.slope
        && (last.limit.is_infinite() || hourly >= OF_LIMIT * last.limit);
    is_leak.then_some(whole.slope)
}

fn line(points: &[Point]) -> Line {
    let mut line = Line::new(points[0]);
    points.iter().for_each(|&point| line.add(point));
    line
}
