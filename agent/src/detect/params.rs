//! Every threshold of the judgement, with its unit and what moving it does.

use crate::config::AlertsConfig;
use crate::units::Bytes;
use std::time::Duration;

/// Thresholds of detection, forecast and hysteresis. `Params::default()` is what runs.
#[derive(Clone, Debug)]
pub struct Params {
    /// A target younger, or seen for less, than this is not suspected, unless it would reach its
    /// limit before that. Raise it where programs take longer to start. Default 30 s.
    pub warm_up: Duration,
    /// The shortest stretch of fine points that is judged. Lower finds fast leaks sooner and
    /// mistakes more bursts for them. Default 10 s.
    pub fine_span_min: Duration,
    /// The shortest stretch of minute buckets that is judged. Default 20 min.
    pub minute_span_min: Duration,
    /// The shortest stretch of hour buckets that is judged. Growth that went on for so long is
    /// suspected however far the limit is, or without one. Default 20 h.
    pub hour_span_min: Duration,
    /// Minutes and hours of a target against which nothing speaks are searched this often; fine
    /// points always. Default 60 s: there is no new minute before.
    pub coarse_interval: Duration,
    /// Cells with data that a stretch needs at least; it is cut into 24. Default 10.
    pub cells_min: usize,
    /// One-sided standard score of Mann–Kendall's S. 3.1 is p = 0.001 for independent cells.
    pub z_min: f64,
    /// Growth below this is never a finding. Units: bytes. Default 1 MiB.
    pub growth_min: Bytes,
    /// Growth below this share of the level is never a finding, at most in fine points and
    /// minutes; hours need a tenth of it. Ratio. Default 0.02.
    pub growth_share_min: f64,
    /// Growth must be this many robust standard deviations of the residuals. Default 4.
    pub growth_over_noise: f64,
    /// The later of the two rises between thirds, as a share of the earlier one, below which growth
    /// counts as levelling off. Ratio; 1 is a straight line. Default 0.4.
    pub steady_min: f64,
    /// The same for growth that was not seen to set in, which may be a warm-up: until half of its
    /// time constant has passed a saturating one has more. Default 0.85.
    pub steady_min_from_start: f64,
    /// The share of the growth that one jump may explain. Default 0.45: stairs of three count.
    pub jump_share_max: f64,
    /// The share of the growth that may have been given back by now. Default 0.25.
    pub retreat_max: f64,
    /// A trend that set in while the target was watched is believed once the time left is at most
    /// this many times its span. 3 is a quarter of the way from onset to limit.
    pub patience: f64,
    /// The same for growth that was not seen to set in. Default 2: a third of the way.
    pub patience_from_start: f64,
    /// The same where less than `imminent` is left and the trend set in while watched. Default 20.
    pub patience_pressing: f64,
    /// Judgements in a row that must hold the evidence before it is suspected. Default 3.
    pub confirm: u8,
    /// For at least this share of the trend's span must evidence stand. Ratio. Default 0.1.
    pub hold_share: f64,
    /// … but for no less than this. Default 2 s.
    pub hold_min: Duration,
    /// … and no more than this. Default 30 min.
    pub hold_max: Duration,
    /// Evidence must be gone for this share of the time the suspicion stood. Default 1/3.
    pub clear_share: f64,
    /// … but for no less than this. Default 30 s.
    pub clear_min: Duration,
    /// … and no more than this. Default 6 h.
    pub clear_max: Duration,
    /// Farther ahead than this no OOM is predicted. Default 96 h.
    pub oom_horizon: Duration,
    /// Less than this is imminent. Default 10 min.
    pub imminent: Duration,
    /// Headroom below this share of the limit is imminent while demand rises. Default 0.02.
    pub headroom_share_min: f64,
    /// A state is only left for a milder one when the time left is this many times what would
    /// enter it. Default 1.5.
    pub relax: f64,
    /// Restarts of a workload within the hour that make a loop, if each life grows. Default 3.
    pub restarts_min: u32,
    /// Spread of the forecast for each e-fold of extrapolation beyond the span. Ratio. Default 0.3.
    pub extrapolation_spread: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            warm_up: Duration::from_secs(30),
            fine_span_min: Duration::from_secs(10),
            minute_span_min: Duration::from_secs(20 * 60),
            hour_span_min: Duration::from_secs(20 * 3600),
            coarse_interval: Duration::from_secs(60),
            cells_min: 10,
            z_min: 3.1,
            growth_min: Bytes::mib(1),
            growth_share_min: 0.02,
            growth_over_noise: 4.0,
            steady_min: 0.4,
            steady_min_from_start: 0.85,
            jump_share_max: 0.45,
            retreat_max: 0.25,
            patience: 3.0,
            patience_from_start: 2.0,
            patience_pressing: 20.0,
            confirm: 3,
            hold_share: 0.1,
            hold_min: Duration::from_secs(2),
            hold_max: Duration::from_secs(30 * 60),
            clear_share: 1.0 / 3.0,
            clear_min: Duration::from_secs(30),
            clear_max: Duration::from_secs(6 * 3600),
            oom_horizon: Duration::from_secs(96 * 3600),
            imminent: Duration::from_secs(600),
            headroom_share_min: 0.02,
            relax: 1.5,
            restarts_min: 3,
            extrapolation_spread: 0.3,
        }
    }
}

impl Params {
    /// The defaults with what the configuration sets.
    #[must_use]
    pub fn from_config(alerts: &AlertsConfig) -> Self {
        Self { oom_horizon: alerts.oom_horizon, imminent: alerts.imminent, ..Self::default() }
    }
}
