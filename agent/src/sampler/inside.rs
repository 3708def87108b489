//! What comes of heap reports: an event of each, the cause for the process that it looked into, and
//! how the shelf that keeps them is doing.

use super::asking::may_trace;
use super::judging::ceiling;
use super::state::State;
use crate::clock::Stamp;
use crate::reports::{Outcome, Room};
use crate::target::ProcessId;
use crate::verdict::{Cause, Inside};
use crate::view::{EventKind, ReportState, ReportSummary};

/// Outcomes taken up in one second.
const HEARD_MAX: usize = 16;

/// Takes up what was finished or refused since.
pub fn hear(state: &mut State, now: Stamp) {
    let Some(reports) = state.reports.clone() else { return };
    for _ in 0..HEARD_MAX {
        let Some(outcome) = reports.outcome() else { break };
        take_up(state, &outcome, now);
    }
    match reports.shelf().health() {
        _ if !reports.is_alive() => {
            state.health.unavailable("heap_reports", "the thread that takes them has ended");
        }
        Some(why) => state.health.degraded("heap_reports", "kept in RAM only", why),
        None if reports.config().enabled => {
            let level = reports.config().level_max;
            if may_trace() {
                state.health.ok("heap_reports", format!("of processes, up to level {level}"));
            } else {
                let sees = format!("of the agent's own user's processes, up to level {level}");
                state.health.degraded("heap_reports", sees, "those of others need CAP_SYS_PTRACE");
            }
        }
        None => state.health.off("heap_reports", "reports.enabled = false"),
    }
}

fn take_up(state: &mut State, outcome: &Outcome, now: Stamp) {
    let Outcome { process, summary } = outcome;
    state.events.emit(EventKind::Report, state.clock.rfc3339(now), summary);
    let Some(inside) = inside_of(summary, now) else { return };
    let Some(index) = state.processes.index_of(process.pid) else { return };
    // A recycled pid inherits nothing.
    if let Some(found) = state.processes.get_mut(index).filter(|p| p.facts.id == *process) {
        found.facts.inside = Some(inside);
    }
}

/// The limit over a process, and what is left below it.
#[must_use]
pub fn room_of(state: &State, process: ProcessId) -> Room {
    let found = state.processes.by_pid(process.pid).filter(|p| p.facts.id == process);
    let Some(found) = found else { return Room::default() };
    let (limit, headroom) = ceiling(state, found.facts.cgroup);
    Room { limit: limit.bytes(), headroom: limit.bytes().and(headroom) }
}

/// What the report says to the judgement; None where it names no cause that the agent knows.
fn inside_of(summary: &ReportSummary, at: Stamp) -> Option<Inside> {
    if summary.state != ReportState::Ready {
        return None;
    }
    let cause = serde_json::Value::String(summary.cause.clone()?);
    let cause: Cause = serde_json::from_value(cause).ok()?;
    let confidence = summary.confidence.filter(|c| c.is_finite())?.clamp(0.0, 1.0);
    Some(Inside { cause, confidence, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_speaks_to_the_judgement_in_words_that_it_knows() {
        let of = |state, cause: Option<&str>| {
            let cause = cause.map(ToOwned::to_owned);
            let summary =
                ReportSummary { state, cause, confidence: Some(2.0), ..ReportSummary::default() };
            inside_of(&summary, Stamp(5))
        };
        let fragmented = Inside { cause: Cause::Fragmentation, confidence: 1.0, at: Stamp(5) };
        assert_eq!(of(ReportState::Ready, Some("fragmentation")), Some(fragmented));
        assert_eq!(of(ReportState::Ready, Some("gremlins")), None);
        assert_eq!(of(ReportState::Ready, None), None);
        assert_eq!(of(ReportState::Refused, Some("fragmentation")), None);
    }
}
