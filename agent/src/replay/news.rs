//! Verdicts into events: what is told of an entity, and when it is told again.
//!
//! Two things are told apart. A leak is suspected from the first verdict of `leak_suspected` or
//! worse until the first that is milder. An OOM is predicted while a verdict of `oom_predicted` or
//! worse has a forecast whose middle lies within the horizon; what was told stands until it is
//! repeated or withdrawn.

use crate::units::BytesPerSec;
use crate::verdict::{Cause, Eta, State};
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;

/// A forecast is told anew when its middle has moved by more than this share of the time left. Not
/// only when it has moved by a quarter: what stands would be wrong by up to that much.
const MOVED: f64 = 0.05;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    LeakSuspected,
    LeakCleared,
    OomPredicted,
    OomCleared,
}

/// One event, without the name of its entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// The row that it was found at. Units: seconds, as the trace has them.
    pub time_s: f64,
    pub kind: EventKind,
    pub rate: BytesPerSec,
    /// Counted from `time_s`; always there where an OOM is predicted.
    pub eta: Option<Eta>,
    pub confidence: f64,
    pub cause: Cause,
}

/// An event as it is written.
#[derive(Serialize)]
struct Line<'a> {
    time_s: f64,
    entity: &'a str,
    event: EventKind,
    rate_bytes_per_s: BytesPerSec,
    eta_s: Option<Eta>,
    confidence: f64,
    cause: Cause,
}

impl Event {
    /// Writes it as one line of JSON.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write(&self, entity: &str, out: &mut dyn Write) -> io::Result<()> {
        let &Self { time_s, kind: event, rate, eta, confidence, cause } = self;
        let line =
            Line { time_s, entity, event, rate_bytes_per_s: rate, eta_s: eta, confidence, cause };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")
    }
}

/// What a judgement came to, as far as it is told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    pub(super) state: State,
    pub(super) cause: Cause,
    pub(super) rate: BytesPerSec,
    pub(super) eta: Option<Eta>,
    pub(super) confidence: f64,
}

/// What was last told of an entity.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    leak: bool,
    /// The middle of the forecast that stands. Units: seconds, as the trace has them.
    end_s: Option<f64>,
}

impl Told {
    /// What is to be told after a judgement at `time_s`. Shape: in the order of telling.
    pub(super) fn news(
        &mut self,
        outcome: &Outcome,
        time_s: f64,
        horizon: Duration,
    ) -> [Option<Event>; 2] {
        let &Outcome { state, cause, rate, eta, confidence } = outcome;
        let event = |kind| Event { time_s, kind, rate, eta, confidence, cause };
        let leak = state >= State::LeakSuspected;
        let leak_news = match (self.leak, leak) {
            (false, true) => Some(event(EventKind::LeakSuspected)),
            (true, false) => Some(event(EventKind::LeakCleared)),
            _ => None,
        };
        self.leak = leak;
        let end = eta.filter(|_| state >= State::OomPredicted);
        let oom_news = self.oom_news(end, time_s, horizon).map(event);
        // A suspicion comes before what follows from it and goes after it.
        if leak { [leak_news, oom_news] } else { [oom_news, leak_news] }
    }

    fn oom_news(&mut self, end: Option<Eta>, time_s: f64, horizon: Duration) -> Option<EventKind> {
        let Some(end) = end else {
            return self.end_s.take().map(|_| EventKind::OomCleared);
        };
        if self.end_s.is_some_and(|told| !moved(told - time_s, end.p50)) {
            return None;
        }
        if end.p50 > horizon.as_secs_f64() {
            // It can be neither told anew nor left standing.
            return self.end_s.take().map(|_| EventKind::OomCleared);
        }
        self.end_s = Some(time_s + end.p50);
        Some(EventKind::OomPredicted)
    }
}

/// Whether a forecast differs from the one that was told, both as the time left now: by more than
/// [`MOVED`] of the shorter one. An end that was told and has passed means now.
fn moved(told_s: f64, left_s: f64) -> bool {
    let told_s = told_s.max(0.0);
    (left_s - told_s).abs() > MOVED * left_s.min(told_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORIZON: Duration = Duration::from_secs(96 * 3600);

    /// What is told of verdicts at so many seconds with so many seconds left.
    fn told(verdicts: &[(f64, State, Option<f64>)]) -> Vec<(f64, EventKind)> {
        let mut told = Told::default();
        let news = verdicts.iter().flat_map(|&(time_s, state, left)| {
            let eta = left.map(|p50| Eta { p10: 0.5 * p50, p50, p90: 2.0 * p50 });
            told.news(&Outcome { state, eta, ..Outcome::default() }, time_s, HORIZON)
        });
        news.flatten().map(|event| (event.time_s, event.kind)).collect()
    }

    use EventKind::{LeakCleared, LeakSuspected, OomCleared, OomPredicted};
    use State::{Ok, OomImminent};

    #[test]
    fn a_suspicion_is_told_before_the_forecast_and_cleared_after_it() {
        let news = told(&[
            (0.0, State::WarmingUp, None),
            (1.0, State::LeakSuspected, Some(1e6)),
            (2.0, State::OomPredicted, Some(3600.0)),
            (3.0, State::LeakSuspected, Some(1e6)),
            (4.0, OomImminent, Some(60.0)),
            (5.0, Ok, None),
            (6.0, OomImminent, Some(60.0)),
        ]);
        let expected = [
            (1.0, LeakSuspected),
            (2.0, OomPredicted),
            (3.0, OomCleared),
            (4.0, OomPredicted),
            (5.0, OomCleared),
            (5.0, LeakCleared),
            (6.0, LeakSuspected),
            (6.0, OomPredicted),
        ];
        assert_eq!(news, expected);
    }

    #[test]
    fn a_forecast_is_repeated_once_its_end_has_moved_by_more_than_a_twentieth_of_the_time_left() {
        let at = |time_s, left| (time_s, State::OomPredicted, Some(left));
        // The end was told to be at 1000; then it lies at 1000, 1100, 1120, 1150, 1000.
        let news = told(&[at(0.0, 1000.0), at(100.0, 900.0), at(600.0, 500.0), at(600.0, 520.0)]);
        assert_eq!(news[1..], [(0.0, OomPredicted), (600.0, OomPredicted)]);
        let sooner = told(&[at(0.0, 1000.0), at(0.0, 810.0), at(0.0, 790.0)]);
        assert_eq!(sooner.len(), 3, "{sooner:?}");
    }

    #[test]
    fn that_the_end_is_now_is_told_once() {
        let now = |time_s| (time_s, OomImminent, Some(0.0));
        let news = told(&[(0.0, OomImminent, Some(10.0)), now(9.0), now(10.0), now(5000.0)]);
        assert_eq!(news[1..], [(0.0, OomPredicted), (9.0, OomPredicted)]);
        // It was told to be over, and is not.
        let wrong = told(&[now(0.0), (60.0, OomImminent, Some(30.0))]);
        assert_eq!(wrong[1..], [(0.0, OomPredicted), (60.0, OomPredicted)]);
    }

    #[test]
    fn beyond_the_horizon_nothing_is_predicted_and_what_was_is_withdrawn() {
        let hours =
            |hour: f64, left: f64| (3600.0 * hour, State::OomPredicted, Some(3600.0 * left));
        let news = told(&[hours(0.0, 97.0), hours(1.0, 96.0), hours(2.0, 98.0), hours(3.0, 130.0)]);
        let hour = 3600.0;
        let expected = [(0.0, LeakSuspected), (hour, OomPredicted), (3.0 * hour, OomCleared)];
        assert_eq!(news, expected);
    }
}
