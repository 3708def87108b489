//! What came of reading the configuration anew.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One reload. Also the data of the event `config`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadView {
    /// Whether the new configuration is good; else the old one holds.
    pub good: bool,
    pub at: String,
    /// `start`, `signal`, `file` or `http`.
    pub trigger: String,
    /// Keys whose new value holds now.
    pub applied: Vec<String>,
    /// Keys whose new value waits for a restart.
    pub needs_restart: Vec<String>,
    /// What is wrong with it, if it is not good.
    pub faults: Vec<String>,
}

/// For the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReloadFigures {
    pub good: u64,
    pub bad: u64,
    pub last_was_good: bool,
    pub good_at_unix_s: f64,
    pub waiting_for_restart: usize,
}
