//! Each hour against the same hour of the day before: growth that a daily cycle cannot hide.
//!
//! Keeps the low value of each hour of the last week. The differences over 24 hours know no daily
//! cycle, whatever its shape (the idea of the seasonal Kendall test of Hirsch, Slack and Smith,
//! Water Resour. Res. 18, 1982). Growth is evidence when for three days nearly every hour lies
//! above that of the day before, and the newest day has grown like the ones before it. Gaps leave
//! out the hours that they touch. A weekly cycle looks like growth from its low to its high; three
//! days of rise within a week are rare, for it would have to be steady.

use super::cell::{Cell, Fold};

const DAY: usize = 24;
const HOURS: usize = 7 * DAY;
const HOUR_S: f64 = 3_600.0;
/// Differences that are looked at: those of the last three days.
const PAIRS: usize = 3 * DAY;
/// How many of them must be known.
const PAIRS_MIN: usize = PAIRS - 6;
/// The share that must be positive.
const POSITIVE_MIN: f64 = 0.97;
/// The newest day's rise ÷ that of the oldest of the three.
const STEADY: std::ops::Range<f64> = 0.4..4.0;

#[derive(Clone, Debug, Default)]
pub(super) struct Season {
    /// By hour modulo a week; NaN where nothing was read. Empty until the first hour is complete.
    hours: Vec<f32>,
    open: Fold,
    hour: i32,
}

/// Growth from day to day. Units: bytes per second; bytes over three days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Daily {
    pub slope: f64,
    pub growth: f64,
    /// The low value of the newest hour.
    pub now: f64,
}

/// Where an hour has its place in the week.
fn slot(hour: i32) -> usize {
    const WEEK: i32 = 7 * 24;
    hour.rem_euclid(WEEK).unsigned_abs() as usize
}

impl Season {
    /// Takes in a cell that began at `at`, in seconds.
    pub(super) fn add(&mut self, at: f64, cell: Cell) {
        let hour = (at / HOUR_S).floor() as i32;
        if hour != self.hour {
            let cell = self.open.folded(self.hour);
            self.open = Fold::default();
            if let Some(cell) = cell {
                self.close(cell.low, hour);
            }
            self.hour = hour;
        }
        self.open.add(cell);
    }

    /// Ends the present hour with `low`; hours until `next` were not read.
    fn close(&mut self, low: f32, next: i32) {
        if self.hours.is_empty() {
            self.hours = vec![f32::NAN; HOURS];
        }
        self.hours[slot(self.hour)] = low;
        for hour in (self.hour + 1..next).take(HOURS) {
            self.hours[slot(hour)] = f32::NAN;
        }
    }

    /// Steady growth from day to day over three days, if there is any. Cost: 0.5 µs.
    pub(super) fn daily(&self) -> Option<Daily> {
        if self.hours.is_empty() {
            return None;
        }
        let newest = HOURS + slot(self.hour) - 1;
        let low = |ago: usize| self.hours[(newest - ago) % HOURS];
        let mut rises = [f32::NAN; PAIRS];
        for (ago, rise) in rises.iter_mut().enumerate() {
            *rise = low(ago) - low(ago + DAY);
        }
        let known = rises.iter().filter(|rise| !rise.is_nan()).count();
        let positive = rises.iter().filter(|&&rise| rise > 0.0).count();
        if known < PAIRS_MIN || (positive as f64) < POSITIVE_MIN * known as f64 {
            return None;
        }
        let mut days = [0.0; PAIRS / DAY];
        for (median, day) in days.iter_mut().zip(rises.chunks_exact_mut(DAY)) {
            // NaN sorts last, which moves the median by no more than the few that are missing.
            day.sort_unstable_by(f32::total_cmp);
            *median = f64::from(day[DAY / 2]);
        }
        let [newest, middle, oldest] = days;
        let now = f64::from(low(0));
        let steady = oldest > 0.0 && STEADY.contains(&(newest / oldest)) && !now.is_nan();
        let growth = newest + middle + oldest;
        let seconds = PAIRS as f64 * HOUR_S;
        (steady && growth.is_finite()).then_some(Daily { slope: growth / seconds, growth, now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = 1_048_576.0;

    /// One cell of 17 minutes after the other; demand in MiB by hour.
    fn fed(days: f64, of: impl Fn(f64) -> f64) -> Option<Daily> {
        let mut season = Season::default();
        let width = 1024.0;
        for i in 0..(days * 86_400.0 / width) as i32 {
            let at = f64::from(i) * width;
            let value = (of(at / HOUR_S) * MIB) as f32;
            season.add(at, Cell { index: i, low: value, middle: value, high: value, readings: 9 });
        }
        season.daily()
    }

    fn cycle(hour: f64) -> f64 {
        300.0 * (std::f64::consts::TAU * hour / 24.0).sin()
    }

    #[test]
    fn a_daily_cycle_alone_does_not_grow() {
        assert_eq!(fed(7.0, |h| 1000.0 + cycle(h)), None);
    }

    #[test]
    fn a_leak_under_a_cycle_of_twice_its_daily_growth_is_measured() {
        let found = fed(4.5, |h| 1000.0 + cycle(h) + 150.0 * h / 24.0).expect("it grows");
        assert!((found.slope * 86_400.0 / MIB - 150.0).abs() < 3.0, "{found:?}");
        assert!((found.growth / MIB - 450.0).abs() < 9.0, "{found:?}");
    }

    #[test]
    fn three_days_are_not_enough_and_one_jump_is_no_growth() {
        assert_eq!(fed(3.5, |h| 1000.0 + 10.0 * h), None);
        assert_eq!(fed(7.0, |h| if h < 120.0 { 1000.0 } else { 1500.0 }), None);
    }

    #[test]
    fn a_gap_of_a_day_hides_it_and_one_of_an_hour_does_not() {
        let with_gap = |from: f64, hours: f64| {
            let mut season = Season::default();
            for i in 0..400 {
                let at = f64::from(i) * 1024.0;
                if (from..from + hours).contains(&(at / HOUR_S)) {
                    continue;
                }
                let value = ((1000.0 + at / 3600.0) * MIB) as f32;
                let cell = Cell { index: i, low: value, middle: value, high: value, readings: 9 };
                season.add(at, cell);
            }
            season.daily()
        };
        assert!(with_gap(60.0, 1.0).is_some());
        assert_eq!(with_gap(60.0, 24.0), None);
    }
}
