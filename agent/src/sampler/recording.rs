//! What the black box is told while nothing has happened yet: who is suspect, what was said of
//! them, and the evidence that is collected at the threshold and again before the limit.
//!
//! All of it is bounded work under the lock; what may block is asked of the deep reader, what goes
//! to disk is left to the recorder's thread.

use super::deep::{Ask, Findings, Probe};
use super::growers::growers;
use super::inside::room_of;
use super::judging::{ceiling, verdict_of};
use super::state::State;
use super::thread::Run;
use super::{Process, asking};
use crate::clock::Stamp;
use crate::recorder::draft::{CHECKPOINT_SCHEMA, Checkpoint};
use crate::recorder::pins::PinRecord;
use crate::recorder::{Dead, Death, Job};
use crate::sources::process::{SmapsRollup, predicted_stall};
use crate::target::{ProcessId, Target};
use crate::units::Bytes;
use crate::verdict::{State as Judgement, Verdict};
use crate::view::{EvidenceTaken, Stage};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Evidence is taken a second time when the early end of the forecast is this near.
const BEFORE_LIMIT_S: f64 = 20.0;
/// Or when this part of the limit is left.
const LIMIT_PART_LEFT: u64 = 16;
/// But at least so long after the first time.
const APART_S: f64 = 4.0;
/// Without pins the checkpoint only says how far the kernel log was heard.
const QUIET_CHECKPOINT: Duration = Duration::from_secs(30);

/// A target was judged. Pins it and what is around it while it is suspect, and notes what was said.
pub fn judged(state: &mut State, target: &Target, before: Judgement, after: Judgement, now: Stamp) {
    let concerns = |state| state >= Judgement::LeakSuspected;
    if !concerns(before) && !concerns(after) {
        return;
    }
    let Some(verdict) = verdict_of(state, target) else { return };
    if concerns(after) {
        if state.recorder.pins.pin(target, after, now).is_none() {
            return;
        }
        for around in around(state, target) {
            state.recorder.pins.pin(&around, Judgement::Ok, now);
        }
        state.recorder.pins.want(target, Stage::Suspected, now);
        let first = state.recorder.pins.first_wanted(target).unwrap_or(now);
        let soon = verdict.eta_s.is_some_and(|eta| eta.p10 <= BEFORE_LIMIT_S);
        let limit = verdict.limit_bytes.bytes();
        let near = limit
            .zip(headroom(state, target))
            .is_some_and(|(limit, left)| left.0 <= limit.0 / LIMIT_PART_LEFT);
        if (soon || near) && is_apart(now.since(first), &verdict) {
            state.recorder.pins.want(target, Stage::BeforeLimit, now);
        }
    }
    state.recorder.pins.say(&verdict, target, now);
}

/// Whether so long after the first piece of evidence a second one can tell something new. Of what
/// ends within seconds it must not come too late.
fn is_apart(since: Duration, verdict: &Verdict) -> bool {
    let left = verdict.eta_s.map_or(1.0, |eta| eta.p50.max(0.0) / 2.0);
    since.as_secs_f64() >= left.min(APART_S)
}

/// The cgroups of a target, its own and the one whose limit binds it, and the node.
fn around(state: &State, target: &Target) -> Vec<Target> {
    let mut around = vec![Target::Node];
    let Some(cgroup) = cgroup_of(state, target).and_then(|at| state.cgroups.get(at)) else {
        return around;
    };
    around.push(cgroup.target());
    around.extend(cgroup.ceiling.from.as_ref().map(|from| Target::Cgroup(Arc::clone(from))));
    around.retain(|other| other != target);
    around.dedup();
    around
}

fn cgroup_of(state: &State, target: &Target) -> Option<u32> {
    match target {
        Target::Node => None,
        Target::Process(id) => state.processes.by_pid(id.pid)?.facts.cgroup,
        Target::Workload(name) => state.workloads.get(state.workloads.find(name)?)?.cgroup,
        Target::Cgroup(path) => state.cgroups.find(path),
    }
}

fn headroom(state: &State, target: &Target) -> Option<Bytes> {
    ceiling(state, cgroup_of(state, target)).1
}

/// Remembers who ended.
pub fn buried(dead: &mut Dead, process: &Process, workload: Option<Arc<str>>, ended: [Stamp; 2]) {
    let facts = &process.facts;
    let [started_at, at] = ended;
    dead.bury(Death {
        id: facts.id,
        at,
        started_at,
        comm: facts.comm.clone(),
        exe: facts.exe.clone(),
        uid: facts.uid,
        cgroup: facts.cgroup_path.clone(),
        workload,
        split: process.track.split,
    });
}

impl Run {
    /// Once a second: takes over new readings of what is pinned, collects one piece of evidence.
    pub(super) fn record(&mut self, state: &mut State, now: Stamp) {
        state.recorder.pins.follow(&state.history, now);
        state.recorder.counters.pins_refused = state.recorder.pins.refused();
        // The reader has a question already; it may be stuck on a target. Evidence without its
        // answer is better than none.
        let busy = self.sampler.deep.pending() > 0;
        let stuck = self.deep_since.is_some_and(|at| now.since(at) > asking::STUCK);
        if busy && !stuck {
            return;
        }
        let Some((target, stage)) = state.recorder.pins.next_wanted() else { return };
        let process = to_look_into(state, &target);
        let (walk, note) = may_walk(state, process);
        let taken = evidence(state, &target, stage, process, note, now);
        let cgroup = cgroup_of(state, &target).and_then(|at| state.cgroups.get(at));
        let path = cgroup.map(|cgroup| cgroup.path.to_string());
        let comm = taken.comm.clone();
        let room = process.map(|id| room_of(state, id)).unwrap_or_default();
        let Some(pin) = state.recorder.pins.get_mut(&target) else { return };
        pin.add_evidence(now, taken);
        let cgroup = state.cgroup_layout.clone().zip(path);
        let process = process.map(|id| (id, walk));
        // A refused question leaves the evidence as it is.
        self.sampler.deep.ask(Ask::Evidence(Box::new(Probe {
            suspect: target,
            stage,
            at: now,
            process,
            comm,
            room,
            cgroup,
        })));
    }

    /// Hands waiting jobs to the recorder's thread as far as it takes them, and tells of incidents
    /// that were put up.
    pub(super) fn dispatch(&mut self, state: &mut State, now: Stamp) {
        while let Some(job) = state.recorder.outbox.pop_front() {
            if let Err(job) = self.sampler.black_box.submit(job) {
                state.recorder.outbox.push_front(*job);
                break;
            }
        }
        while let Some(outcome) = self.sampler.black_box.outcome() {
            super::incidents::put_up(state, &outcome, now);
        }
    }

    /// Leaves on disk what the next run has to know, on the thread that may wait for it.
    pub(super) fn checkpoint(&mut self, state: &mut State, now: Stamp) {
        let quiet = state.recorder.pins.is_empty();
        let since = self.checkpoint_at.map(|at| now.since(at));
        if quiet && since.is_some_and(|since| since < QUIET_CHECKPOINT) {
            return;
        }
        self.checkpoint_at = Some(now);
        let checkpoint = Checkpoint {
            schema: CHECKPOINT_SCHEMA.to_owned(),
            boot_id: state.node.host.boot_id.clone().unwrap_or_default(),
            began_ms: self.sampler.heard_from.0,
            heard_ms: monotonic().0,
            pins: state.recorder.pins.iter().map(PinRecord::of).collect(),
        };
        state.recorder.post(Job::Checkpoint(Box::new(checkpoint)));
    }
}

/// Now on the clock that the kernel's log follows: it stands still in suspend.
#[must_use]
pub fn monotonic() -> Stamp {
    let t = clock_gettime(ClockId::Monotonic);
    Stamp(t.tv_sec * 1000 + t.tv_nsec / 1_000_000)
}

/// The process to look into: the suspect itself, else the largest in it.
fn to_look_into(state: &State, target: &Target) -> Option<ProcessId> {
    if let Target::Process(id) = target {
        return Some(*id);
    }
    let workload = match target {
        Target::Workload(name) => Some(state.workloads.find(name)?),
        _ => None,
    };
    let is_in = |process: &Process| match target {
        Target::Cgroup(path) => {
            let own = process.facts.cgroup_path.as_deref();
            own.is_some_and(|own| crate::recorder::is_within(own, path))
        }
        Target::Workload(_) => process.facts.workload == workload,
        Target::Node | Target::Process(_) => true,
    };
    let inside = state.processes.iter().map(|(_, process)| process).filter(|p| is_in(p));
    inside.max_by_key(|process| process.track.split.used).map(|process| process.facts.id)
}

/// Whether walking a process's mappings keeps to the stall budget, and if not why.
fn may_walk(state: &State, process: Option<ProcessId>) -> (bool, Option<String>) {
    let sampling = &state.config.sampling;
    let found = process.and_then(|id| state.processes.by_pid(id.pid));
    let Some(found) = found else { return (false, Some("no process to look into".to_owned())) };
    let predicted = predicted_stall(found.track.split.used, None);
    if !sampling.pss {
        (false, Some("not read: sampling.pss = false".to_owned()))
    } else if predicted > sampling.pss_stall_max {
        (false, Some(asking::refusal(predicted)))
    } else {
        (true, None)
    }
}

/// All that is known without asking anyone.
fn evidence(
    state: &State,
    target: &Target,
    stage: Stage,
    process: Option<ProcessId>,
    smaps_note: Option<String>,
    now: Stamp,
) -> EvidenceTaken {
    let cgroup = cgroup_of(state, target).and_then(|at| state.cgroups.get(at));
    let node = state.node.quick.as_ref().and_then(|quick| quick.psi.as_ref().ok());
    let psi = cgroup.and_then(|cgroup| cgroup.details.as_ref()?.psi.as_ref()).or(node);
    let looked_into = process.and_then(|id| state.processes.by_pid(id.pid));
    let path = cgroup.map(|cgroup| &*cgroup.path);
    EvidenceTaken {
        at: state.clock.rfc3339(now),
        stage,
        target: target.to_string(),
        process: process.map(|id| Target::Process(id).to_string()),
        comm: looked_into.map(|process| process.facts.comm.to_string()),
        used_bytes: verdict_of(state, target).map_or(Bytes::ZERO, |verdict| verdict.used_bytes),
        smaps_note,
        growers: growers(state, path, &[], now),
        psi: psi.map(Into::into),
        ..EvidenceTaken::default()
    }
}

/// The deep reader has come back.
pub(super) fn found(state: &mut State, findings: Findings) {
    let Findings { probe, mappings, smaps, smaps_error, memory_stat, heap_report } = findings;
    let Some(pin) = state.recorder.pins.get_mut(&probe.suspect) else { return };
    let taken = pin.evidence.iter_mut().rev().find(|(at, _)| *at == probe.at);
    let Some((_, taken)) = taken else { return };
    taken.mappings = mappings.map(|kinds| {
        let parts = [
            ("heap", kinds.heap),
            ("stack", kinds.stack),
            ("anon", kinds.anon),
            ("file", kinds.file),
            ("shmem", kinds.shmem),
            ("other", kinds.other),
        ];
        parts.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.0)).collect()
    });
    taken.smaps = smaps.as_ref().map(by_key);
    if let Some(what) = smaps_error {
        taken.smaps_note = Some(what.to_string());
    }
    taken.memory_stat = memory_stat;
    taken.heap_report = heap_report;
}

/// Under the kernel's own keys, in bytes; what this kernel lacks is left out.
fn by_key(smaps: &SmapsRollup) -> BTreeMap<String, u64> {
    let keys = [
        ("Rss", smaps.rss),
        ("Pss", smaps.pss),
        ("Pss_Anon", smaps.pss_anon),
        ("Pss_File", smaps.pss_file),
        ("Pss_Shmem", smaps.pss_shmem),
        ("Private_Clean", smaps.private_clean),
        ("Private_Dirty", smaps.private_dirty),
        ("Anonymous", smaps.anonymous),
        ("AnonHugePages", smaps.anon_huge_pages),
        ("Swap", smaps.swap),
    ];
    let known = keys.into_iter().filter_map(|(key, bytes)| Some((key.to_owned(), bytes?.0)));
    known.collect()
}
