//! The rules that people use instead, on the same data and scored by the same code.
//!
//! Each is given the benefit of the doubt: an alarm that stands is said again every hour, so that
//! it counts as one episode however long it lasts; the two that need buckets take minutes where a
//! trace is shorter than a day, though they cannot know that beforehand. Where a rule gives a time
//! left without an interval, the three quantiles are the same.

mod alarm;
mod buckets;
mod coroot;
mod line;
mod mann_kendall;
mod ols;
mod predict_linear;
mod sketch;
mod threshold;

use crate::events::{ByEntity, Event};
use crate::series::Series;

/// A naive detector: sees a series sample by sample, as it was taken.
pub trait Rule: Sync {
    fn name(&self) -> &'static str;
    fn judge(&self, series: &Series) -> Vec<Event>;
}

const HOUR: f64 = 3600.0;

/// All of them, the quietest kind first.
pub const ALL: &[&dyn Rule] = &[
    &threshold::Threshold,
    &predict_linear::PredictLinear { name: "predict_linear 1h→4h", window_h: 1.0, ahead_h: 4.0 },
    &predict_linear::PredictLinear {
        name: "predict_linear 6h→24h", window_h: 6.0, ahead_h: 24.0
    },
    &predict_linear::PredictLinear {
        name: "predict_linear 24h→96h",
        window_h: 24.0,
        ahead_h: 96.0,
    },
    &ols::Ols { name: "OLS 6h R²>0.8", window_h: 6.0, eta_h: 24.0 },
    &ols::Ols { name: "OLS 24h R²>0.8", window_h: 24.0, eta_h: 96.0 },
    &coroot::Coroot,
    &mann_kendall::MannKendall,
    &sketch::Sketch,
];

/// What a rule says about each of several series.
#[must_use]
pub fn judge(rule: &dyn Rule, series: &[Series]) -> ByEntity {
    series.iter().map(|series| (series.name.clone(), rule.judge(series))).collect()
}

/// Lets a minute pass between evaluations.
struct Pace(f64);

impl Pace {
    fn new() -> Self {
        Self(f64::NEG_INFINITY)
    }

    fn is_due(&mut self, now_s: f64) -> bool {
        let is_due = now_s - self.0 >= 60.0;
        if is_due {
            self.0 = now_s;
        }
        is_due
    }
}
