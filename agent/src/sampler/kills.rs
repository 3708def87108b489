//! Kills by the kernel's OOM killer: from its log or by BPF where these are open, else from its
//! counters.
//!
//! Log and BPF name victim and cgroup. The counters only rise: `oom_kill` of vmstat says that
//! somebody was killed, the one of each cgroup says where.

use super::incidents::{Kill, killed};
use super::judging::tell;
use super::state::State;
use super::wheel::Due;
use crate::alert::OomKill;
use crate::clock::Stamp;
use crate::sources::cgroup::{Details, read_details};
use crate::sources::oom;
use crate::workload::OwnerKind;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A kill that the log told of. One that an earlier run has told of already is passed over.
pub fn logged(state: &mut State, kill: &oom::OomKill, now: Stamp) {
    let boot_id = state.node.host.boot_id.as_deref().unwrap_or_default();
    if kill.before_start && state.shelf.knows(boot_id, kill.at.secs(), kill.victim_pid) {
        return;
    }
    let entered = Kill {
        log: Some(kill),
        memcg: kill.oom_memcg.as_deref().filter(|_| !kill.global),
        cgroup: kill.memcg.as_deref(),
        count: 1,
    };
    let incident = killed(state, &entered, now);
    // The counters of these cgroups have moved, whatever their usage says.
    for path in kill.memcg.iter().chain(&kill.oom_memcg) {
        if let Some(cgroup) = state.cgroups.find(path).and_then(|at| state.cgroups.get_mut(at)) {
            (cgroup.details_at, cgroup.parts_at) = (None, Stamp(i64::MIN));
        }
    }
    let own = kill.memcg.as_deref().filter(|_| !kill.before_start);
    let own = own.and_then(|path| state.cgroups.find(path));
    if let Some(cgroup) = own.and_then(|at| state.cgroups.get_mut(at)) {
        // The counter that may tell of it later tells nothing new.
        cgroup.kills_told = cgroup.kills_told.map(|told| told.saturating_add(1));
    }
    let memory = [kill.anon_rss, kill.file_rss, kill.shmem_rss];
    let victim = state.processes.by_pid(kill.victim_pid);
    let workload = victim.and_then(|p| p.facts.workload).and_then(|at| state.workloads.get(at));
    let workload = workload.map(|workload| workload.name.to_string());
    let known = OomKill {
        labels: labels_of(state, [&kill.memcg, &kill.oom_memcg], workload),
        victim_pid: Some(kill.victim_pid),
        victim_comm: Some(kill.victim_comm.clone()),
        killer_comm: kill.killer_comm.clone(),
        memcg: kill.oom_memcg.clone().filter(|_| !kill.global),
        victim_rss: kill.anon_rss.map(|_| memory.into_iter().flatten().sum()),
        incident: Some(incident),
    };
    tell_kill(state, &known, 1, now);
    // Their counters have moved: of the cgroup whose limit it was, and of the victim's own.
    for path in [&kill.oom_memcg, &kill.memcg].into_iter().flatten() {
        let Some(index) = state.cgroups.find(path) else { continue };
        let due = state.wheel.add(Due::Cgroup(index), now, Duration::ZERO);
        if let Some(cgroup) = state.cgroups.get_mut(index) {
            cgroup.details_at = None;
            cgroup.track.due = due;
        }
    }
}

/// A kill of which only pids came: what the agent has read of that process says the rest. A limit
/// that was nearly reached at the last reading is taken for the one that was.
pub fn placed(state: &State, mut kill: oom::OomKill, now: Stamp) -> oom::OomKill {
    /// Of a limit, so much must have been in use.
    const NEARLY: f64 = 0.75;
    if kill.memcg.is_some() || kill.global {
        return kill;
    }
    let living = state.processes.by_pid(kill.victim_pid).map(|process| &process.facts);
    let dead = state.recorder.dead.by_pid(kill.victim_pid, now);
    let path = living.and_then(|facts| facts.cgroup_path.clone());
    let path = path.or_else(|| dead.and_then(|death| death.cgroup.clone()));
    if kill.victim_comm.is_empty() {
        let comm = living.map(|facts| &facts.comm).or(dead.map(|death| &death.comm));
        kill.victim_comm = comm.map(ToString::to_string).unwrap_or_default();
    }
    let ceiling = path.as_ref().and_then(|path| state.cgroups.ceiling(state.cgroups.find(path)?));
    let limit = ceiling.and_then(|ceiling| ceiling.limit.bytes());
    let from = ceiling.and_then(|ceiling| ceiling.from.clone());
    let usage = from.as_ref().and_then(|from| {
        let cgroup = state.cgroups.get(state.cgroups.find(from)?)?;
        cgroup.usage.as_ref().map(|usage| usage.usage)
    });
    let is_near =
        limit.zip(usage).is_some_and(|(limit, usage)| usage.as_f64() >= limit.as_f64() * NEARLY);
    if is_near {
        kill.oom_memcg = from.map(|from| from.to_string());
        kill.constraint = oom::Constraint::Memcg;
    }
    kill.memcg = path.map(|path| path.to_string());
    kill
}

/// What rules and routes may look for: who owns the cgroup, and what the victim was part of.
fn labels_of(
    state: &State,
    [victims, limited]: [&Option<String>; 2],
    workload: Option<String>,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    // Who was killed in which container is known by name where that is a pod's, whosever the limit.
    let own = victims.as_deref().map(|path| state.cgroups.owner_of(path));
    labels.extend(
        own.filter(|owner| owner.kind == OwnerKind::Pod)
            .map(|own| own.labels)
            .into_iter()
            .flatten(),
    );
    if let Some(path) = limited.as_deref() {
        let owner = state.cgroups.owner_of(path);
        labels.extend(owner.labels);
        labels.insert("owner".to_owned(), owner.name);
    }
    labels.extend(workload.map(|name| ("workload".to_owned(), name)));
    labels
}

/// The node's counter has `kills` more than anyone told of: looks which cgroups' counters moved.
pub fn counted(state: &mut State, mut kills: u64, now: Stamp) {
    for (path, here) in counted_in_cgroups(state, now) {
        // The counter of a cgroup may hold kills that were told of, too.
        let here = here.min(kills);
        if here == 0 {
            break;
        }
        kills -= here;
        counted_at(state, Some(&path), here, now);
    }
    if kills > 0 {
        counted_at(state, None, kills, now);
    }
}

fn counted_at(state: &mut State, path: Option<&str>, count: u64, now: Stamp) {
    let entered = Kill { log: None, memcg: path, cgroup: path, count };
    let incident = Some(killed(state, &entered, now));
    let own = path.map(str::to_owned);
    let labels = labels_of(state, [&own, &own], None);
    let known = OomKill { memcg: path.map(str::to_owned), labels, incident, ..OomKill::default() };
    tell_kill(state, &known, count, now);
}

/// Reads the events of every cgroup anew. Cost: 30 µs each, and only after a kill.
fn counted_in_cgroups(state: &mut State, now: Stamp) -> Vec<(Arc<str>, u64)> {
    let Some(layout) = state.cgroup_layout.clone() else { return Vec::new() };
    let paths: Vec<(u32, Arc<str>)> =
        state.cgroups.iter().map(|(index, c)| (index, Arc::clone(&c.path))).collect();
    let mut risen = Vec::new();
    for (index, path) in paths {
        let Ok(details) = read_details(&layout, &path) else { continue };
        let Some(cgroup) = state.cgroups.get_mut(index) else { continue };
        let after = kills_here(&details);
        let before = cgroup.kills_told.replace(after).unwrap_or(after);
        if after > before {
            risen.push((path, after - before));
        }
        cgroup.details = Some(Box::new(details));
        cgroup.details_at = Some(now);
    }
    risen
}

/// Victims that were in this very cgroup.
pub(super) fn kills_here(details: &Details) -> u64 {
    let events = details.events_local.as_ref().unwrap_or(&details.events);
    events.get("oom_kill").copied().unwrap_or(0)
}

fn tell_kill(state: &mut State, kill: &OomKill, kills: u64, now: Stamp) {
    state.counters.oom_kills += kills;
    let change = state.alerts.oom_kill(kill, now, state.clock);
    tell(state, &change, now);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(kills: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([("oom_kill".to_owned(), kills)])
    }

    #[test]
    fn what_was_killed_below_a_cgroup_is_not_counted_in_it_again() {
        let mut details = Details { events: events(7), ..Details::default() };
        assert_eq!(kills_here(&details), 7, "v1 and old kernels count each cgroup alone");
        details.events_local = Some(events(2));
        assert_eq!(kills_here(&details), 2);
    }
}
