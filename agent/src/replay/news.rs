//! Verdicts into events: what is told of an entity, and when it is told again.
//!
//! Two things are told apart. A leak is suspected from the first verdict of `leak_suspected` or
//! worse until the first that is milder. An OOM is predicted while a verdict of `oom_predicted` or
//! worse has a forecast whose middle lies within the horizon; what was told stands until it is
//! repeated or withdrawn.

use crate::clock::Stamp;
use crate::sampler::Standing;
use crate::units::BytesPerSec;
use crate::verdict::{Cause, Eta, State};
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;

/// A forecast is told anew when its middle has moved by more than this share of the time left.
const MOVED: f64 = 0.25;

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

/// What was last told of an entity.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    leak: bool,
    /// The middle of the forecast that stands. Units: seconds, as the trace has them.
    end_s: Option<f64>,
}

impl Told {
    /// What is to be told after the judgement at `now`, which the trace calls `time_s`. Shape: in
    /// the order of telling.
    pub(super) fn news(
        &mut self,
        standing: &Standing,
        time_s: f64,
        now: Stamp,
        horizon: Duration,
    ) -> [Option<Event>; 2] {
        let state = standing.state();
        let (leak, eta) = (state >= State::LeakSuspected, standing.eta(now));
        let end = eta.filter(|_| state >= State::OomPredicted);
        let event = |kind| Event {
            time_s,
            kind,
            rate: standing.rate,
            eta,
            confidence: standing.confidence(),
            cause: standing.memory.cause,
        };
        let leak_news = match (self.leak, leak) {
            (false, true) => Some(event(EventKind::LeakSuspected)),
            (true, false) => Some(event(EventKind::LeakCleared)),
            _ => None,
        };
        self.leak = leak;
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

/// Whether a forecast differs from the one that was told, both as the time left now: by more than a
/// quarter of the shorter one. An end that was told and has passed means now.
fn moved(told_s: f64, left_s: f64) -> bool {
    let told_s = told_s.max(0.0);
    (left_s - told_s).abs() > MOVED * left_s.min(told_s)
}
