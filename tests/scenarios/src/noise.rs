//! What lies over every shape: measurement scatter, wander that returns, short spikes.
//!
//! None of it is a random walk: its variance does not grow with time, so a healthy series stays
//! where it is however long it is watched.

use crate::random::Random;

/// How much noise there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    Low,
    Mid,
    High,
}

impl Level {
    pub const ALL: [Self; 3] = [Self::Low, Self::Mid, Self::High];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Mid => "mid",
            Self::High => "high",
        }
    }

    /// Standard deviation as a share of the limit.
    #[must_use]
    pub fn share(self) -> f64 {
        match self {
            Self::Low => 0.001,
            Self::Mid => 0.005,
            Self::High => 0.02,
        }
    }

    /// The probability of a spike at a sample.
    #[must_use]
    pub fn spikes(self) -> f64 {
        match self {
            Self::Low => 0.0,
            Self::Mid => 0.002,
            Self::High => 0.005,
        }
    }
}

/// A first-order autoregression on irregular instants, of zero mean: each step forgets
/// exp(−Δt ÷ `forget_s`) of what was. Units: those of `sigma`.
#[must_use]
pub fn wander(time_s: &[f64], sigma: f64, forget_s: f64, random: &mut Random) -> Vec<f64> {
    let mut value = sigma * random.normal();
    let mut before = time_s.first().copied().unwrap_or(0.0);
    let step = |&now: &f64| {
        let kept = (-(now - before) / forget_s).exp();
        value = kept * value + sigma * (1.0 - kept * kept).sqrt() * random.normal();
        before = now;
        value
    };
    time_s.iter().map(step).collect()
}

/// Half scatter, half wander (by variance) with the standard deviation `sigma`, and spikes upward.
#[must_use]
pub fn over(time_s: &[f64], sigma: f64, level: Level, random: &mut Random) -> Vec<f64> {
    let span = time_s.last().copied().unwrap_or(0.0);
    let forget_s = (span * random.between(1.0 / 120.0, 1.0 / 40.0)).max(1.0);
    let half = sigma * 0.5_f64.sqrt();
    let mut noise = wander(time_s, half, forget_s, random);
    for value in &mut noise {
        *value += half * random.normal();
        if random.chance(level.spikes()) {
            *value += random.exponential(4.0 * sigma);
        }
    }
    noise
}
