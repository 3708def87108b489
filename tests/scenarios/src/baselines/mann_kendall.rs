//! The Mann–Kendall test at p < 0.01 on 24 hourly medians: is later more than earlier?
//!
//! Source: Mann 1945, Kendall 1975, with the correction for ties. Assumes independent values, which
//! memory is not: its wander looks like a trend. That is why the test alone cries so often.

use super::Rule;
use super::alarm::{Alarm, Finding};
use super::buckets::Buckets;
use crate::events::Event;
use crate::series::Series;

#[derive(Debug)]
pub struct MannKendall;

/// The normal quantile of p = 0.01, two-sided.
pub const Z_MIN: f64 = 2.576;

impl Rule for MannKendall {
    fn name(&self) -> &'static str {
        "Mann–Kendall p<0.01"
    }

    fn judge(&self, series: &Series) -> Vec<Event> {
        let mut alarm = Alarm::default();
        let mut buckets = Buckets::new(series);
        for point in series.points() {
            if buckets.add(point) {
                let medians = buckets.full(|bucket| bucket.median);
                let rises = medians.is_some_and(|medians| z(&medians) > Z_MIN);
                let finding = Finding { rate_bytes_per_s: None, eta_s: None };
                alarm.tell(point.time_s, rises.then_some(finding));
            }
        }
        alarm.into_events()
    }
}

/// The standardised statistic of values in time order; 0 if all are equal.
pub fn z(values: &[(f64, f64)]) -> f64 {
    let mut s = 0.0;
    for (at, later) in values.iter().enumerate() {
        for earlier in &values[..at] {
            s += match later.1.total_cmp(&earlier.1) {
                std::cmp::Ordering::Less => -1.0,
                std::cmp::Ordering::Equal => 0.0,
                std::cmp::Ordering::Greater => 1.0,
            };
        }
    }
    let variance = variance(values);
    if variance <= 0.0 { 0.0 } else { (s - f64::signum(s)) / variance.sqrt() }
}

/// Of S under no trend.
pub fn variance(values: &[(f64, f64)]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    let mut sorted: Vec<f64> = values.iter().map(|value| value.1).collect();
    sorted.sort_by(f64::total_cmp);
    let ties = sorted.chunk_by(|a, b| a.total_cmp(b).is_eq()).map(|tied| term(tied.len() as f64));
    term(values.len() as f64) - ties.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_has_the_largest_statistic_and_ties_lessen_it() {
        let rise: Vec<(f64, f64)> = (0..10).map(|n| (f64::from(n), f64::from(n))).collect();
        // S = 45, variance 10·9·25/18 = 125.
        assert!((z(&rise) - 44.0 / 125.0_f64.sqrt()).abs() < 1e-12);
        let halves: Vec<(f64, f64)> = (0..10).map(|n| (f64::from(n), f64::from(n / 5))).collect();
        // S = 25; each tie of five takes 5·4·15/18 off.
        let expected = 24.0 / (125.0 - 2.0 * 300.0 / 18.0_f64).sqrt();
        assert!((z(&halves) - expected).abs() < 1e-12);
        assert!(z(&[(0.0, 1.0), (1.0, 1.0)]).abs() < 1e-12);
    }
}
