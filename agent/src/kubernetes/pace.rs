//! When the names are asked for again. Pure: the time is handed in.
//!
//! Every so often; sooner when somebody is there whose name is not known, but never twice within
//! [`GAP`]; later and later while no answer comes. One question at a time: there is one thread.

use crate::clock::Stamp;
use std::time::Duration;

/// Between two questions, however many unknown ids there are.
pub(super) const GAP: Duration = Duration::from_secs(3);
/// After the first failure; it doubles with each further one.
const PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE_MAX: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Duration,
    asked_at: Option<Stamp>,
    /// In a row.
    failures: u32,
}

impl Pace {
    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, asked_at: None, failures: 0 }
    }

    pub(super) fn asked(&mut self, now: Stamp, went_well: bool) {
        self.asked_at = Some(now);
        self.failures = if went_well { 0 } else { self.failures.saturating_add(1) };
    }

    /// How long until the next question; zero if it is time. `wanted`: somebody is not known.
    pub(super) fn wait(&self, now: Stamp, wanted: bool) -> Duration {
        let Some(asked_at) = self.asked_at else { return Duration::ZERO };
        let every = match (self.failures, wanted) {
            (0, true) => GAP.min(self.interval),
            (0, false) => self.interval,
            (failures, _) => {
                let doubled = PATIENCE.saturating_mul(1 << (failures - 1).min(16));
                doubled.min(PATIENCE_MAX).min(self.interval.max(PATIENCE))
            }
        };
        every.saturating_sub(now.since(asked_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn the_unknown_are_asked_for_soon_but_not_at_once_again() {
        let mut pace = Pace::new(s(60));
        assert_eq!(pace.wait(Stamp(0), false), s(0), "nothing is known yet");
        pace.asked(Stamp(1_000), true);
        assert_eq!(pace.wait(Stamp(1_000), false), s(60));
        assert_eq!(pace.wait(Stamp(1_000), true), GAP);
        assert_eq!(pace.wait(Stamp(5_000), true), s(0));
        assert_eq!(pace.wait(Stamp(62_000), false), s(0));
    }

    #[test]
    fn without_an_answer_it_is_asked_ever_less_often_up_to_a_bound() {
        let mut pace = Pace::new(s(3600));
        let mut waits = Vec::new();
        for _ in 0..40 {
            pace.asked(Stamp(0), false);
            waits.push(pace.wait(Stamp(0), true).as_secs());
        }
        assert_eq!(waits[..4], [5, 10, 20, 40]);
        assert_eq!(waits[39], 300);
        pace.asked(Stamp(0), true);
        assert_eq!(pace.wait(Stamp(0), false), s(3600));
        let mut hasty = Pace::new(s(30));
        (0..9).for_each(|_| hasty.asked(Stamp(0), false));
        assert_eq!(hasty.wait(Stamp(0), false), s(30), "at least as often as if all were well");
    }
}
