//! What a detector says about a series, as `plimsoll replay` writes it.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    LeakSuspected,
    LeakCleared,
    OomPredicted,
    OomCleared,
}

/// Time left until the limit. Units: seconds from the event on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eta {
    pub p10: f64,
    pub p50: f64,
    pub p90: f64,
}

/// One line of the events file, without its entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub time_s: f64,
    pub event: Kind,
    #[serde(default)]
    pub rate_bytes_per_s: Option<f64>,
    #[serde(default)]
    pub eta_s: Option<Eta>,
    #[serde(default)]
    pub cause: Option<String>,
}

/// Events in time order, by the series' name.
pub type ByEntity = HashMap<String, Vec<Event>>;

/// The instants at which a leak was suspected.
#[must_use]
pub fn leak_times(events: &[Event]) -> Vec<f64> {
    times(events, Kind::LeakSuspected)
}

/// The instants at which an OOM was predicted.
#[must_use]
pub fn oom_times(events: &[Event]) -> Vec<f64> {
    times(events, Kind::OomPredicted)
}

fn times(events: &[Event], kind: Kind) -> Vec<f64> {
    events.iter().filter(|event| event.event == kind).map(|event| event.time_s).collect()
}

/// The last prediction at or before an instant that has not been taken back by then.
#[must_use]
pub fn standing(events: &[Event], at_s: f64) -> Option<&Event> {
    let mut standing = None;
    for event in events.iter().take_while(|event| event.time_s <= at_s) {
        match event.event {
            Kind::OomPredicted => standing = Some(event),
            Kind::OomCleared => standing = None,
            Kind::LeakSuspected | Kind::LeakCleared => {}
        }
    }
    standing
}
