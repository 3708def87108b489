//! Every threshold of the judgement, with its unit and what moving it does.

use crate::config::AlertsConfig;
use crate::units::Bytes;
use std::time::Duration;

/// Thresholds of detection, forecast and hysteresis. `Params::default()` is what runs.
#[derive(Clone, Debug)]
pub struct Params {
    /// A target younger, or seen for less, than this is warming up, and not suspected unless it
    /// would reach its limit before. Raise it where programs take longer to start. Default 30 s.
    pub warm_up: Duration,
    /// Growth below this is never evidence, and a target that never moved by it costs no memory.
    /// Units: bytes. Default 1 MiB.
    pub growth_min: Bytes,
    /// Growth below this share of the level is not held against a near limit. Ratio. Default 0.02.
    pub growth_share_min: f64,
    /// The log-odds from which growth towards a limit is evidence. Default 1.1. Lower finds
    /// leaks sooner and accuses more healthy targets.
    pub weight_min: f64,
    /// The log-odds that evidence must have had for a forecast to be announced. Default 1.78.
    pub weight_to_predict: f64,
    /// Growth must exceed this share of the highest rise that was taken back. Ratio. Default 0.8.
    pub beyond_min: f64,
    /// A limit farther than this many spans is not yet headed for. Default 8.
    pub patience_max: f64,
    /// The same for a target that was known for less than `past_long` spans before. Default 4.
    pub patience_young: f64,
    /// The same for a rise that may have set in before it was seen: half of the way. Default 2.5.
    pub patience_grown: f64,
    /// … and for a short one, at about six tenths of the way, for the first tooth of a sawtooth
    /// grows like a leak. Default 1.6.
    pub patience_grown_min: f64,
    /// Over how long such a rise earns one span of patience beyond that. Default 60 s.
    pub patience_grown_over: Duration,
    /// Over how long a rise earns one span of patience: short bursts must be near. Default 10 s.
    pub patience_grows_over: Duration,
    /// A target known for less than this many spans before its rise grew from the start. 0.7.
    pub past_min: f64,
    /// A target known for at least this many spans before its rise is well known. Default 5.
    pub past_long: f64,
    /// Growth from the start is believed once the limit is within this many spans. Default 1: at
    /// half of the way.
    pub patience_from_start: f64,
    /// … with at least this drift. Default 2.5.
    pub drift_from_start: f64,
    /// … over at least so many cells. Default 16.
    pub cells_from_start: usize,
    /// … or so many, if the end is within [`Params::brink`] and half of the span: to wait for
    /// more would be to say it too late. Default 10.
    pub cells_at_the_brink: usize,
    /// … or so many, if it has gone on for `straight_span_min`. Default 12.
    pub cells_straight: usize,
    /// Growth from the start that has gone on for this long is no start of a program any more.
    /// Default 150 s.
    pub straight_span_min: Duration,
    /// … and for no longer than this: over the first quarter of an hour a warm-up of hours is as
    /// straight. Default 300 s.
    pub straight_span_max: Duration,
    /// Such a growth is believed once the limit is within this many spans. Default 2.2: at 31 % of
    /// the way.
    pub patience_straight: f64,
    /// The time left from which on there is none to lose. Default 10 s.
    pub brink: Duration,
    /// The shortest span of a creeping growth. Default 8 h.
    pub creep_span_min: Duration,
    /// The least drift of a creeping growth. Default 1.6.
    pub creep_drift: f64,
    /// The end of a creeping growth lies beyond this many spans. Default 20.
    pub creep_ends_beyond: f64,
    /// The least share of the level that a creeping growth gains over its span. Default 0.003.
    pub creep_share_min: f64,
    /// The least share of the level that growth from day to day gains in three days. Default 0.05.
    pub daily_share_min: f64,
    /// Judgements that must hold evidence before it is suspected. Default 2.
    pub confirm: u8,
    /// Evidence must stand for this share of its span. Ratio. Default 0.06.
    pub hold_share: f64,
    /// Evidence must be gone for this share of the time it stood. Default 1/3.
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
    /// … and at least half of them reached this share of what they may take. Default 0.5.
    pub restarts_peak_share: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            warm_up: Duration::from_secs(30),
            growth_min: Bytes::mib(1),
            growth_share_min: 0.02,
            weight_min: 1.1,
            weight_to_predict: 1.78,
            beyond_min: 0.8,
            patience_max: 8.0,
            patience_young: 4.0,
            patience_grown: 2.5,
            patience_grown_min: 1.6,
            patience_grown_over: Duration::from_secs(60),
            patience_grows_over: Duration::from_secs(10),
            past_min: 0.7,
            past_long: 5.0,
            patience_from_start: 1.0,
            drift_from_start: 2.5,
            cells_from_start: 16,
            cells_at_the_brink: 10,
            cells_straight: 12,
            straight_span_min: Duration::from_secs(150),
            straight_span_max: Duration::from_secs(300),
            patience_straight: 2.2,
            brink: Duration::from_secs(10),
            creep_span_min: Duration::from_secs(8 * 3600),
            creep_drift: 1.6,
            creep_ends_beyond: 20.0,
            creep_share_min: 0.003,
            daily_share_min: 0.05,
            confirm: 2,
            hold_share: 0.06,
            clear_share: 1.0 / 3.0,
            clear_min: Duration::from_secs(30),
            clear_max: Duration::from_secs(6 * 3600),
            oom_horizon: Duration::from_secs(96 * 3600),
            imminent: Duration::from_secs(600),
            headroom_share_min: 0.02,
            relax: 1.5,
            restarts_min: 3,
            restarts_peak_share: 0.5,
        }
    }
}

impl Params {
    /// The defaults with what the configuration sets. Caution is asked of all that is not weighed
    /// as log-odds too: a creeping growth must drift more, a grown one be nearer to its end.
    #[must_use]
    pub fn from_config(alerts: &AlertsConfig) -> Self {
        let default = Self::default();
        let more = alerts.caution;
        Self {
            oom_horizon: alerts.oom_horizon,
            imminent: alerts.imminent,
            weight_min: default.weight_min + more,
            weight_to_predict: default.weight_to_predict + more,
            creep_drift: default.creep_drift + 0.1 * more,
            patience_grown: default.patience_grown * (-0.1 * more).exp(),
            patience_from_start: default.patience_from_start * (-0.1 * more).exp(),
            patience_straight: default.patience_straight * (-0.1 * more).exp(),
            hold_share: default.hold_share * (0.3 * more).exp(),
            ..default
        }
    }
}
