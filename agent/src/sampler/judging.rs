//! Hands a target's window and facts to the judgement and tells the world what came of it.

use super::recording;
use super::standing::{Past, Standing};
use super::state::{State, Track};
use super::wheel::Due;
use crate::alert;
use crate::clock::Stamp;
use crate::target::{Target, TargetKind};
use crate::units::{Bytes, Limit};
use crate::verdict::{Cause, Facts, State as Judgement, TargetLabel, Verdict};
use crate::view::EventKind;
use std::collections::BTreeMap;

pub fn judge_process(state: &mut State, index: u32, now: Stamp) {
    let Some(process) = state.processes.get(index) else { return };
    let known = &process.facts;
    let (limit, headroom) = ceiling(state, known.cgroup);
    let restarts =
        known.workload.and_then(|i| state.workloads.get(i)).map_or(0, |w| w.restarts(now));
    let facts = Facts {
        kind: TargetKind::Process,
        limit,
        headroom,
        unreclaimable: None,
        threads: known.particulars.threads,
        open_fds: known.particulars.open_fds.map(u64::from),
        restarts,
        age: now.since(state.started_at(known.id)),
        kernel: None,
        heap_in_use: None,
        inside: known.inside,
        psi_full_avg10: None,
    };
    let target = known.target();
    settle(state, Some(Due::Process(index)), &target, &facts, now);
}

pub fn judge_cgroup(state: &mut State, index: u32, now: Stamp) {
    let Some(cgroup) = state.cgroups.get(index) else { return };
    let (limit, headroom) = ceiling(state, Some(index));
    let psi = cgroup.details.as_ref().and_then(|d| d.psi.as_ref()).and_then(|p| p.full);
    let facts = Facts {
        kind: TargetKind::Cgroup,
        limit,
        headroom,
        unreclaimable: cgroup.usage.as_ref().and_then(|u| u.unreclaimable()),
        threads: None,
        open_fds: None,
        restarts: 0,
        age: now.since(cgroup.seen_at),
        kernel: cgroup.usage.as_ref().and_then(|u| u.kernel),
        heap_in_use: None,
        inside: None,
        psi_full_avg10: psi.map(|line| line.avg10),
    };
    let target = cgroup.target();
    settle(state, Some(Due::Cgroup(index)), &target, &facts, now);
}

pub fn judge_workload(state: &mut State, index: u32, now: Stamp) {
    let Some(workload) = state.workloads.get(index) else { return };
    let (limit, headroom) = ceiling(state, workload.cgroup);
    let facts = Facts {
        kind: TargetKind::Workload,
        limit,
        headroom,
        unreclaimable: None,
        threads: None,
        open_fds: None,
        restarts: workload.restarts(now),
        age: now.since(workload.seen_at),
        kernel: None,
        heap_in_use: None,
        inside: None,
        psi_full_avg10: None,
    };
    let target = workload.target();
    settle(state, Some(Due::Workload(index)), &target, &facts, now);
}

pub fn judge_node(state: &mut State, now: Stamp) {
    let quick = state.node.quick.as_ref();
    let meminfo = quick.and_then(|q| q.meminfo.as_ref().ok());
    let psi = quick.and_then(|q| q.psi.as_ref().ok()).and_then(|p| p.full);
    let facts = Facts {
        kind: TargetKind::Node,
        limit: meminfo.map_or(Limit::Max, |m| Limit::At(m.mem_total())),
        headroom: state.node.headroom,
        unreclaimable: None,
        threads: None,
        open_fds: None,
        restarts: 0,
        // The node has been up for as long as its clock runs.
        age: now.since(Stamp(0)),
        kernel: meminfo.and_then(|m| m.s_unreclaim()),
        heap_in_use: None,
        inside: None,
        psi_full_avg10: psi.map(|line| line.avg10),
    };
    settle(state, None, &Target::Node, &facts, now);
}

/// The limit over a process or cgroup and what may be taken until it; without one the node's end.
pub(super) fn ceiling(state: &State, cgroup: Option<u32>) -> (Limit, Option<Bytes>) {
    let over = cgroup.and_then(|index| state.cgroups.ceiling(index));
    let node = state.node.headroom;
    let headroom = match (over.and_then(|c| c.headroom), node) {
        (Some(own), Some(node)) => Some(own.min(node)),
        (own, node) => own.or(node),
    };
    (over.map_or(Limit::Max, |c| c.limit), headroom)
}

/// Judges the entry `at` (None: the node) and tells what changed.
fn settle(state: &mut State, at: Option<Due>, target: &Target, facts: &Facts, now: Stamp) {
    let Some((track, standing)) = entry(state, at) else { return };
    let (track, mut standing) = (*track, std::mem::take(standing));
    let before = standing.state();
    let past = Past {
        window: Some(state.history.window(track.series)),
        split: track.split,
        interval: track.interval(),
    };
    let wait = standing.judge(&state.params, past, now, facts, &mut state.scratch);
    let after = standing.state();
    let judge_due = state.wheel.tick_at(now.plus(wait));
    if let Some((track, place)) = entry(state, at) {
        track.judge_due = judge_due;
        *place = standing;
    }
    announce(state, target, before, now);
    recording::judged(state, target, before, after, now);
}

fn entry(state: &mut State, at: Option<Due>) -> Option<(&mut Track, &mut Standing)> {
    match at {
        None => Some((&mut state.node.track, &mut state.node.standing)),
        Some(Due::Process(index)) => {
            let process = state.processes.get_mut(index)?;
            Some((&mut process.track, &mut process.facts.standing))
        }
        Some(Due::Cgroup(index)) => {
            let cgroup = state.cgroups.get_mut(index)?;
            Some((&mut cgroup.track, &mut cgroup.standing))
        }
        Some(Due::Workload(index)) => {
            let workload = state.workloads.get_mut(index)?;
            Some((&mut workload.track, &mut workload.standing))
        }
    }
}

/// Sends the verdict if the state changed into, out of or among those that concern anyone, and lets
/// the alerts follow.
fn announce(state: &mut State, target: &Target, before: Judgement, now: Stamp) {
    let Some(verdict) = verdict_of(state, target) else { return };
    let concerns = |state| state >= Judgement::LeakSuspected;
    if !concerns(before) && !concerns(verdict.state) {
        return;
    }
    if before != verdict.state {
        state.events.emit(EventKind::Verdict, state.clock.rfc3339(now), &verdict);
    }
    if let Some(change) = state.alerts.update(target, &verdict, now, state.clock) {
        tell(state, &change, now);
    }
}

pub fn tell(state: &mut State, change: &alert::AlertChange, now: Stamp) {
    state.bell.ring();
    state.events.emit(EventKind::Alert, state.clock.rfc3339(now), &change.alert);
}

/// A target is no more: its alert ends.
pub fn ended(state: &mut State, target: &Target, now: Stamp) {
    if let Some(change) = state.alerts.ended(target, now, state.clock) {
        tell(state, &change, now);
    }
}

/// The last process of a workload has ended: what grew is gone. Only a restart loop is still one.
pub fn emptied(state: &mut State, workload: u32, now: Stamp) {
    let Some(workload) = state.workloads.get_mut(workload) else { return };
    if workload.standing.memory.cause != Cause::RestartLoop {
        let before = std::mem::take(&mut workload.standing).state();
        let target = workload.target();
        announce(state, &target, before, now);
    }
}

/// The last process of a cgroup has ended. What comes next in it is judged by itself: whether the
/// lives make a loop is seen in the workload, which outlives its cgroups.
pub fn left_empty(state: &mut State, cgroup: u32, now: Stamp) {
    let Some(cgroup) = state.cgroups.get_mut(cgroup) else { return };
    let before = std::mem::take(&mut cgroup.standing).state();
    let target = cgroup.target();
    announce(state, &target, before, now);
}

/// The label and the judgement of a target as the documents show them; None if it is not watched.
#[must_use]
pub fn verdict_of(state: &State, target: &Target) -> Option<Verdict> {
    let (standing, label, limit) = match target {
        Target::Node => {
            let quick = state.node.quick.as_ref();
            let meminfo = quick.and_then(|q| q.meminfo.as_ref().ok());
            let limit = meminfo.map_or(Limit::Max, |m| Limit::At(m.mem_total()));
            (&state.node.standing, label(target), limit)
        }
        Target::Process(id) => {
            let process = state.processes.by_pid(id.pid).filter(|p| p.facts.id == *id)?;
            (
                &process.facts.standing,
                process_label(state, process),
                ceiling(state, process.facts.cgroup).0,
            )
        }
        Target::Cgroup(path) => {
            let index = state.cgroups.find(path)?;
            let cgroup = state.cgroups.get(index)?;
            let mut label = label(target);
            label.cgroup = Some(path.to_string());
            label.labels.extend(cgroup.owner.labels.clone());
            label.labels.insert("owner".into(), cgroup.owner.name.clone());
            (&cgroup.standing, label, ceiling(state, Some(index)).0)
        }
        Target::Workload(name) => {
            let workload = state.workloads.get(state.workloads.find(name)?)?;
            let mut label = label(target);
            let cgroup = workload.cgroup.and_then(|i| state.cgroups.get(i));
            label.cgroup = cgroup.map(|c| c.path.to_string());
            label.labels.extend(workload.labels(cgroup));
            label.labels.insert("workload".into(), name.to_string());
            label.labels.insert("processes".into(), workload.members.to_string());
            (&workload.standing, label, ceiling(state, workload.cgroup).0)
        }
    };
    let opinion = standing.opinion(limit, state.clock.now());
    Some(Verdict {
        target: label,
        state: opinion.state,
        cause: opinion.cause,
        used_bytes: opinion.used,
        limit_bytes: opinion.limit,
        rate_bytes_per_s: opinion.rate,
        eta_s: opinion.eta,
        confidence: opinion.confidence,
        since: state.clock.rfc3339(standing.memory.since),
        evidence: opinion.evidence,
    })
}

fn process_label(state: &State, process: &super::Process) -> TargetLabel {
    let facts = &process.facts;
    let mut label = label(&facts.target());
    label.pid = Some(facts.id.pid);
    label.start_time = Some(state.clock.rfc3339(state.started_at(facts.id)));
    label.cgroup = facts.cgroup_path.as_deref().map(str::to_owned);
    label.labels.insert("comm".into(), facts.comm.to_string());
    if let Some(exe) = &facts.exe {
        label.labels.insert("exe".into(), exe.to_string());
    }
    if let Some(workload) = facts.workload.and_then(|i| state.workloads.get(i)) {
        // Its own cgroup's: a workload's processes may be in several containers of a pod.
        let cgroup = facts.cgroup.and_then(|i| state.cgroups.get(i));
        label.labels.extend(workload.labels(cgroup));
        label.labels.insert("workload".into(), workload.name.to_string());
    }
    label
}

fn label(target: &Target) -> TargetLabel {
    TargetLabel {
        kind: target.kind(),
        id: target.to_string(),
        pid: None,
        start_time: None,
        cgroup: None,
        labels: BTreeMap::new(),
    }
}
