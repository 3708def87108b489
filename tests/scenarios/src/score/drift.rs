//! Recorded drifts: they begin somewhere in the warm-up and have no end.

use crate::events::{ByEntity, Event, Kind, leak_times};
use crate::series::Series;
use serde::Serialize;

/// What happens before is the program's warm-up. Units: seconds.
const WARM_UP_S: f64 = 3.0 * 3600.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Drift {
    pub runs: usize,
    pub found: usize,
    /// When each was first found, ascending. Units: hours since the series' start.
    pub first_h: Vec<f64>,
    pub missed: Vec<String>,
}

pub fn drift(all: &[Series], events: &ByEntity) -> Drift {
    let mut drift = Drift { runs: all.len(), ..Drift::default() };
    for series in all {
        let events = events.get(&series.name).map_or(&[][..], Vec::as_slice);
        match first_found_s(events, series.ends().0) {
            Some(after_s) => drift.first_h.push(after_s / 3600.0),
            None => drift.missed.push(series.name.clone()),
        }
    }
    drift.found = drift.first_h.len();
    drift.first_h.sort_by(f64::total_cmp);
    drift
}

/// Seconds from the start to the first suspicion after the warm-up; one that was raised before
/// and still stands counts from the end of the warm-up.
fn first_found_s(events: &[Event], start_s: f64) -> Option<f64> {
    let after = leak_times(events).into_iter().find(|t| t - start_s >= WARM_UP_S);
    let early = events.iter().take_while(|event| event.time_s - start_s <= WARM_UP_S);
    let about_leaks = early.filter(|e| matches!(e.event, Kind::LeakSuspected | Kind::LeakCleared));
    let stands = about_leaks.last().is_some_and(|event| event.event == Kind::LeakSuspected);
    after.map(|t| t - start_s).or(stands.then_some(WARM_UP_S))
}
