//! How fast a scope loses what it could have, from reading to reading. Pure.
//!
//! An average that forgets in a second: a burst is seen within three readings, and a single step of
//! some bytes counts as so many bytes per second and is forgotten. The verdicts' own rates look at
//! minutes and hours; this one is about the next seconds. A second pair of averages forgets in a
//! minute and says whose growth it is that the verdicts foretell the end of.
//!
//! What subscribers hold is not lost: they give it back when they are asked. A cache that fills
//! after its start is no leak, however fast, and what it gives back hides nobody else's growth.

use crate::clock::Stamp;
use crate::units::Bytes;
use std::time::Duration;

/// What is older than this weighs a third.
const MEMORY_S: f64 = 1.0;
const LONG_MEMORY_S: f64 = 60.0;
/// The share of the growth of the last minute that must be others' for it to be theirs.
const OTHERS_MIN: f64 = 0.5;
/// Readings closer together than this are one.
const APART: Duration = Duration::from_millis(20);

/// What is left of a scope at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    pub headroom: Bytes,
    /// Held by subscribers, as far as it could be read.
    pub held: Bytes,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Slope {
    last: Option<(Stamp, Left)>,
    rate: f64,
    others_long: f64,
    all_long: f64,
}

impl Slope {
    /// Takes a reading. Memory that comes back counts as rest, not as negative growth: that one has
    /// given back says nothing about those who go on taking.
    pub fn see(&mut self, left: Left, now: Stamp) {
        let Some((at, before)) = self.last else {
            self.last = Some((now, left));
            return;
        };
        let passed = now.since(at);
        if passed < APART {
            return;
        }
        let seconds = passed.as_secs_f64();
        let all = (before.headroom.as_f64() - left.headroom.as_f64()) / seconds;
        let others = all + (before.held.as_f64() - left.held.as_f64()) / seconds;
        let toward = |rate: &mut f64, now: f64, memory_s: f64| {
            *rate = (*rate + (now - *rate) * (1.0 - (-seconds / memory_s).exp())).max(0.0);
        };
        toward(&mut self.rate, others, MEMORY_S);
        toward(&mut self.others_long, others, LONG_MEMORY_S);
        toward(&mut self.all_long, all, LONG_MEMORY_S);
        self.last = Some((now, left));
    }

    /// Subscribers came or left: what they hold cannot be compared with what was held before.
    pub const fn rebase(&mut self) {
        self.last = None;
    }

    /// Of those who are no subscribers. Units: bytes per second, never negative.
    #[must_use]
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether what was lost of late went to others than subscribers, or nothing was lost.
    #[must_use]
    pub fn is_of_others(&self) -> bool {
        self.others_long >= self.all_long * OTHERS_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate_mib(readings: &[(i64, u64)]) -> f64 {
        let mut slope = Slope::default();
        for &(ms, left_mib) in readings {
            slope.see(Left { headroom: Bytes::mib(left_mib), held: Bytes::ZERO }, Stamp(ms));
        }
        slope.rate() / 1_048_576.0
    }

    /// Every 100 ms for three seconds: so much a second to a subscriber, so much to others.
    fn shared(own_mib: u64, others_mib: u64) -> Slope {
        let mut slope = Slope::default();
        for n in 0..30 {
            let (own, others) = (own_mib * n / 10, others_mib * n / 10);
            let headroom = Bytes::mib(1000) - Bytes::mib(own + others);
            slope.see(
                Left { headroom, held: Bytes::mib(own) },
                Stamp(100 * i64::try_from(n).unwrap()),
            );
        }
        slope
    }

    #[test]
    fn what_a_subscriber_takes_is_not_lost_and_what_others_take_is() {
        let filling = shared(200, 0);
        assert_eq!((filling.rate(), filling.is_of_others()), (0.0, false));
        let both = shared(200, 100);
        let rate = both.rate() / 1_048_576.0;
        assert!((90.0..105.0).contains(&rate), "{rate}");
        assert!(!both.is_of_others() && shared(50, 100).is_of_others());
        assert!(Slope::default().is_of_others(), "nothing was lost");
    }

    #[test]
    fn what_a_subscriber_gives_back_hides_nobodys_growth() {
        let mut slope = Slope::default();
        for n in 0..30 {
            let left = Left { headroom: Bytes::mib(100), held: Bytes::mib(300 - 2 * n) };
            slope.see(left, Stamp(100 * i64::try_from(n).unwrap()));
        }
        let rate = slope.rate() / 1_048_576.0;
        assert!((17.0..21.0).contains(&rate), "{rate}: 20 MiB/s are taken and 20 given");
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
