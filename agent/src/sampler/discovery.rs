//! Who is there: a rescan of `/proc`, and between rescans the kernel's own process events.
//!
//! With the proc connector every fork, exec and exit is heard, so that a rescan is only a check.
//! Without it the rescan is the only source and runs more often. A process younger than
//! [`ADMITTED_AGE`] is not read at all: most of the short-lived ones end within it and are counted,
//! so that a storm of forks costs the agent an event each and not twenty microseconds.

use super::cadence::FIRST_INTERVAL;
use super::recording;
use super::state::State;
use super::sweep::enter_cgroup;
use super::wheel::Due;
use crate::clock::Stamp;
use crate::history::Split;
use crate::sources::connector::{Connector, ProcEvent};
use crate::sources::process::{Identity, list_pids, read_identity};
use crate::sources::{ReadError, Roots};
use crate::workload::workload_name;
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Age below which a process that was heard of is left unread.
const ADMITTED_AGE: Duration = Duration::from_millis(200);
/// Processes admitted in one batch; the lock is released between batches.
const ADMITTED_MAX: usize = 250;
/// Events taken from the kernel in one batch.
const EVENTS_MAX: usize = 4096;
/// Young processes remembered; beyond it the rescan finds those that stay.
const PENDING_MAX: usize = 65_536;

#[derive(Clone, Copy, Debug)]
struct Pending {
    parent: Option<u32>,
    since: Stamp,
}

#[derive(Debug)]
pub struct Discovery {
    pub roots: Roots,
    connector: Option<Connector>,
    /// In the order of pids: who is admitted, opened and read in the order in which the kernel made
    /// them is read faster, for their structures lie side by side.
    pending: BTreeMap<u32, Pending>,
    rescan_wanted: bool,
    pids: Vec<u32>,
    events: Vec<ProcEvent>,
    /// More events wait than one batch takes.
    pub behind: bool,
    /// Listed processes that could not be read since the last rescan, and what was wrong first.
    refused: (usize, Option<String>),
    /// Processes whose command line has yet to be asked for.
    pub fresh: Vec<u32>,
}

impl Discovery {
    #[must_use]
    pub fn new(roots: Roots, connector: Option<Connector>) -> Self {
        Self {
            roots,
            connector,
            pending: BTreeMap::new(),
            rescan_wanted: true,
            pids: Vec::new(),
            events: Vec::new(),
            behind: false,
            refused: (0, None),
            fresh: Vec::new(),
        }
    }

    #[must_use]
    pub const fn hears_events(&self) -> bool {
        self.connector.is_some()
    }

    /// True once after events were lost.
    pub const fn take_rescan_wanted(&mut self) -> bool {
        std::mem::replace(&mut self.rescan_wanted, false)
    }

    /// Takes the events that the kernel has queued.
    pub fn listen(&mut self, state: &mut State, now: Stamp) {
        for pid in std::mem::take(&mut state.renamed) {
            self.renamed(state, pid, now);
        }
        let Some(connector) = &mut self.connector else { return };
        let mut events = std::mem::take(&mut self.events);
        let drained = connector.drain(EVENTS_MAX, |event| events.push(event));
        self.behind = drained.more;
        if drained.overrun {
            state.counters.connector_overruns += 1;
            self.rescan_wanted = true;
        }
        for event in events.drain(..) {
            self.heard(state, event, now);
        }
        self.events = events;
    }

    fn heard(&mut self, state: &mut State, event: ProcEvent, now: Stamp) {
        match event {
            ProcEvent::Fork { parent, child } if self.pending.len() < PENDING_MAX => {
                // The pid is new by definition: whoever had it is gone, its exit perhaps unheard.
                retire_pid(state, child, now);
                self.pending.insert(child, Pending { parent: Some(parent), since: now });
            }
            ProcEvent::Fork { .. } => self.rescan_wanted = true,
            ProcEvent::Exec { pid } => self.renamed(state, pid, now),
            ProcEvent::Comm { pid } => self.reworded(state, pid, now),
            ProcEvent::Exit { pid, exit_code, .. } => {
                if let Some(pending) = self.pending.remove(&pid) {
                    count_short_lived(state, pending.parent);
                } else if let Some(index) = state.processes.index_of(pid) {
                    if exit_code != 0 {
                        count_death(state, index, now);
                    }
                    retire(state, index, now);
                }
            }
        }
    }

    /// Only the name changed, if the program is the same: it stays in its workload.
    fn reworded(&mut self, state: &mut State, pid: u32, now: Stamp) {
        let Some(index) = state.processes.index_of(pid) else { return };
        let Ok(identity) = read_identity(&self.roots, pid) else { return };
        let Some(process) = state.processes.get_mut(index) else { return };
        let same = process.facts.id == identity.id && identity.exe.is_some();
        if same && identity.exe.as_deref() == process.facts.exe.as_deref() {
            process.facts.comm = identity.comm.into();
        } else {
            self.renamed(state, pid, now);
        }
    }

    /// Same process, other program or other cgroup: its names are read again, its history goes on.
    fn renamed(&mut self, state: &mut State, pid: u32, now: Stamp) {
        let Some(index) = state.processes.index_of(pid) else { return };
        let Ok(identity) = read_identity(&self.roots, pid) else { return };
        let path = memory_cgroup(state, &identity);
        let Some(process) = state.processes.get(index) else { return };
        let facts = &process.facts;
        if facts.id != identity.id {
            retire(state, index, now);
            return;
        }
        let other_program =
            *facts.comm != *identity.comm || facts.exe.as_deref() != identity.exe.as_deref();
        if !other_program && facts.cgroup_path.as_deref() == path.as_deref() {
            return;
        }
        leave(state, index, now);
        let exe = identity.exe.as_deref().map(|exe| state.processes.name(exe));
        if let Some(process) = state.processes.get_mut(index) {
            process.facts.exe = exe;
            process.facts.comm = identity.comm.as_str().into();
        }
        join(state, index, &identity, now);
        if other_program {
            self.fresh.push(index);
        }
    }

    /// How many of those listed at the last rescan could not be read, with one reason.
    pub fn take_refused(&mut self) -> (usize, Option<String>) {
        std::mem::take(&mut self.refused)
    }

    /// Lists `/proc`: puts unknown pids in the queue of the young, retires what is not there.
    ///
    /// # Errors
    /// When `/proc` cannot be listed.
    pub fn rescan(&mut self, state: &mut State, now: Stamp) -> Result<(), ReadError> {
        list_pids(&self.roots, &mut self.pids)?;
        let seen: FxHashSet<u32> = self.pids.iter().copied().collect();
        let first = state.ready_at.is_none();
        for &pid in &self.pids {
            let known = state.processes.index_of(pid).is_some()
                || state.processes.kernel_threads.contains(&pid)
                || self.pending.contains_key(&pid);
            if !known && self.pending.len() < PENDING_MAX {
                let since = if first { now.minus(ADMITTED_AGE) } else { now };
                self.pending.insert(pid, Pending { parent: None, since });
            }
        }
        let gone: Vec<u32> = state
            .processes
            .iter()
            .filter(|(_, p)| !seen.contains(&p.facts.id.pid))
            .map(|(index, _)| index)
            .collect();
        for index in gone {
            retire(state, index, now);
        }
        state.processes.kernel_threads.retain(|pid| seen.contains(pid));
        self.pending.retain(|pid, p| seen.contains(pid) || now.since(p.since) < ADMITTED_AGE);
        let room = state.config.sampling.processes_max;
        state.counters.untracked =
            (state.processes.len() + self.pending.len()).saturating_sub(room);
        Ok(())
    }

    /// Admits a batch of those that are old enough. True while more are waiting.
    pub fn admit(&mut self, state: &mut State, now: Stamp) -> bool {
        let room = state.config.sampling.processes_max.saturating_sub(state.processes.len());
        let patience = ADMITTED_AGE.mul_f64(state.counters.shed_factor.clamp(1.0, 10.0));
        let old: Vec<u32> = self
            .pending
            .iter()
            .filter(|(_, p)| now.since(p.since) >= patience)
            .map(|(&pid, _)| pid)
            .take(ADMITTED_MAX.min(room))
            .collect();
        let full_batch = old.len() == ADMITTED_MAX;
        for pid in old {
            let parent = self.pending.remove(&pid).and_then(|p| p.parent);
            match read_identity(&self.roots, pid) {
                Ok(identity) if identity.kernel_thread => {
                    state.processes.kernel_threads.insert(pid);
                }
                Ok(identity) => self.fresh.push(enter(state, identity, now)),
                Err(ReadError::Gone) => count_short_lived(state, parent),
                Err(e) => {
                    state.counters.failed("process");
                    self.refused.0 += 1;
                    self.refused.1.get_or_insert_with(|| e.to_string());
                }
            }
        }
        full_batch
    }
}

/// Makes a process known to every table and due for its first reading at once.
fn enter(state: &mut State, identity: Identity, now: Stamp) -> u32 {
    retire_pid(state, identity.id.pid, now);
    let known = identity.clone();
    let index = state.processes.add(identity, &mut state.history, now);
    join(state, index, &known, now);
    let due = state.wheel.add(Due::Process(index), now, Duration::ZERO);
    if let Some(process) = state.processes.get_mut(index) {
        process.track.due = due;
        process.track.set_interval(FIRST_INTERVAL / 2);
    }
    index
}

/// Enters the process into its cgroup and its workload.
fn join(state: &mut State, index: u32, identity: &Identity, now: Stamp) {
    let path = memory_cgroup(state, identity);
    let cgroup = path.as_ref().and_then(|path| cgroup_of(state, path, now));
    let naming = path.clone().or_else(|| identity.cgroup.path().map(Into::into));
    let owner = match cgroup.and_then(|index| state.cgroups.get(index)) {
        Some(cgroup) => Arc::clone(&cgroup.owner),
        None => Arc::new(state.cgroups.owner_of(naming.as_deref().unwrap_or("/"))),
    };
    let program = identity.exe.as_deref().unwrap_or(&identity.comm);
    let name = workload_name(&owner, program);
    let workload = state.workloads.find(&name).or_else(|| {
        let index = state.workloads.add(&name, &owner, &mut state.history, now)?;
        let due = state.wheel.add(Due::Workload(index), now, FIRST_INTERVAL);
        let workload = state.workloads.get_mut(index)?;
        workload.track.due = due;
        workload.track.set_interval(FIRST_INTERVAL);
        Some(index)
    });
    let Some(process) = state.processes.get_mut(index) else { return };
    process.facts.cgroup_path = path;
    process.facts.cgroup = cgroup;
    process.facts.workload = workload;
    let split = process.track.split;
    if let Some(workload) = workload.and_then(|i| state.workloads.get_mut(i)) {
        workload.joined(cgroup);
        workload.changed(Split::default(), split);
    }
    if let Some(cgroup) = cgroup.and_then(|i| state.cgroups.get_mut(i)) {
        cgroup.processes += 1;
    }
}

/// The path of the process's memory cgroup.
fn memory_cgroup(state: &mut State, identity: &Identity) -> Option<Arc<str>> {
    let layout = state.cgroup_layout.as_ref()?;
    let lines = &identity.cgroup;
    let path = layout.path_of(lines.memory.as_deref(), lines.unified.as_deref())?;
    Some(state.processes.name(&path))
}

/// The cgroup at `path`, entered now if the walk has not come by yet: a new container's limit must
/// be known from its first reading on.
fn cgroup_of(state: &mut State, path: &Arc<str>, now: Stamp) -> Option<u32> {
    let known = state.cgroups.find(path);
    let layout = state.cgroup_layout.clone()?;
    if known.is_some() || !layout.dir(path).join("memory.stat").exists() {
        return known;
    }
    let ends = path.match_indices('/').skip(1).map(|(at, _)| at).chain([path.len()]);
    for end in ends {
        let room = state.cgroups.len() < state.config.sampling.cgroups_max;
        if room && state.cgroups.find(&path[..end]).is_none() {
            let path = state.processes.name(&path[..end]);
            enter_cgroup(state, &path, now);
        }
    }
    state.cgroups.find(path)
}

/// Takes the process out of its cgroup and its workload.
fn leave(state: &mut State, index: u32, now: Stamp) {
    let Some(process) = state.processes.get_mut(index) else { return };
    let split = process.track.split;
    let workload = process.facts.workload.take();
    let cgroup = process.facts.cgroup.take();
    if let Some((index, workload)) = workload.and_then(|i| Some((i, state.workloads.get_mut(i)?))) {
        workload.left(cgroup, split, now);
        if workload.members == 0 {
            super::judging::emptied(state, index, now);
        }
    }
    if let Some((index, cgroup)) = cgroup.and_then(|i| Some((i, state.cgroups.get_mut(i)?))) {
        cgroup.processes = cgroup.processes.saturating_sub(1);
        if cgroup.processes == 0 {
            super::judging::left_empty(state, index, now);
        }
    }
}

/// Ends the watch over a process that is no more. Its history is closed, not thrown away.
pub fn retire(state: &mut State, index: u32, now: Stamp) {
    let workload = state.processes.get(index).and_then(|process| process.facts.workload);
    let workload = workload.and_then(|at| state.workloads.get(at)).map(|w| Arc::clone(&w.name));
    leave(state, index, now);
    let Some(process) = state.processes.remove(index) else { return };
    let life = [state.started_at(process.facts.id), now];
    recording::buried(&mut state.recorder.dead, &process, workload, life);
    state.history.close(process.track.series, now);
    state.counters.kept_fds -= usize::from(process.kept.is_some());
    super::judging::ended(state, &process.facts.target(), now);
}

fn retire_pid(state: &mut State, pid: u32, now: Stamp) {
    if let Some(index) = state.processes.index_of(pid) {
        retire(state, index, now);
    }
    state.processes.kernel_threads.remove(&pid);
}

fn count_short_lived(state: &mut State, parent: Option<u32>) {
    state.counters.short_lived += 1;
    let parent = parent.and_then(|pid| state.processes.by_pid(pid));
    let workload = parent.and_then(|process| process.facts.workload);
    if let Some(workload) = workload.and_then(|i| state.workloads.get_mut(i)) {
        workload.short_lived += 1;
    }
}

fn count_death(state: &mut State, index: u32, now: Stamp) {
    let workload = state.processes.get(index).and_then(|p| p.facts.workload);
    if let Some(workload) = workload.and_then(|i| state.workloads.get_mut(i)) {
        workload.died(now);
    }
}
