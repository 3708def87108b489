//! Brings together what BPF, the kernel log and the counter tell of one and the same kill. Pure.
//!
//! ```text
//! mark (BPF)        who, whose cgroup, which limit; also of a process that was ending by itself
//! log line          who, and why, with a task dump; may be lost, late or not open to us
//! oom_kill (vmstat) how many, and that surely
//! ```
//!
//! Each kill comes out once, with what all of them know of it. A mark waits [`PARTNER_WAIT`] for
//! its log line; without one it is a kill only if the counter has one that nobody else accounts
//! for.

use crate::clock::Stamp;
use crate::sources::bpf::Marked;
use crate::sources::oom::{Constraint, OomKill};
use std::collections::VecDeque;
use std::time::Duration;

/// The log line follows its mark within microseconds, unless a slow console holds it up.
const PARTNER_WAIT: Duration = Duration::from_secs(2);
/// The counter rises before the victim has ended, whose end is then all that tells who it was.
const END_WAIT: Duration = Duration::from_millis(500);
/// A mark that the counter does not bear out within this time was no kill.
const PROOF_WAIT: Duration = Duration::from_secs(5);
/// How long a kill is remembered that was told without its log line.
const MEMORY: Duration = Duration::from_secs(60);
/// Marks that wait at once: more than the ring of the program can hold.
const HELD_MAX: usize = 1024;
const TOLD_MAX: usize = 1024;

#[derive(Debug)]
struct Held {
    mark: Marked,
    heard_at: Stamp,
}

#[derive(Debug, Default)]
pub struct Witnesses {
    /// `tp_btf` or `tracepoint`; None: no marks come.
    marks_by: Option<&'static str>,
    /// A log is open whose lines come as they are printed.
    has_log: bool,
    /// The kernel counts kills (`oom_kill` of vmstat, from 4.13 on).
    has_counter: bool,
    held: VecDeque<Held>,
    /// Kills told from their marks alone: their log lines are old news.
    told: VecDeque<(Marked, Stamp)>,
    /// Kills that the counter has beyond those told; negative while it is behind.
    balance: i64,
    balance_at: Stamp,
    /// Marks of processes that were ending by themselves.
    pub not_killed: u64,
    /// Marks for which there was no room.
    pub dropped: u64,
}

impl Witnesses {
    #[must_use]
    pub fn new(marks_by: Option<&'static str>, has_log: bool) -> Self {
        Self { marks_by, has_log, ..Self::default() }
    }

    /// The counter stands at `after`; at the last look it stood at `before`.
    pub fn counted(&mut self, before: Option<u64>, after: Option<u64>, now: Stamp) {
        self.has_counter = after.is_some();
        let risen = after.zip(before).map_or(0, |(after, before)| after.saturating_sub(before));
        if risen > 0 {
            self.balance = self.balance.saturating_add_unsigned(risen);
            self.balance_at = now;
        }
    }

    /// A mark came.
    pub fn marked(&mut self, mark: Marked, now: Stamp) {
        if self.held.len() >= HELD_MAX {
            self.held.pop_front();
            self.dropped += 1;
        }
        self.held.push_back(Held { mark, heard_at: now });
    }

    /// Whether the log should be looked at for the lines of marks.
    #[must_use]
    pub fn wants_log(&self) -> bool {
        !self.held.is_empty()
    }

    /// A line of the log, read by `how`: the kill with what its mark adds; None if it was told
    /// before.
    pub fn logged(&mut self, mut kill: OomKill, how: &'static str, now: Stamp) -> Option<OomKill> {
        kill.heard_by = vec![how];
        if kill.before_start {
            return Some(kill);
        }
        self.told.retain(|(_, at)| now.since(*at) <= MEMORY);
        if let Some(at) = self.told.iter().position(|(mark, _)| mark.is_of(kill.victim_pid)) {
            self.told.remove(at);
            return None;
        }
        self.settle(now);
        let at = self.held.iter().position(|held| held.mark.is_of(kill.victim_pid));
        if let Some(held) = at.and_then(|at| self.held.remove(at)) {
            enrich(&mut kill, held.mark);
            kill.heard_by.extend(self.marks_by);
        }
        Some(kill)
    }

    /// Kills that only their marks tell of, oldest first: no log line came and the counter has
    /// them.
    pub fn ripe(&mut self, now: Stamp) -> Vec<OomKill> {
        let patience = if self.has_log { PARTNER_WAIT } else { Duration::ZERO };
        let mut kills = Vec::new();
        let mut waiting = VecDeque::new();
        for held in std::mem::take(&mut self.held) {
            let waited = now.since(held.heard_at);
            let is_borne_out = self.balance > 0 || !self.has_counter;
            if waited >= patience && is_borne_out {
                self.settle(now);
                if self.told.len() >= TOLD_MAX {
                    self.told.pop_front();
                }
                self.told.push_back((held.mark.clone(), now));
                kills.push(alone(held.mark, self.marks_by));
            } else if waited >= PROOF_WAIT {
                self.not_killed += 1;
            } else {
                waiting.push_back(held);
            }
        }
        self.held = waiting;
        kills
    }

    /// Kills that the counter has and nobody told of, once no mark can come any more. With a log
    /// open these are lines that were lost, of which its own counter tells.
    pub fn unexplained(&mut self, now: Stamp) -> u64 {
        let others = self.marks_by.is_some() || self.has_log;
        let patience = if others { PARTNER_WAIT } else { END_WAIT };
        let may_be_told = !self.held.is_empty() || now.since(self.balance_at) < patience;
        if self.balance == 0 || may_be_told {
            return 0;
        }
        let left = u64::try_from(std::mem::take(&mut self.balance)).unwrap_or(0);
        if self.has_log { 0 } else { left }
    }

    fn settle(&mut self, now: Stamp) {
        self.balance -= 1;
        self.balance_at = now;
    }
}

/// What the mark knows and the log did not say: it prints its report at most 10 times in 5 s.
fn enrich(kill: &mut OomKill, mark: Marked) {
    kill.killer_pid = kill.killer_pid.or(Some(mark.killer_pid));
    kill.killer_comm.get_or_insert(mark.killer_comm);
    kill.victim_uid = kill.victim_uid.or(mark.uid);
    kill.start_time = mark.start_time;
    kill.memcg_id = mark.memcg_id;
    kill.anon_rss = kill.anon_rss.or(mark.anon);
    kill.file_rss = kill.file_rss.or(mark.file);
    kill.shmem_rss = kill.shmem_rss.or(mark.shmem);
    kill.total_vm = kill.total_vm.or(mark.total_vm);
    kill.pgtables = kill.pgtables.or(mark.pgtables);
    kill.oom_score_adj = kill.oom_score_adj.or(mark.oom_score_adj);
    if kill.memcg.is_none() {
        kill.memcg = mark.memcg;
    }
    let may_be_a_cgroups = !kill.global && kill.oom_memcg.is_none();
    if may_be_a_cgroups && mark.oom_memcg.is_some() {
        (kill.oom_memcg, kill.usage, kill.limit) = (mark.oom_memcg, mark.usage, mark.limit);
    }
}

/// A kill of which no log tells.
fn alone(mark: Marked, by: Option<&'static str>) -> OomKill {
    let is_memcg = mark.oom_memcg.is_some();
    OomKill {
        at: mark.at,
        before_start: false,
        victim_pid: mark.tgid.unwrap_or(mark.pid),
        victim_comm: mark.comm.unwrap_or_default(),
        victim_uid: mark.uid,
        killer_pid: Some(mark.killer_pid),
        killer_comm: Some(mark.killer_comm),
        constraint: if is_memcg { Constraint::Memcg } else { Constraint::Unknown },
        global: mark.saw_limits && !is_memcg,
        group: false,
        memcg: mark.memcg,
        oom_memcg: mark.oom_memcg,
        usage: mark.usage,
        limit: mark.limit,
        total_vm: mark.total_vm,
        anon_rss: mark.anon,
        file_rss: mark.file,
        shmem_rss: mark.shmem,
        pgtables: mark.pgtables,
        oom_score_adj: mark.oom_score_adj,
        tasks: Vec::new(),
        tasks_left_out: 0,
        start_time: mark.start_time,
        memcg_id: mark.memcg_id,
        heard_by: by.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests;
