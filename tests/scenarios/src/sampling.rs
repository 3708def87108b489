//! When samples are taken: how often, how regularly, and what is missing.

use crate::random::Random;

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;

/// How often a series is sampled; its length goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cadence {
    Second,
    TenSeconds,
    Minute,
    FiveMinutes,
}

impl Cadence {
    pub const ALL: [Self; 4] = [Self::Second, Self::TenSeconds, Self::Minute, Self::FiveMinutes];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "1s",
            Self::TenSeconds => "10s",
            Self::Minute => "60s",
            Self::FiveMinutes => "5m",
        }
    }

    /// Units: seconds.
    #[must_use]
    pub fn interval_s(self) -> f64 {
        match self {
            Self::Second => 1.0,
            Self::TenSeconds => 10.0,
            Self::Minute => MINUTE,
            Self::FiveMinutes => 5.0 * MINUTE,
        }
    }

    /// How long a series of this cadence is. Units: seconds, from and to.
    #[must_use]
    pub fn spans_s(self) -> (f64, f64) {
        match self {
            Self::Second => (20.0 * MINUTE, HOUR),
            Self::TenSeconds => (3.0 * HOUR, 8.0 * HOUR),
            Self::Minute => (DAY, 3.0 * DAY),
            Self::FiveMinutes => (7.0 * DAY, 20.0 * DAY),
        }
    }
}

/// What is wrong with the sampling. A series' seed says which it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// Each sample up to 30 % of the interval early or late.
    Jitter,
    /// One stretch of 3 to 10 % of the span without a sample.
    Gap,
    /// Both, and one sample in 20 missing.
    All,
}

impl Flaw {
    #[must_use]
    pub fn of(seed: u32) -> Self {
        match seed % 4 {
            0 => Self::None,
            1 => Self::Jitter,
            2 => Self::Gap,
            _ => Self::All,
        }
    }
}

/// The instants of all samples in `0..span_s`, ascending. Units: seconds, to the millisecond.
#[must_use]
pub fn instants(interval_s: f64, span_s: f64, flaw: Flaw, random: &mut Random) -> Vec<f64> {
    let jitter = if matches!(flaw, Flaw::Jitter | Flaw::All) { 0.3 } else { 0.0 };
    let loss = if flaw == Flaw::All { 0.05 } else { 0.0 };
    let gap = matches!(flaw, Flaw::Gap | Flaw::All).then(|| {
        let from = random.between(0.1, 0.75) * span_s;
        from..from + random.between(0.03, 0.1) * span_s
    });
    let count = (span_s / interval_s) as u32;
    let mut instants = Vec::with_capacity(count as usize);
    for at in 0..count {
        let moved = random.between(-jitter, jitter) * interval_s;
        let time_s = (f64::from(at) * interval_s + moved).max(0.0);
        let is_missing = random.chance(loss) || gap.as_ref().is_some_and(|g| g.contains(&time_s));
        if !is_missing {
            instants.push((time_s * 1000.0).round() / 1000.0);
        }
    }
    instants
}
