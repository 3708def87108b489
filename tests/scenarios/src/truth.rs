//! What is known about a series that was made: whether it leaks, since when and until when.

use serde::{Deserialize, Serialize};

/// Units: seconds on the trace's own clock, bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The form of the growth, or what a healthy series does.
    pub shape: String,
    /// `None` for a healthy series.
    pub leak: Option<Leak>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leak {
    pub onset_s: f64,
    /// When the limit is reached for the last time; `None` if the trace ends before.
    pub oom_s: Option<f64>,
    /// `oom_s`, or the last sample.
    pub end_s: f64,
    /// When the life began that ends at `end_s`: after the last kill, else the onset.
    pub life_from_s: f64,
    /// Mean growth from onset to end; `None` where it is interrupted by kills.
    pub rate_bytes_per_s: Option<f64>,
}

impl Leak {
    /// Units: seconds, from the onset to the end.
    #[must_use]
    pub fn life_s(&self) -> f64 {
        self.end_s - self.onset_s
    }
}
