//! How fast the headroom of a scope shrinks, from reading to reading. Pure.
//!
//! An average that forgets in a second: a burst is seen within three readings, and a single step of
//! some bytes counts as so many bytes per second and is forgotten. The verdicts' own rates look at
//! minutes and hours; this one is about the next seconds.

use crate::clock::Stamp;
use crate::units::Bytes;
use std::time::Duration;

/// What is older than this weighs a third.
const MEMORY_S: f64 = 1.0;
/// Readings closer together than this are one.
const APART: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, Default)]
pub struct Slope {
    last: Option<(Stamp, Bytes)>,
    rate: f64,
}

impl Slope {
    /// Takes a reading. Memory that comes back counts as rest, not as negative growth: what was
    /// given back on request says nothing about those who go on taking.
    pub fn see(&mut self, headroom: Bytes, now: Stamp) {
        let Some((at, before)) = self.last else {
            self.last = Some((now, headroom));
            return;
        };
        let passed = now.since(at);
        if passed < APART {
            return;
        }
        let seconds = passed.as_secs_f64();
        let rate = (before - headroom).as_f64() / seconds;
        let weight = 1.0 - (-seconds / MEMORY_S).exp();
        self.rate += (rate - self.rate) * weight;
        self.last = Some((now, headroom));
    }

    /// Units: bytes per second, never negative.
    #[must_use]
    pub const fn rate(&self) -> f64 {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate_mib(readings: &[(i64, u64)]) -> f64 {
        let mut slope = Slope::default();
        for &(ms, left_mib) in readings {
            slope.see(Bytes::mib(left_mib), Stamp(ms));
        }
        slope.rate() / 1_048_576.0
    }

    #[test]
    fn a_burst_is_seen_within_three_readings() {
        let rate = rate_mib(&[(0, 200), (100, 190), (200, 180), (300, 170)]);
        assert!((20.0..40.0).contains(&rate), "{rate}");
    }

    #[test]
    fn a_step_counts_as_its_bytes_in_a_second_and_is_forgotten() {
        let rate = rate_mib(&[(0, 200), (100, 150)]);
        assert!((40.0..50.0).contains(&rate), "{rate}");
        let later = rate_mib(&[(0, 200), (100, 150), (1_100, 150), (3_100, 150)]);
        assert!(later < 5.0, "{later}");
    }

    #[test]
    fn what_comes_back_is_no_negative_growth() {
        assert_eq!(rate_mib(&[(0, 100), (100, 200), (200, 300)]), 0.0);
    }

    #[test]
    fn a_steady_growth_comes_out_as_what_it_is_at_any_cadence() {
        for step in [100, 500, 2_000] {
            let readings: Vec<_> = (0..20)
                .map(|i| (i * step, 10_000 - u64::try_from(i * step).unwrap() / 100))
                .collect();
            let rate = rate_mib(&readings);
            assert!((7.0..11.0).contains(&rate), "{rate} at {step} ms");
        }
    }
}
