//! Processes and cgroups as table rows.

use super::shown;
use crate::clock::Stamp;
use crate::sampler::{Cgroup, Process, Standing, State};
use crate::target::{Target, TargetKind};
use crate::units::{Bytes, Limit};
use crate::verdict::{State as Judgement, Verdict};
use crate::view::{
    CgroupView, Counts, Judgement as JudgementView, KubernetesView, Largest, ProcessDetail,
    ProcessOrder, ProcessView,
};
use crate::workload::names;
use std::cmp::Reverse;

pub(super) fn sort(state: &State, indices: &mut [u32], order: ProcessOrder) {
    let process = |index: &u32| state.processes.get(*index);
    let by = |index: &u32, key: fn(&Process) -> u64| Reverse(process(index).map_or(0, key));
    match order {
        ProcessOrder::Rss => indices.sort_by_key(|i| by(i, |p| p.track.split.used.0)),
        ProcessOrder::Anon => indices.sort_by_key(|i| by(i, |p| p.track.split.anon.0)),
        ProcessOrder::Swap => indices.sort_by_key(|i| by(i, |p| p.track.split.swap.0)),
        ProcessOrder::Rate => {
            indices.sort_by_key(|i| by(i, |p| p.facts.standing.rate.0.clamp(0.0, 1e18) as u64))
        }
        ProcessOrder::Eta => indices.sort_by_key(|i| {
            process(i)
                .and_then(|p| p.facts.standing.eta(p.facts.standing.at))
                .map_or(u64::MAX, |eta| eta.p50.clamp(0.0, 1e18) as u64)
        }),
        ProcessOrder::Pid => indices.sort_by_key(|i| process(i).map_or(0, |p| p.facts.id.pid)),
    }
}

pub(super) fn process(state: &State, process: &Process) -> ProcessView {
    let facts = &process.facts;
    let split = process.track.split;
    let workload = facts.workload.and_then(|i| state.workloads.get(i));
    let limit = facts.cgroup.and_then(|i| state.cgroups.ceiling(i)).map_or(Limit::Max, |c| c.limit);
    let own = facts.cgroup.and_then(|i| state.cgroups.get(i));
    ProcessView {
        id: facts.target().to_string(),
        pid: facts.id.pid,
        start_time: shown(state, state.started_at(facts.id)),
        comm: facts.comm.to_string(),
        exe: facts.exe.as_deref().map(str::to_owned),
        uid: facts.uid,
        cgroup: facts.cgroup_path.as_deref().map(str::to_owned),
        workload: workload.map_or_else(String::new, |w| w.name.to_string()),
        kubernetes: own.and_then(|cgroup| kubernetes(state, cgroup)),
        at: shown(state, process.track.read_at),
        rss_bytes: split.used,
        anon_bytes: split.anon,
        file_bytes: split.file,
        shmem_bytes: facts.particulars.shmem.map(|_| split.shmem),
        swap_bytes: facts.particulars.swap,
        threads: facts.particulars.threads,
        limit_bytes: limit,
        judgement: judgement(&facts.standing, state.clock.now()),
        interval_s: process.track.interval().as_secs_f64(),
    }
}

/// The largest processes by resident memory. Cost: a sort of numbers.
pub(super) fn largest(state: &State, limit: usize) -> Largest {
    let sizes = state.processes.iter().map(|(_, p)| (p.facts.id, p.track.split.used));
    let mut processes: Vec<_> = sizes.collect();
    processes.sort_unstable_by_key(|(id, size)| (Reverse(*size), *id));
    let total = processes.len();
    processes.truncate(limit);
    Largest { total, processes }
}

/// What the export says of a process: numbers and names, and nothing that is costly to make.
pub(super) fn exported(state: &State, of: &Process) -> ProcessDetail {
    let particulars = &of.facts.particulars;
    ProcessDetail {
        view: process(state, of),
        virtual_bytes: particulars.virtual_size,
        open_fds: particulars.open_fds.map(u64::from),
        minor_faults: particulars.minor_faults,
        major_faults: particulars.major_faults,
        ..ProcessDetail::default()
    }
}

pub(super) fn process_detail(state: &State, of: &Process) -> ProcessDetail {
    let facts = &of.facts;
    let smaps = facts.smaps.as_deref();
    let target = facts.target();
    let verdict = super::verdict_of(state, &target);
    let not_yet = "not read yet: small processes are left out, large ones wait their turn";
    ProcessDetail {
        view: process(state, of),
        cmdline: facts.cmdline.as_deref().map(str::to_owned),
        peak_bytes: facts.particulars.peak,
        virtual_bytes: facts.particulars.virtual_size,
        open_fds: facts.particulars.open_fds.map(u64::from),
        minor_faults: facts.particulars.minor_faults,
        major_faults: facts.particulars.major_faults,
        pss_bytes: smaps.and_then(|s| s.pss),
        uss_bytes: smaps.and_then(|s| s.uss()),
        thp_bytes: smaps.and_then(|s| s.anon_huge_pages),
        smaps_at: facts.smaps_at.filter(|_| smaps.is_some()).map(|at| shown(state, at)),
        smaps_note: match (&facts.smaps_note, smaps) {
            (Some(note), _) => Some(note.to_string()),
            (None, Some(_)) => None,
            (None, None) => Some(not_yet.to_owned()),
        },
        labels: verdict.as_ref().map(|v| v.target.labels.clone()).unwrap_or_default(),
        verdict,
    }
}

pub(super) fn cgroup(state: &State, cgroup: &Cgroup) -> CgroupView {
    let usage = cgroup.usage.as_ref();
    let details = cgroup.details.as_deref();
    let peak = details.and_then(|d| d.peak);
    CgroupView {
        id: cgroup.target().to_string(),
        path: cgroup.path.to_string(),
        workload: cgroup.owner.name.clone(),
        labels: cgroup.owner.labels.clone(),
        at: shown(state, cgroup.track.read_at),
        usage_bytes: usage.map_or(Bytes::ZERO, |u| u.usage),
        working_set_bytes: usage.map_or(Bytes::ZERO, |u| u.working_set()),
        unreclaimable_bytes: usage.and_then(|u| u.unreclaimable()),
        anon_bytes: usage.and_then(|u| u.anon),
        file_bytes: usage.and_then(|u| u.file),
        shmem_bytes: usage.and_then(|u| u.shmem),
        kernel_bytes: usage.and_then(|u| u.kernel).or(details.and_then(|d| d.kernel)),
        swap_bytes: usage.and_then(|u| u.swap).or(details.and_then(|d| d.swap)),
        // The peak is read less often than the usage, which may have passed it since.
        peak_bytes: peak.map(|peak| usage.map_or(peak, |u| u.usage.max(peak))),
        max_bytes: cgroup.max(),
        high_bytes: details.map_or(Limit::Max, |d| d.high),
        low_bytes: details.and_then(|d| d.low),
        swap_max_bytes: details.map_or(Limit::Max, |d| d.swap_max),
        limit_bytes: cgroup.ceiling.limit,
        limit_from: cgroup.ceiling.from.as_deref().map(str::to_owned),
        events: details.map(|d| d.events.clone()).unwrap_or_default(),
        psi: details.and_then(|d| d.psi.as_ref()).map(Into::into),
        processes: cgroup.processes,
        kubernetes: kubernetes(state, cgroup),
        listened_to: cgroup.listened_to,
        judgement: judgement(&cgroup.standing, state.clock.now()),
    }
}

/// By the labels, which outlive the directory's entry; what is declared by the directory.
fn kubernetes(state: &State, cgroup: &Cgroup) -> Option<KubernetesView> {
    let labels = &cgroup.owner.labels;
    let found = state.cgroups.names().find(labels);
    let declared = found.and_then(|(_, container)| container).map(|own| own.memory);
    let declared = declared.unwrap_or_default();
    Some(KubernetesView {
        namespace: labels.get(names::NAMESPACE)?.clone(),
        pod: labels.get(names::POD)?.clone(),
        container: labels.get(names::CONTAINER).cloned(),
        owner: names::owner_of_pod(labels),
        memory_limit_bytes: declared.limit,
        memory_request_bytes: declared.request,
    })
}

fn judgement(standing: &Standing, now: Stamp) -> JudgementView {
    JudgementView {
        state: standing.state(),
        cause: standing.memory.cause,
        rate_bytes_per_s: standing.rate,
        eta_s: standing.eta(now),
        confidence: standing.confidence(),
    }
}

/// Targets by kind and state. Cost: nothing is copied, unlike with verdicts.
pub(super) fn counts(state: &State) -> Counts {
    let processes = state.processes.iter().map(|(_, p)| (TargetKind::Process, &p.facts.standing));
    let cgroups = state.cgroups.iter().map(|(_, c)| (TargetKind::Cgroup, &c.standing));
    let workloads = state.workloads.iter().map(|(_, w)| (TargetKind::Workload, &w.standing));
    let node = [(TargetKind::Node, &state.node.standing)];
    let mut counts = Counts::new();
    for (kind, standing) in processes.chain(cgroups).chain(workloads).chain(node) {
        *counts.entry((kind, standing.state())).or_default() += 1;
    }
    counts
}

/// Every target's verdict, or those of one state and one kind only.
pub(super) fn verdicts(
    state: &State,
    wanted: Option<Judgement>,
    kind: Option<TargetKind>,
) -> Vec<Verdict> {
    let chosen = |of: TargetKind, standing: &Standing| {
        kind.is_none_or(|kind| kind == of) && wanted.is_none_or(|w| standing.state() == w)
    };
    let processes = state
        .processes
        .iter()
        .filter(|(_, p)| chosen(TargetKind::Process, &p.facts.standing))
        .map(|(_, p)| p.facts.target());
    let cgroups = state
        .cgroups
        .iter()
        .filter(|(_, c)| chosen(TargetKind::Cgroup, &c.standing))
        .map(|(_, c)| c.target());
    let workloads = state
        .workloads
        .iter()
        .filter(|(_, w)| chosen(TargetKind::Workload, &w.standing))
        .map(|(_, w)| w.target());
    let node = chosen(TargetKind::Node, &state.node.standing).then_some(Target::Node);
    processes
        .chain(cgroups)
        .chain(workloads)
        .chain(node)
        .filter_map(|target| super::verdict_of(state, &target))
        .collect()
}
