//! Names of Kubernetes: taken up when they are learnt, asked for while somebody is unknown.
//!
//! Waits for nobody. A name that came stays for as long as its cgroup is watched, whatever the
//! kubelet forgets; an incident whose names came after it gets them later.

use super::cgroups::Unnamed;
use super::state::State;
use crate::clock::Stamp;
use crate::kubernetes::{Keeper, Outcome, Told};
use crate::recorder::Job;
use crate::workload::OwnerKind;
use crate::workload::names::{Known, POD};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The name of this source in the health report.
pub const SOURCE: &str = "kubernetes";
/// How long after it was first seen somebody unknown is asked for again, answer by answer. Then no
/// more on its account: the container that holds a pod's namespaces has no name at the kubelet.
const ASKED_AFTER_S: [u64; 5] = [0, 3, 10, 30, 60];
/// Incidents that wait for names; of more the oldest go without.
const UNNAMED_MAX: usize = 64;
const UNNAMED_KEPT: Duration = Duration::from_secs(300);

/// Who is asked, and what is still missing.
#[derive(Debug, Default)]
pub struct Naming {
    pub keeper: Option<Arc<Keeper>>,
    pub told: Told,
    /// Cgroups of pods and containers without a name.
    pub unknown: usize,
    incidents: VecDeque<Waiting>,
}

/// An incident without names.
#[derive(Debug)]
struct Waiting {
    id: String,
    /// The cgroups that are not known by name.
    paths: Vec<String>,
    unnamed: Unnamed,
}

/// Once a second. Cost: a pass over the cgroups; with a new directory some µs for each of a pod.
pub fn second(state: &mut State, now: Stamp) {
    let Some(keeper) = state.naming.keeper.clone() else { return };
    let (told, newer) = keeper.look(state.naming.told.answered);
    if let Some(directory) = newer {
        state.cgroups.take_up(directory);
        let names = Arc::clone(state.cgroups.names());
        for workload in state.workloads.iter_mut() {
            if let Some(named) = names.named(&workload.owner) {
                workload.owner = Arc::new(named);
            }
        }
        name_incidents(state, now);
    }
    state.naming.told = told;
    let missing = || state.cgroups.iter().filter_map(|(_, cgroup)| cgroup.unnamed);
    state.naming.unknown = missing().count();
    let of_incidents = state.naming.incidents.iter().map(|waiting| waiting.unnamed);
    let is_due = |unnamed: Unnamed| {
        let after = ASKED_AFTER_S.get(usize::from(unnamed.answers));
        after.is_some_and(|s| now.since(unnamed.since) >= Duration::from_secs(*s))
    };
    keeper.want(missing().chain(of_incidents).any(is_due));
    health(state, &keeper);
}

fn health(state: &mut State, keeper: &Keeper) {
    let names = state.cgroups.names();
    let known = format!("{} pods by {}", names.len(), keeper.whom());
    match state.naming.told.last.clone() {
        Outcome::NotYet => state.health.ok(SOURCE, format!("nothing yet, asks {}", keeper.whom())),
        Outcome::Good if names.left_out > 0 => {
            let why = format!("{} pods or containers beyond the bounds", names.left_out);
            state.health.degraded(SOURCE, known, why);
        }
        Outcome::Good => state.health.ok(SOURCE, known),
        Outcome::Bad(why) => {
            let sees = if names.is_empty() { "ids, no names".to_owned() } else { known };
            state.health.degraded(SOURCE, sees, why);
        }
    }
}

/// An incident in these cgroups was begun: remembers it if it lacks names that may still come.
pub fn incident_begun(state: &mut State, id: &str, paths: &[&str], now: Stamp) {
    let names = state.cgroups.names();
    let lacks = |path: &&&str| {
        let owner = state.cgroups.owner_of(path);
        owner.kind == OwnerKind::Pod && names.knows(&owner.labels) == Known::No
    };
    let lacking: Vec<String> = paths.iter().filter(lacks).map(|&path| path.to_owned()).collect();
    if state.naming.keeper.is_none() || lacking.is_empty() {
        return;
    }
    let incidents = &mut state.naming.incidents;
    if incidents.len() >= UNNAMED_MAX {
        incidents.pop_front();
    }
    let unnamed = Unnamed { since: now, answers: 0 };
    incidents.push_back(Waiting { id: id.to_owned(), paths: lacking, unnamed });
}

fn name_incidents(state: &mut State, now: Stamp) {
    let waiting = std::mem::take(&mut state.naming.incidents);
    for mut waiting in waiting {
        let mut named = Vec::new();
        waiting.paths.retain(|path| {
            let owner = state.cgroups.owner_of(path);
            let whole = state.cgroups.names().knows(&owner.labels) == Known::Yes;
            if owner.labels.contains_key(POD) {
                named.push((path.clone(), owner.labels));
            }
            !whole
        });
        if !named.is_empty() {
            state.recorder.post(Job::Named(waiting.id.clone(), named));
        }
        if !waiting.paths.is_empty() && now.since(waiting.unnamed.since) < UNNAMED_KEPT {
            waiting.unnamed.answers = waiting.unnamed.answers.saturating_add(1);
            state.naming.incidents.push_back(waiting);
        }
    }
}
