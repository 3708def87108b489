//! What the sampler does in rounds: look who is there, read the node, hear of kills, keep its own
//! account, write the history down.

use super::budget::Shed;
use super::state::State;
use super::sweep::enter_cgroup;
use super::thread::{Run, thread_cpu};
use super::{judging, kills, node, pressing};
use crate::clock::Stamp;
use crate::recorder::WriterHealth;
use crate::sources::ReadError;
use crate::sources::node::{Quick, read_quick};
use crate::view::SourceState;
use std::time::Duration;

/// What the first readings cost is not held against the CPU budget for this long.
const SETTLING: Duration = Duration::from_secs(15);

impl Run {
    /// Cgroups first, so that a process finds the one it is in.
    pub(super) fn discover(&mut self, state: &mut State, now: Stamp) {
        self.sampler.discovery.listen(state, now);
        let first = state.cgroups.is_empty();
        if self.timetable.walk.due(now) || first {
            self.walk_cgroups(state, now);
        }
        let wanted = self.sampler.discovery.take_rescan_wanted();
        if self.timetable.rescan.due(now) || wanted {
            let refused = self.sampler.discovery.take_refused();
            match self.sampler.discovery.rescan(state, now) {
                // Before the first sweep is complete nothing is known of who can be read.
                Ok(()) if state.ready_at.is_some() => process_health(state, refused),
                Ok(()) => {}
                Err(e) => state.health.unavailable("process", e.to_string()),
            }
        }
    }

    pub(super) fn walk_cgroups(&mut self, state: &mut State, now: Stamp) {
        let Some(layout) = state.cgroup_layout.clone() else { return };
        self.paths.clear();
        let room = state.config.sampling.cgroups_max;
        match layout.walk(room, &mut self.paths) {
            Ok(walked) if walked.truncated => state.health.degraded(
                "cgroup",
                layout.describe(),
                format!("more than {room} cgroups: raise sampling.cgroups_max"),
            ),
            Ok(_) => state.health.ok("cgroup", layout.describe()),
            Err(ReadError::Gone) => {}
            Err(e) => state.health.degraded("cgroup", layout.describe(), e.to_string()),
        }
        for path in &self.paths {
            if state.cgroups.find(path).is_none() {
                enter_cgroup(state, path, now);
            }
        }
    }

    pub(super) fn read_node(&mut self, state: &mut State, now: Stamp) {
        let quick = read_quick(&self.sampler.roots);
        state.counters.sampled("node", 1);
        node_health(state, &quick);
        if let Some(split) = node::split_of(&quick) {
            state.node.track.split = split;
            state.node.track.read_at = now;
            state.history.push(state.node.track.series, now, split);
            state.node.standing.see(now, &split, &state.params);
        }
        let killed = quick.vmstat.as_ref().ok().and_then(|v| v.oom_kill());
        state.node.take(quick);
        self.witnesses.counted(self.vmstat_kills, killed, now);
        self.vmstat_kills = killed.or(self.vmstat_kills);
        if self.sampler.oom_log.is_none() {
            self.hear_kills(state, now);
        }
        pressing::node(state, &self.sampler.roots, now);
        let tick = state.wheel.tick_at(now);
        if state.node.track.judge_due <= tick {
            judging::judge_node(state, now);
        }
    }

    /// Kills since the last call, each once, whoever tells of them.
    pub(super) fn hear_kills(&mut self, state: &mut State, now: Stamp) {
        if let Some(marks) = &mut self.sampler.oom_marks {
            let (marked, lost) = marks.drain();
            state.counters.oom_marks_lost += lost;
            marked.into_iter().for_each(|mark| self.witnesses.marked(mark, now));
        }
        self.hear_log(state, now);
        for kill in self.witnesses.ripe(now) {
            let kill = kills::placed(state, kill, now);
            kills::logged(state, &kill, now);
        }
        match self.witnesses.unexplained(now) {
            0 => {}
            left => kills::counted(state, left, now),
        }
    }

    fn hear_log(&mut self, state: &mut State, now: Stamp) {
        let Some(log) = &mut self.sampler.oom_log else { return };
        // Each look at syslog(2) copies the whole log; counter or mark say whether it is worth it.
        let is_quiet = self.kills_heard == self.vmstat_kills && !self.witnesses.wants_log();
        if log.copies_all() && is_quiet {
            return;
        }
        self.kills_heard = self.vmstat_kills;
        self.kills.clear();
        match log.drain(&mut self.kills) {
            Ok(drained) => {
                state.counters.kernel_log_lost += drained.lost;
                let sees = format!("kills with victim and cgroup, by {}", log.how());
                state.health.ok("oom_log", sees);
            }
            Err(e) => state.health.degraded("oom_log", "counters only", e.to_string()),
        }
        for kill in self.kills.drain(..) {
            if let Some(kill) = self.witnesses.logged(kill, log.how(), now) {
                kills::logged(state, &kill, now);
            }
        }
    }

    /// Where incidents stand, for the health report.
    pub(super) fn incident_health(&self, state: &mut State) {
        match self.sampler.black_box.health() {
            WriterHealth::Good(how) => state.health.ok("incidents", how),
            WriterHealth::Off => {}
            WriterHealth::Bad(why) => state.health.degraded("incidents", "kept in RAM only", why),
        }
        let (deleted, write_failures) = state.shelf.counts();
        state.recorder.counters.deleted = deleted;
        state.recorder.counters.write_failures = write_failures;
    }

    /// Holds the sampler's CPU time against its budget.
    pub(super) fn account(&mut self, state: &mut State, now: Stamp) {
        let cpu = thread_cpu();
        let used = cpu.saturating_sub(self.cpu_before);
        let settled = state.ready_at.is_some_and(|at| now.since(at) > SETTLING);
        // At first everything is read at once; that is not held against the budget.
        if settled {
            let shed = self.shedder.observe(used, now.since(self.observed_at));
            let share = self.shedder.last_share() * 100.0;
            match shed {
                Shed::Began => state.health.degraded(
                    "cpu_budget",
                    "the least urgent targets less often",
                    format!("sampling took {share:.1} % of a core; raise sampling.cpu_budget"),
                ),
                Shed::Ended => state.health.ok("cpu_budget", "all targets at their own pace"),
                Shed::Unchanged => {}
            }
        }
        self.cpu_before = cpu;
        self.observed_at = now;
        state.counters.sampler_cpu = cpu;
        state.counters.shed_factor = self.shedder.factor();
    }

    /// Descriptors are no longer short once a tenth of those that may be kept is free.
    pub(super) fn descriptor_health(state: &mut State) {
        let (kept, most) = (state.counters.kept_fds, state.counters.kept_fds_max);
        let short = state.health.state("descriptors") == Some(SourceState::Degraded);
        if short && kept < most - most / 10 {
            state.health.ok("descriptors", format!("up to {most} files kept open"));
        }
    }

    /// Hands what changed to the journal, which writes it down on a thread of its own.
    pub(super) fn flush(&mut self, state: &mut State, now: Stamp) {
        let Some(journal) = &mut self.sampler.journal else { return };
        if journal.flush(&mut state.history, now, state.clock) {
            self.timetable.flush.hasten(now);
        }
        state.counters.flush_failures = journal.flush_failures();
        match journal.health() {
            None => state.health.ok("history", "kept on disk"),
            Some(why) => state.health.degraded("history", "kept in RAM only", why),
        }
    }

    pub(super) fn expire_alerts(&self, state: &mut State, now: Stamp) {
        for change in state.alerts.tick(now, state.clock) {
            judging::tell(state, &change, now);
        }
    }
}

/// `refused`: how many processes could not be read, and why one of them could not.
pub(super) fn process_health(state: &mut State, refused: (usize, Option<String>)) {
    let sees = format!("{} processes", state.processes.len());
    if let (count @ 1.., Some(why)) = refused {
        state.health.degraded("process", sees, format!("{count} could not be read: {why}"));
    } else if state.counters.untracked > 0 {
        let why =
            format!("{} more are left out: raise sampling.processes_max", state.counters.untracked);
        state.health.degraded("process", sees, why);
    } else {
        state.health.ok("process", sees);
    }
}

fn node_health(state: &mut State, quick: &Quick) {
    let problems: Vec<String> = [
        quick.meminfo.as_ref().err().map(ToString::to_string),
        quick.vmstat.as_ref().err().map(ToString::to_string),
    ]
    .into_iter()
    .flatten()
    .collect();
    if problems.is_empty() {
        state.health.ok("node", "meminfo, vmstat");
    } else {
        state.health.degraded("node", "what is left", problems.join("; "));
    }
    match &quick.psi {
        Ok(_) => state.health.ok("psi", "node memory pressure"),
        Err(e) => state.health.unavailable("psi", format!("{e}; boot with psi=1")),
    }
}
