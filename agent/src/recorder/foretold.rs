//! What was said of one target and when: changes of state, and forecasts that moved. Pure.

use crate::clock::Stamp;
use crate::units::{Bytes, BytesPerSec, Limit};
use crate::verdict::{Cause, Eta, State, Verdict};
use serde::{Deserialize, Serialize};

/// Things kept that were said of one target.
pub const SAYINGS_MAX: usize = 64;
/// Of them, how many of the first are never given up: how it began.
const FIRST_KEPT: usize = 16;
/// A forecast is noted again once its p50 instant has moved by this share of the time left.
const MOVED_SHARE: f64 = 0.25;
/// Stands for an end that is not foreseen, in documents that know no infinity. Units: seconds.
const AGES_S: f64 = 1e10;

/// One thing that was said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saying {
    /// Units: milliseconds on the boot clock.
    pub at_ms: i64,
    pub state: State,
    pub cause: Cause,
    pub used: Bytes,
    pub limit: Limit,
    pub rate: BytesPerSec,
    pub eta: Option<Eta>,
}

impl Saying {
    #[must_use]
    pub fn of(verdict: &Verdict, now: Stamp) -> Self {
        let rate = verdict.rate_bytes_per_s.0;
        Self {
            at_ms: now.0,
            state: verdict.state,
            cause: verdict.cause,
            used: verdict.used_bytes,
            limit: verdict.limit_bytes,
            rate: BytesPerSec(if rate.is_finite() { rate } else { 0.0 }),
            eta: verdict.eta_s.map(finite),
        }
    }

    #[must_use]
    pub const fn at(&self) -> Stamp {
        Stamp(self.at_ms)
    }

    /// Foretold end (p50) − `killed`; None where no end was foretold. Units: seconds.
    #[must_use]
    pub fn error_s(&self, killed: Stamp) -> Option<f64> {
        Some(self.eta?.p50 - killed.since(self.at()).as_secs_f64())
    }

    /// Whether `killed` came between p10 and p90.
    #[must_use]
    pub fn inside(&self, killed: Stamp) -> Option<bool> {
        let (eta, took) = (self.eta?, killed.since(self.at()).as_secs_f64());
        Some((eta.p10..=eta.p90).contains(&took))
    }

    /// Whether `next` says anything that this did not.
    fn differs(&self, next: &Self) -> bool {
        if self.state != next.state || self.cause != next.cause {
            return true;
        }
        match (self.eta, next.eta) {
            (Some(before), Some(after)) => {
                let passed = next.at().since(self.at()).as_secs_f64();
                let moved = (before.p50 - passed - after.p50).abs();
                moved > MOVED_SHARE * after.p50.max(1.0)
            }
            (before, after) => before.is_some() != after.is_some(),
        }
    }
}

/// JSON has no infinity.
#[must_use]
pub fn finite(eta: Eta) -> Eta {
    let capped = |s: f64| if s.is_finite() { s.clamp(0.0, AGES_S) } else { AGES_S };
    Eta { p10: capped(eta.p10), p50: capped(eta.p50), p90: capped(eta.p90) }
}

/// All that was said of one target, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sayings(Vec<Saying>);

impl Sayings {
    /// Notes what is news. True if it was.
    pub fn note(&mut self, saying: Saying) -> bool {
        if self.0.last().is_some_and(|last| !last.differs(&saying)) {
            return false;
        }
        if self.0.len() >= SAYINGS_MAX {
            self.0.remove(FIRST_KEPT);
        }
        self.0.push(saying);
        true
    }

    pub fn iter(&self) -> impl Iterator<Item = &Saying> {
        self.0.iter()
    }

    #[must_use]
    pub fn last(&self) -> Option<&Saying> {
        self.0.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saying(at_s: i64, state: State, p50: Option<f64>) -> Saying {
        Saying {
            at_ms: at_s * 1000,
            state,
            cause: Cause::HeapLeak,
            used: Bytes::mib(1),
            limit: Limit::Max,
            rate: BytesPerSec(1.0),
            eta: p50.map(|p50| Eta { p10: p50 / 2.0, p50, p90: p50 * 2.0 }),
        }
    }

    #[test]
    fn only_changes_of_state_and_forecasts_that_moved_are_noted() {
        let mut said = Sayings::default();
        assert!(said.note(saying(0, State::LeakSuspected, None)));
        assert!(!said.note(saying(5, State::LeakSuspected, None)));
        assert!(said.note(saying(10, State::OomPredicted, Some(100.0))));
        assert!(!said.note(saying(60, State::OomPredicted, Some(52.0))), "it only drew nearer");
        assert!(said.note(saying(61, State::OomPredicted, Some(20.0))));
        assert_eq!(said.iter().count(), 3);
    }

    #[test]
    fn the_error_of_a_forecast_is_counted_against_the_kill() {
        let said = saying(10, State::OomPredicted, Some(100.0));
        assert_eq!(said.error_s(Stamp(90_000)), Some(20.0));
        assert_eq!(said.inside(Stamp(90_000)), Some(true));
        assert_eq!(said.inside(Stamp(30_000)), Some(false));
        assert_eq!(saying(0, State::Ok, None).error_s(Stamp(1)), None);
    }

    #[test]
    fn how_it_began_is_kept_however_often_it_changes() {
        let mut said = Sayings::default();
        for i in 0..1_000_i64 {
            let state = if i % 2 == 0 { State::LeakSuspected } else { State::OomPredicted };
            said.note(saying(i, state, None));
        }
        assert_eq!((said.0.len(), said.0[0].at_ms), (SAYINGS_MAX, 0));
        assert_eq!(said.last().map(|s| s.at_ms), Some(999_000));
    }

    #[test]
    fn no_infinity_reaches_a_document() {
        let eta = finite(Eta { p10: 1.0, p50: f64::INFINITY, p90: f64::NAN });
        assert_eq!((eta.p10, eta.p50, eta.p90), (1.0, AGES_S, AGES_S));
    }
}
