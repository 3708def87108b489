//! Who was killed: the kernel's words joined with what the agent had read of that process.

use super::super::state::State;
use super::{Kill, is_later};
use crate::clock::Stamp;
use crate::history::Split;
use crate::recorder::Death;
use crate::recorder::draft::sum;
use crate::target::{ProcessId, Target};
use crate::view::Victim;
use std::sync::Arc;
use std::time::Duration;

/// Who ended in the cgroup within this time of a counter's rise is taken for its victim.
const ENDED_WITH_IT: Duration = Duration::from_secs(3);

/// Who was killed, as far as the kernel and the agent know together.
pub(super) fn victim_of(
    state: &State,
    kill: &Kill<'_>,
    at: Stamp,
    now: Stamp,
) -> (Victim, Option<Death>) {
    let pid = kill.log.map(|log| log.victim_pid);
    let death = match pid {
        Some(pid) => known(state, pid, kill, now),
        // Only a counter rose: who ended here just now, the largest first.
        None => kill.cgroup.and_then(|cgroup| {
            let ended = state.recorder.dead.in_cgroup(cgroup, ENDED_WITH_IT, now);
            ended.max_by_key(|death| death.split.used).cloned()
        }),
    };
    let facts = death.as_ref();
    let log = kill.log;
    let parts = log.map(|log| [log.anon_rss, log.file_rss, log.shmem_rss]).unwrap_or_default();
    let read = facts.map(|death| death.split);
    let cgroup = log.and_then(|log| log.memcg.clone());
    let cgroup = cgroup.or_else(|| facts.and_then(|f| f.cgroup.as_deref().map(str::to_owned)));
    let cgroup = cgroup.or_else(|| kill.cgroup.map(str::to_owned));
    let owner = cgroup.as_deref().map(|path| state.cgroups.owner_of(path));
    let victim = Victim {
        target: facts.map(|facts| Target::Process(facts.id).to_string()),
        pid: pid.or(facts.map(|facts| facts.id.pid)),
        comm: log
            .map(|log| log.victim_comm.clone())
            .or_else(|| facts.map(|facts| facts.comm.to_string())),
        exe: facts.and_then(|facts| facts.exe.as_deref().map(str::to_owned)),
        uid: log.and_then(|log| log.victim_uid).or_else(|| facts.and_then(|facts| facts.uid)),
        workload: facts
            .and_then(|facts| facts.workload.as_deref().map(str::to_owned))
            .or_else(|| owner.as_ref().map(|owner| owner.name.clone())),
        labels: owner.as_ref().map(|owner| owner.labels.clone()).unwrap_or_default(),
        rss_bytes: sum(parts).or(read.map(|split| split.used)),
        anon_bytes: parts[0].or(read.map(|split| split.anon)),
        file_bytes: parts[1],
        shmem_bytes: parts[2],
        virtual_bytes: log.and_then(|log| log.total_vm),
        page_tables_bytes: log.and_then(|log| log.pgtables),
        oom_score_adj: log.and_then(|log| log.oom_score_adj),
        is_main: match facts {
            _ if is_later(kill) => None,
            Some(facts) => is_main(state, facts, now),
            None => was_main_unseen(state, kill, cgroup.as_deref()),
        },
        by_group: log.is_some_and(|log| log.group),
        inferred: log.is_none(),
        start_time: log.and_then(|log| log.start_time),
        memcg_id: log.and_then(|log| log.memcg_id),
        age_s: started_at(state, kill, facts).map(|started| at.since(started).as_secs_f64()),
        cgroup,
    };
    (victim, death)
}

/// As the agent read it, else as the kernel said at the kill.
fn started_at(state: &State, kill: &Kill<'_>, facts: Option<&Death>) -> Option<Stamp> {
    let told = || {
        let log = kill.log?;
        let id = ProcessId { pid: log.victim_pid, start_time: log.start_time? };
        Some(state.started_at(id))
    };
    facts.map(|facts| facts.started_at).or_else(told)
}

/// The process that the kernel names: it may live on for a moment, have ended, or have ended while
/// this agent was down.
fn known(state: &State, pid: u32, kill: &Kill<'_>, now: Stamp) -> Option<Death> {
    let living = || {
        let process = state.processes.by_pid(pid).filter(|_| !is_later(kill))?;
        let facts = &process.facts;
        let workload = facts.workload.and_then(|at| state.workloads.get(at));
        Some(Death {
            id: facts.id,
            at: now,
            started_at: state.started_at(facts.id),
            comm: facts.comm.clone(),
            exe: facts.exe.clone(),
            uid: facts.uid,
            cgroup: facts.cgroup_path.clone(),
            workload: workload.map(|workload| Arc::clone(&workload.name)),
            split: process.track.split,
        })
    };
    let dead = || state.recorder.dead.by_pid(pid, now).cloned();
    let former = || {
        let log = kill.log.filter(|log| log.before_start)?;
        let (id, ended, split) = former_process(state, pid)?;
        Some(Death {
            id,
            at: ended,
            started_at: state.started_at(id),
            comm: log.victim_comm.as_str().into(),
            exe: None,
            uid: log.victim_uid,
            cgroup: log.memcg.as_deref().map(Into::into),
            workload: None,
            split,
        })
    };
    // The kernel may have told which of the pid's processes it was.
    let start_time = kill.log.and_then(|log| log.start_time);
    let is_it = |death: &Death| start_time.is_none_or(|start| start == death.id.start_time);
    dead().filter(is_it).or_else(|| living().filter(is_it)).or_else(former)
}

/// The last process of that pid that the history on disk had.
fn former_process(state: &State, pid: u32) -> Option<(ProcessId, Stamp, Split)> {
    let ended = state.history.iter().filter_map(|(series, target, _)| match target {
        Target::Process(id) if id.pid == pid => {
            let last = state.history.window(series).last()?;
            Some((*id, last.until, last.split))
        }
        _ => None,
    });
    ended.max_by_key(|(_, until, _)| *until)
}

/// Whether `victim` was the oldest process of its cgroup; None without a cgroup of its own.
fn is_main(state: &State, victim: &Death, now: Stamp) -> Option<bool> {
    let cgroup = victim.cgroup.as_deref().filter(|path| *path != "/")?;
    let living = state.processes.iter().map(|(_, process)| &process.facts);
    let living = living
        .filter(|facts| facts.cgroup_path.as_deref() == Some(cgroup))
        .map(|facts| facts.id.start_time);
    let ended = state.recorder.dead.in_cgroup(cgroup, ENDED_WITH_IT, now);
    let oldest = living.chain(ended.map(|death| death.id.start_time)).min();
    Some(oldest.is_none_or(|oldest| victim.id.start_time <= oldest))
}

/// The same of a victim that ended before it was first read: whoever is watched is older.
fn was_main_unseen(state: &State, kill: &Kill<'_>, cgroup: Option<&str>) -> Option<bool> {
    let cgroup = cgroup.filter(|path| *path != "/")?;
    let mut living = state.processes.iter().map(|(_, process)| &process.facts);
    if living.any(|facts| facts.cgroup_path.as_deref() == Some(cgroup)) {
        return Some(false);
    }
    let tasks = kill.log.map_or(0, |log| log.tasks.len());
    (tasks == 1 && kill.memcg == Some(cgroup)).then_some(true)
}
