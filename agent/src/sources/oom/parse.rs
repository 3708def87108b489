//! Puts the lines of OOM reports together: fed with one kernel message after the other, it gives
//! out each kill. Pure; does no IO and reads no clock.
//!
//! ```text
//! tail invoked oom-killer: …            opens a report
//! CPU: 0 PID: 77 Comm: tail …           the killer's pid
//! memory: usage …kB, limit …kB          (memory cgroups)
//! [  pid  ]   uid  tgid …               the tasks to choose from
//! oom-kill:constraint=…,pid=77,uid=0    closes it: why and who
//! …: Killed process 77 (tail) …         the kill
//! Tasks in … are going to be killed …   (memory.oom.group) more kills of the same report
//! ```
//!
//! The kernel prints all this under `oom_lock`, so two reports never mix; lines of other subsystems
//! do come between, and lines get lost: the report is rate limited (10 in 5 s) but kills are not,
//! and the ring overwrites. So a kill takes a report's facts only if the report is about its pid.

use super::kill::{Constraint, OomKill, TaskDump};
use super::lines::{self, Killed, Summary};
use crate::clock::Stamp;
use crate::units::{Bytes, Limit};
use std::collections::VecDeque;
use std::time::Duration;

/// Tasks kept of one report.
pub const TASKS_MAX: usize = 512;
/// Reports whose kill has not come yet.
const PENDING_MAX: usize = 8;
/// Cut-off for a summary that is printed in pieces.
const SUMMARY_BYTES_MAX: usize = 16 * 1024;
/// A victim that is a thread is killed under another pid than the summary's; it is taken for the
/// summary's if it follows within this time. The kills of a group follow each other as closely.
const CLOSE: Duration = Duration::from_secs(1);

/// The state between the lines. Bounded: at most 8 reports of 512 tasks each.
#[derive(Debug, Default)]
pub struct OomParser {
    /// The report whose lines are coming.
    dump: Option<Dump>,
    /// A summary that another message has cut into pieces.
    summary: String,
    /// Complete reports that wait for their kill.
    pending: VecDeque<Report>,
    /// The last kill, while its cgroup is killed as a whole.
    group: Option<Group>,
    /// The last kill, so that a group that follows knows its report.
    last: Option<OomKill>,
}

#[derive(Clone, Debug, Default)]
struct Dump {
    killer_pid: Option<u32>,
    killer_comm: Option<String>,
    usage: Option<Bytes>,
    limit: Option<Limit>,
    memcg: Option<String>,
    oom_memcg: Option<String>,
    global: bool,
    columns: Vec<String>,
    tasks: Vec<TaskDump>,
    tasks_left_out: u32,
}

#[derive(Debug)]
struct Report {
    at: Stamp,
    summary: Summary,
    dump: Dump,
}

#[derive(Debug)]
struct Group {
    memcg: String,
    of: OomKill,
    killed: Vec<u32>,
}

impl OomParser {
    /// Takes one kernel message, without prefix and line end, printed at `at`. Returns the kill
    /// that it completes.
    ///
    /// Cost: some ten string comparisons for a message that is not about OOM.
    pub fn push(&mut self, message: &str, at: Stamp) -> Option<OomKill> {
        if let Some(killed) = lines::killed(message) {
            return self.kill(killed, at);
        }
        if let Some(comm) = lines::invoked(message) {
            self.group = None;
            self.dump = Some(Dump { killer_comm: Some(comm.to_owned()), ..Dump::default() });
        } else if message.starts_with(lines::SUMMARY_START) || self.continues_summary(message) {
            self.take_summary(message, at);
        } else if let Some(memcg) = lines::group(message) {
            self.open_group(memcg, at);
        } else if let Some(pid) = lines::spared(message) {
            self.pending.retain(|report| report.summary.pid != pid);
        } else if let Some(dump) = &mut self.dump {
            dump.push(message);
        }
        None
    }

    /// True for the rest of a summary whose `pr_cont` pieces became messages of their own.
    fn continues_summary(&self, message: &str) -> bool {
        !self.summary.is_empty()
            && self.summary.len() + message.len() < SUMMARY_BYTES_MAX
            && message.starts_with([',', '/'])
    }

    fn take_summary(&mut self, message: &str, at: Stamp) {
        if message.starts_with(lines::SUMMARY_START) {
            self.summary.clear();
        }
        self.summary.push_str(message);
        let Some(summary) = lines::summary(&self.summary) else { return };
        self.summary.clear();
        let dump = self.dump.take().filter(|dump| dump.may_list(summary.pid)).unwrap_or_default();
        if self.pending.len() == PENDING_MAX {
            self.pending.pop_front();
        }
        self.pending.push_back(Report { at, summary, dump });
    }

    fn kill(&mut self, killed: Killed, at: Stamp) -> Option<OomKill> {
        self.summary.clear();
        let report = self.report_of(killed.pid, at);
        if report.is_none()
            && let Some(group) = &mut self.group
        {
            if at.since(group.of.at) <= CLOSE {
                return group.kill(killed, at);
            }
            self.group = None;
        }
        let kill = match report {
            Some(report) => compose(killed, at, Some(report.summary), report.dump),
            None => {
                // Before Linux 5.0 there is no summary, and the report waits for its kill itself.
                let dump = self.dump.take().filter(|dump| dump.may_list(killed.pid));
                compose(killed, at, None, dump.unwrap_or_default())
            }
        };
        self.last = Some(OomKill { tasks: Vec::new(), ..kill.clone() });
        Some(kill)
    }

    fn report_of(&mut self, pid: u32, at: Stamp) -> Option<Report> {
        let same = self.pending.iter().position(|report| report.summary.pid == pid);
        let near = || self.pending.iter().rposition(|report| at.since(report.at) <= CLOSE);
        same.or_else(near).and_then(|index| self.pending.remove(index))
    }

    fn open_group(&mut self, memcg: &str, at: Stamp) {
        let last = self.last.take().filter(|last| at.since(last.at) <= CLOSE);
        self.group = last.map(|last| Group {
            memcg: memcg.to_owned(),
            killed: vec![last.victim_pid],
            of: last,
        });
    }
}

impl Group {
    /// The kernel kills the first victim once more with its group: that is no second kill.
    fn kill(&mut self, killed: Killed, at: Stamp) -> Option<OomKill> {
        self.of.at = at;
        if self.killed.contains(&killed.pid) {
            return None;
        }
        self.killed.push(killed.pid);
        let first = &self.of;
        let dump = Dump {
            killer_pid: first.killer_pid,
            killer_comm: first.killer_comm.clone(),
            usage: first.usage,
            limit: first.limit,
            memcg: Some(self.memcg.clone()),
            oom_memcg: first.oom_memcg.clone(),
            ..Dump::default()
        };
        let kill = compose(killed, at, None, dump);
        Some(OomKill { group: true, constraint: first.constraint, global: first.global, ..kill })
    }
}

impl Dump {
    fn push(&mut self, message: &str) {
        if let Some((usage, limit)) = lines::usage(message) {
            (self.usage, self.limit) = (Some(usage), Some(limit));
        } else if let Some((memcg, oom_memcg)) = lines::task_in(message) {
            self.memcg = Some(memcg.to_owned());
            self.oom_memcg = Some(oom_memcg.to_owned());
        } else if message.starts_with("Out of memory: Kill process ") {
            self.global = true;
        } else if let Some(columns) = lines::columns(message) {
            self.columns = columns;
        } else if let Some(task) = lines::task(message, &self.columns) {
            self.keep(task);
        } else if self.killer_pid.is_none() {
            self.killer_pid = lines::stack_head_pid(message);
        }
    }

    /// Keeps the task, at the cost of the smallest once there are too many.
    fn keep(&mut self, task: TaskDump) {
        if self.tasks.len() == TASKS_MAX {
            self.tasks_left_out = self.tasks_left_out.saturating_add(1);
            let smallest = (0..self.tasks.len()).min_by_key(|&index| self.tasks[index].rss);
            match smallest {
                Some(index) if self.tasks[index].rss < task.rss => self.tasks.remove(index),
                _ => return,
            };
        }
        self.tasks.push(task);
    }

    /// False if the task dump is complete and `pid` is not in it: then it is another's.
    fn may_list(&self, pid: u32) -> bool {
        self.tasks.is_empty()
            || self.tasks_left_out > 0
            || self.tasks.iter().any(|task| task.pid == pid || task.tgid == Some(pid))
    }
}

fn compose(killed: Killed, at: Stamp, summary: Option<Summary>, dump: Dump) -> OomKill {
    let said = summary.as_ref();
    OomKill {
        at,
        before_start: false,
        victim_pid: killed.pid,
        victim_comm: killed.comm,
        victim_uid: killed.uid.or_else(|| said.and_then(|summary| summary.uid)),
        killer_pid: dump.killer_pid,
        killer_comm: dump.killer_comm,
        constraint: match said {
            Some(summary) => summary.constraint,
            None if dump.oom_memcg.is_some() => Constraint::Memcg,
            None => killed.constraint,
        },
        global: killed.global || dump.global || said.is_some_and(|summary| summary.global),
        group: false,
        memcg: said.and_then(|summary| summary.task_memcg.clone()).or(dump.memcg),
        oom_memcg: summary.and_then(|summary| summary.oom_memcg).or(dump.oom_memcg),
        usage: dump.usage,
        limit: dump.limit,
        total_vm: killed.total_vm,
        anon_rss: killed.anon_rss,
        file_rss: killed.file_rss,
        shmem_rss: killed.shmem_rss,
        pgtables: killed.pgtables,
        oom_score_adj: killed.oom_score_adj,
        tasks: dump.tasks,
        tasks_left_out: dump.tasks_left_out,
        start_time: None,
        memcg_id: None,
        heard_by: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
