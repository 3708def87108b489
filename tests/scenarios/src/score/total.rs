//! Precision and recall over leaks and healthy series together.

use super::growth::Growth;
use super::silence::Silence;
use serde::Serialize;

/// Counts of series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Total {
    pub leaks: usize,
    pub found: usize,
    /// Healthy series with a leak alarm, and leaks with one before their onset.
    pub false_alarms: usize,
}

impl Total {
    #[must_use]
    pub fn of(silence: &Silence, growth: &Growth) -> Self {
        Self {
            leaks: growth.series,
            found: growth.found,
            false_alarms: silence.series_with_leak + growth.early,
        }
    }

    /// 0 if nothing was raised.
    #[must_use]
    pub fn precision(&self) -> f64 {
        self.found as f64 / (self.found + self.false_alarms).max(1) as f64
    }

    #[must_use]
    pub fn recall(&self) -> f64 {
        self.found as f64 / self.leaks.max(1) as f64
    }

    /// The harmonic mean of the two.
    #[must_use]
    pub fn f1(&self) -> f64 {
        2.0 * self.found as f64 / (self.leaks + self.found + self.false_alarms).max(1) as f64
    }
}
