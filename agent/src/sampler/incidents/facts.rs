//! What a draft is made of: everything that the agent and the kernel know of a kill together.

use super::super::growers::growers;
use super::super::judging::verdict_of;
use super::super::state::State;
use super::{Kill, is_later};
use crate::clock::Stamp;
use crate::recorder::draft::{Draft, DraftSeries, Told};
use crate::recorder::{Death, is_within};
use crate::sources::oom;
use crate::target::Target;
use crate::units::{Bytes, Limit};
use crate::verdict::Verdict;
use crate::view::{
    ConstraintView, EvidenceTaken, INCIDENT_SCHEMA, Incident, KillKind, LimitedCgroup, SeenBy,
    TaskName, TaskRow, Victim,
};
use std::time::Duration;

pub(super) fn draft(
    state: &State,
    kill: &Kill<'_>,
    id: String,
    victim: Victim,
    death: Option<Death>,
    at: Stamp,
) -> Draft {
    let log = kill.log;
    let targets = concerned(state, kill, &victim, death.as_ref());
    let mut series: Vec<DraftSeries> =
        targets.iter().map(|(role, target)| copied(state, target, role, at)).collect();
    series.retain(|series| !series.points.is_empty() || !series.minutes.is_empty());
    let is_global = kind_of(kill, &victim) == KillKind::Node;
    let judged = targets.iter().filter(|(role, _)| is_global || *role != "node");
    let workload = victim.workload.as_deref().map(|name| Target::Workload(name.into()));
    let judged: Vec<&Target> = judged.map(|(_, target)| target).chain(&workload).collect();
    let scope = kill.memcg.or(kill.cgroup).filter(|_| !is_global);
    let dead: Vec<Death> = death.into_iter().collect();
    let tasks = log.map(|log| log.tasks.iter().map(task_row).collect());
    let incident = Incident {
        schema: INCIDENT_SCHEMA.to_owned(),
        id,
        at: state.clock.rfc3339(at),
        hostname: state.node.host.hostname.clone().unwrap_or_default(),
        kernel: state.node.host.kernel.clone(),
        boot_id: state.node.host.boot_id.clone().unwrap_or_default(),
        kernel_time_s: log.map(|log| log.at.secs()),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        kind: kind_of(kill, &victim),
        seen_by: seen_by(kill),
        heard_by: log
            .map_or_else(Vec::new, |log| log.heard_by.iter().map(ToString::to_string).collect()),
        constraint: constraint(kill),
        victims_left_out: u32::try_from(kill.count.saturating_sub(1)).unwrap_or(u32::MAX),
        killer: log
            .filter(|log| log.killer_comm.is_some())
            .map(|log| TaskName { pid: log.killer_pid, comm: log.killer_comm.clone() }),
        memcg: kill.memcg.map(|path| limited(state, path, log)),
        task_dump: tasks.unwrap_or_default(),
        task_dump_left_out: log.map_or(0, |log| log.tasks_left_out),
        growers: growers(state, scope, &dead, at),
        verdict: last_verdict(state, &judged, at, is_later(kill)),
        evidence: evidence(state, &targets, at),
        pressure: state.recorder.signals_before(at, scope),
        notes: notes(kill, dead.is_empty()),
        victims: vec![victim],
        ..Incident::default()
    };
    let said = judged.iter().filter_map(|target| told(state, target)).collect();
    Draft { clock: state.clock, killed_at: at, incident, series, said }
}

/// The targets whose memory tells of this kill, each with its role, none twice.
fn concerned(
    state: &State,
    kill: &Kill<'_>,
    victim: &Victim,
    death: Option<&Death>,
) -> Vec<(&'static str, Target)> {
    let cgroup = |path: &str| Target::Cgroup(path.into());
    let mut all: Vec<(&'static str, Target)> = Vec::new();
    all.extend(death.map(|death| ("victim", Target::Process(death.id))));
    all.extend(victim.cgroup.as_deref().map(|path| ("cgroup", cgroup(path))));
    all.extend(kill.memcg.map(|path| ("limit", cgroup(path))));
    all.push(("node", Target::Node));
    let mut seen: Vec<Target> = Vec::new();
    all.retain(|(_, target)| {
        let known =
            state.history.find(target).is_some() || state.recorder.pins.get(target).is_some();
        let fresh = known && !seen.contains(target);
        seen.extend(fresh.then(|| target.clone()));
        fresh
    });
    all
}

pub(super) fn copied(state: &State, target: &Target, role: &'static str, at: Stamp) -> DraftSeries {
    let window = state.history.find(target).map(|series| state.history.window(series));
    let pinned = state.recorder.pins.get(target).map(|pin| pin.ring.points());
    DraftSeries::copy(target.to_string(), role, window, pinned.into_iter().flatten(), at)
}

pub(super) fn told(state: &State, target: &Target) -> Option<Told> {
    let pin = state.recorder.pins.get(target)?;
    let sayings: Vec<_> = pin.said.iter().copied().collect();
    (!sayings.is_empty()).then(|| Told { target: target.to_string(), sayings })
}

/// The last verdict before the kill: a suspicion of the victim, else of what is around it; else
/// what is thought of the cgroup now, unless the kill is long past.
fn last_verdict(state: &State, targets: &[&Target], at: Stamp, is_later: bool) -> Option<Verdict> {
    const STILL_HOLDS: Duration = Duration::from_secs(120);
    const HEARD_WITHIN: Duration = Duration::from_secs(2);
    let suspicion = |target: &Target| {
        let (judged_at, verdict) = state.recorder.pins.get(target)?.verdict.as_ref()?;
        let holds = is_later || at.since(*judged_at) <= STILL_HOLDS;
        // What is judged before the kill is heard of is still about what led to it.
        (*judged_at <= at.plus(HEARD_WITHIN) && holds).then(|| verdict.clone())
    };
    if let Some(suspected) = targets.iter().find_map(|target| suspicion(target)) {
        return Some(suspected);
    }
    let calm = targets.iter().filter(|_| !is_later).find_map(|target| verdict_of(state, target))?;
    let eta_s = calm.eta_s.map(crate::recorder::foretold::finite);
    Some(Verdict { eta_s, ..calm })
}

fn evidence(state: &State, targets: &[(&'static str, Target)], at: Stamp) -> Vec<EvidenceTaken> {
    let pins = targets.iter().filter_map(|(_, target)| state.recorder.pins.get(target));
    let taken = pins.flat_map(|pin| &pin.evidence).filter(|(taken_at, _)| *taken_at <= at);
    let mut taken: Vec<_> = taken
        .map(|(taken_at, evidence)| {
            let before_s = Some(at.since(*taken_at).as_secs_f64());
            (*taken_at, EvidenceTaken { before_s, ..evidence.clone() })
        })
        .collect();
    taken.sort_by_key(|(taken_at, _)| *taken_at);
    taken.into_iter().map(|(_, evidence)| evidence).collect()
}

fn limited(state: &State, path: &str, log: Option<&oom::OomKill>) -> LimitedCgroup {
    let cgroup = state.cgroups.find(path).and_then(|at| state.cgroups.get(at));
    let usage = cgroup.and_then(|cgroup| cgroup.usage.as_ref());
    let own = state.processes.by_pid(std::process::id());
    let own = own.and_then(|process| process.facts.cgroup_path.as_deref());
    let owner = state.cgroups.owner_of(path);
    LimitedCgroup {
        path: path.to_owned(),
        usage_bytes: log.and_then(|log| log.usage).or(usage.map(|usage| usage.usage)),
        limit_bytes: log
            .and_then(|log| log.limit)
            .or_else(|| cgroup.map(|cgroup| cgroup.ceiling.limit))
            .unwrap_or(Limit::Max),
        workload: Some(owner.name),
        labels: owner.labels,
        anon_bytes: usage.and_then(|usage| usage.anon),
        file_bytes: usage.and_then(|usage| usage.file),
        shmem_bytes: usage.and_then(|usage| usage.shmem),
        kernel_bytes: usage.and_then(|usage| usage.kernel),
        holds_agent: path != "/" && own.is_some_and(|own| is_within(own, path)),
    }
}

fn task_row(task: &oom::TaskDump) -> TaskRow {
    let page_size = Bytes(rustix::param::page_size() as u64);
    let bytes = |pages: Option<crate::units::Pages>| pages.map(|pages| pages.to_bytes(page_size));
    TaskRow {
        pid: task.pid,
        uid: task.uid,
        name: task.name.clone(),
        virtual_bytes: bytes(task.total_vm),
        rss_bytes: bytes(task.rss),
        swap_bytes: bytes(task.swapents),
        page_tables_bytes: task.pgtables,
        oom_score_adj: task.oom_score_adj,
    }
}

fn kind_of(kill: &Kill<'_>, victim: &Victim) -> KillKind {
    match (kill.log, victim.is_main) {
        (Some(log), _) if log.global => KillKind::Node,
        (None, _) if kill.memcg.is_none() => KillKind::Node,
        (Some(log), _) if log.group => KillKind::Group,
        (_, Some(true)) => KillKind::MainProcess,
        (_, Some(false)) => KillKind::ChildProcess,
        (_, None) => KillKind::Unknown,
    }
}

fn seen_by(kill: &Kill<'_>) -> SeenBy {
    match kill.log {
        None => SeenBy::Counters,
        Some(log) if log.before_start => SeenBy::KernelLogLater,
        Some(log) if is_by_bpf_alone(log) => SeenBy::Bpf,
        Some(_) => SeenBy::KernelLog,
    }
}

fn is_by_bpf_alone(log: &oom::OomKill) -> bool {
    !log.heard_by.is_empty()
        && log.heard_by.iter().all(|way| matches!(*way, "tp_btf" | "tracepoint"))
}

fn constraint(kill: &Kill<'_>) -> ConstraintView {
    match kill.log.map(|log| log.constraint) {
        Some(oom::Constraint::None) => ConstraintView::None,
        Some(oom::Constraint::Cpuset) => ConstraintView::Cpuset,
        Some(oom::Constraint::MemoryPolicy) => ConstraintView::MemoryPolicy,
        Some(oom::Constraint::Memcg) => ConstraintView::Memcg,
        Some(oom::Constraint::Unknown) | None => ConstraintView::Unknown,
    }
}

fn notes(kill: &Kill<'_>, is_unknown: bool) -> Vec<String> {
    let mut notes = Vec::new();
    match seen_by(kill) {
        SeenBy::KernelLog => {}
        SeenBy::KernelLogLater => notes.push(
            "The agent was down when this happened: readings end before it, and which processes \
             were in the cgroup is not known."
                .to_owned(),
        ),
        SeenBy::Bpf => notes.push(
            "Heard of by BPF: there is no task dump, and the parts of the victim's memory lack \
             what each CPU had not yet added up."
                .to_owned(),
        ),
        SeenBy::Counters => notes.push(
            "Only counters told of this kill. Victim, killer and task dump stand in the kernel's \
             log, which the agent may not read (capability SYSLOG)."
                .to_owned(),
        ),
    }
    if is_unknown {
        notes.push("The victim was not watched: it ended before it was first read.".to_owned());
    }
    let by_bpf = seen_by(kill) == SeenBy::Bpf;
    if kill.log.is_some_and(|log| log.tasks.is_empty() && !log.group) && !by_bpf {
        notes.push("The kernel printed no task dump: it limits its rate (10 in 5 s).".to_owned());
    }
    notes
}
