//! From kills to incidents: gathers what is known of a kill into a draft for the recorder's thread.
//!
//! Bounded work under the lock: copies of at most eight series, and one pass over the processes.
//! A kill of a cgroup that was killed in just now joins that incident.

mod facts;
mod victim;

use super::state::State;
use crate::clock::Stamp;
use crate::recorder::draft::{More, VICTIM_SERIES_MAX};
use crate::recorder::{Death, Job, Outcome};
use crate::sources::oom;
use crate::target::Target;
use crate::view::{Aftermath, EventKind, Victim};
use facts::{copied, draft, told};
use std::time::Duration;
use victim::victim_of;

/// A kernel stamp further from the agent's clock than this is not believed of a fresh kill.
const STAMP_TRUSTED: Duration = Duration::from_secs(10);

/// What is known of one kill, whichever way it was heard of.
#[derive(Debug)]
pub struct Kill<'a> {
    pub log: Option<&'a oom::OomKill>,
    /// The cgroup whose limit it was, or whose counter rose; None: not a cgroup's.
    pub memcg: Option<&'a str>,
    /// The victim's cgroup.
    pub cgroup: Option<&'a str>,
    /// How many kills this stands for: more than 1 only where counters are all there is.
    pub count: u64,
}

/// Enters a kill. Returns the id of the incident that it is part of.
pub fn killed(state: &mut State, kill: &Kill<'_>, now: Stamp) -> String {
    let at = moment(kill, now);
    let (victim, death) = victim_of(state, kill, at, now);
    if let Some(open) = state.recorder.bursts.join(kill.memcg, at) {
        let id = open.id.clone();
        add(state, &id, victim, death.as_ref(), kill, at);
        return id;
    }
    let id = id_of(state, at, victim.pid);
    let paths: Vec<String> =
        victim.cgroup.iter().chain(&kill.memcg.map(str::to_owned)).cloned().collect();
    let followed = victim.cgroup.clone().filter(|_| !is_later(kill));
    state.recorder.bursts.begin(id.clone(), kill.memcg, followed, at, now);
    state.recorder.counters.incidents += 1;
    let draft = draft(state, kill, id.clone(), victim, death, at);
    state.recorder.post(Job::Draft(Box::new(draft)));
    let mut paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    paths.dedup();
    super::naming::incident_begun(state, &id, &paths, now);
    id
}

fn is_later(kill: &Kill<'_>) -> bool {
    kill.log.is_some_and(|log| log.before_start)
}

/// When it happened. The kernel's stamp if it can be true, else when it was heard of.
fn moment(kill: &Kill<'_>, now: Stamp) -> Stamp {
    let Some(log) = kill.log else { return now };
    if log.before_start {
        // What was slept through since then is not known; before that the clocks differ by it.
        let behind = now.since(super::recording::monotonic());
        return log.at.plus(behind).min(now);
    }
    let apart = now.since(log.at).max(log.at.since(now));
    if apart <= STAMP_TRUSTED { log.at.min(now) } else { now }
}

/// `20261121T172001Z-4242`, and a letter more where that is taken.
fn id_of(state: &State, at: Stamp, pid: Option<u32>) -> String {
    let stamp = state.clock.rfc3339(at);
    let compact: String =
        stamp.chars().take_while(|&c| c != '.').filter(|c| !matches!(c, '-' | ':')).collect();
    let id = format!("{compact}Z-{}", pid.unwrap_or(0));
    let is_taken = |id: &str| {
        let drafted = |job: &Job| matches!(job, Job::Draft(draft) if draft.incident.id == id);
        state.shelf.holds(id) || state.recorder.outbox.iter().any(drafted)
    };
    let letters = ('b'..='z').map(|letter| format!("{id}{letter}"));
    std::iter::once(id.clone()).chain(letters).find(|id| !is_taken(id)).unwrap_or(id)
}

/// Adds a victim to an incident: to its draft if that has not gone out, else to the document.
fn add(
    state: &mut State,
    id: &str,
    victim: Victim,
    death: Option<&Death>,
    kill: &Kill<'_>,
    at: Stamp,
) {
    let left_out = u32::try_from(kill.count.saturating_sub(1)).unwrap_or(u32::MAX);
    let series = death.map(|death| Target::Process(death.id));
    let series = series.map(|target| copied(state, &target, "victim", at));
    let said = death.map(|death| told(state, &Target::Process(death.id)));
    let drafted = state.recorder.outbox.iter_mut().find_map(|job| match job {
        Job::Draft(draft) if draft.incident.id == id => Some(draft),
        _ => None,
    });
    let Some(draft) = drafted else {
        let more = More { id: id.to_owned(), victims: vec![victim], left_out };
        state.recorder.post(Job::More(more));
        return;
    };
    let victims = draft.series.iter().filter(|series| series.role == "victim").count();
    if victims < VICTIM_SERIES_MAX {
        draft.series.extend(series.filter(|series| !series.points.is_empty()));
    }
    draft.said.extend(said.flatten());
    crate::recorder::add_victims(&mut draft.incident, vec![victim], left_out);
}

/// An incident stands on the shelf: those who listen are told, once.
pub fn put_up(state: &mut State, outcome: &Outcome, now: Stamp) {
    if outcome.is_new {
        state.events.emit(EventKind::Incident, state.clock.rfc3339(now), &outcome.summary);
        let summary = &outcome.summary;
        tracing::warn!(id = summary.id, on_disk = summary.on_disk, "incident: {}", summary.summary);
    }
}

/// Looks at what was left of the cgroups that were killed in some seconds ago.
pub fn aftermath(state: &mut State, now: Stamp) {
    for (id, path) in state.recorder.bursts.due(now) {
        let layout = state.cgroup_layout.clone();
        let exists = layout.is_some_and(|layout| layout.dir(&path).exists());
        let of_it = |facts: &super::processes::Facts| facts.cgroup_path.as_deref() == Some(&*path);
        let processes = state.processes.iter().filter(|(_, p)| of_it(&p.facts)).count();
        let cgroup = state.cgroups.find(&path).and_then(|at| state.cgroups.get(at));
        let used = cgroup.and_then(|cgroup| cgroup.usage.as_ref()).map(|usage| usage.usage);
        let aftermath = Aftermath {
            at: state.clock.rfc3339(now),
            cgroup_exists: exists,
            processes,
            used_bytes: used.filter(|_| exists),
        };
        state.recorder.post(Job::Aftermath(id, aftermath));
    }
}

#[cfg(test)]
mod tests;
