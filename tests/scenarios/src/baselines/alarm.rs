//! Turns what a rule finds at each instant into events.

use super::HOUR;
use crate::events::{Eta, Event, Kind};

/// What a rule finds at an instant.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    pub rate_bytes_per_s: Option<f64>,
    /// For a rule that foretells. Units: seconds.
    pub eta_s: Option<Eta>,
}

impl Finding {
    /// The same time for all quantiles, which is what a rule without an interval claims.
    pub fn at(rate_bytes_per_s: f64, eta_s: f64) -> Self {
        let eta_s = Eta { p10: eta_s, p50: eta_s, p90: eta_s };
        Self { rate_bytes_per_s: Some(rate_bytes_per_s), eta_s: Some(eta_s) }
    }
}

/// Raises, repeats and clears. Each finding is a suspected leak; one with a time left is a
/// predicted OOM too, said again each hour and when the instant moves by a quarter of what is left.
#[derive(Debug, Default)]
pub struct Alarm {
    events: Vec<Event>,
    leak_said_s: Option<f64>,
    oom_said: Option<Said>,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    at_s: f64,
    oom_s: f64,
}

impl Alarm {
    pub fn tell(&mut self, now_s: f64, finding: Option<Finding>) {
        self.tell_leak(now_s, finding);
        self.tell_oom(now_s, finding);
    }

    pub fn into_events(self) -> Vec<Event> {
        self.events
    }

    fn tell_leak(&mut self, now_s: f64, finding: Option<Finding>) {
        match (finding, self.leak_said_s) {
            (Some(_), Some(said_s)) if now_s - said_s < HOUR => {}
            (Some(finding), _) => {
                self.push(now_s, Kind::LeakSuspected, Some(finding));
                self.leak_said_s = Some(now_s);
            }
            (None, Some(_)) => {
                self.push(now_s, Kind::LeakCleared, None);
                self.leak_said_s = None;
            }
            (None, None) => {}
        }
    }

    fn tell_oom(&mut self, now_s: f64, finding: Option<Finding>) {
        let eta = finding.and_then(|finding| finding.eta_s);
        match (eta, self.oom_said) {
            (Some(eta), said) => {
                let oom_s = now_s + eta.p50;
                let is_news = |said: Said| {
                    now_s - said.at_s >= HOUR || (oom_s - said.oom_s).abs() > eta.p50 / 4.0
                };
                if said.is_none_or(is_news) {
                    self.push(now_s, Kind::OomPredicted, finding);
                    self.oom_said = Some(Said { at_s: now_s, oom_s });
                }
            }
            (None, Some(_)) => {
                self.push(now_s, Kind::OomCleared, None);
                self.oom_said = None;
            }
            (None, None) => {}
        }
    }

    fn push(&mut self, time_s: f64, event: Kind, finding: Option<Finding>) {
        self.events.push(Event {
            time_s,
            event,
            rate_bytes_per_s: finding.and_then(|finding| finding.rate_bytes_per_s),
            eta_s: finding.and_then(|finding| finding.eta_s),
            cause: None,
        });
    }
}
