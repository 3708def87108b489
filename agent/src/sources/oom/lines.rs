//! The single lines of an OOM report, each parsed for itself. Pure; remembers nothing.
//!
//! Source: `dump_header`, `dump_task`, `dump_oom_summary` and `__oom_kill_process` in
//! mm/oom_kill.c, `mem_cgroup_print_oom_context` and `mem_cgroup_print_oom_meminfo` in
//! mm/memcontrol.c, Linux 4.9 to 6.18. A comm holds up to 15 bytes of anything and a cgroup path
//! may hold commas, so fields are found by their markers and a comm by what must follow it.

use super::kill::{Constraint, TaskDump};
use crate::units::{Bytes, Limit, Pages};
use std::str::FromStr;

/// TASK_COMM_LEN without its NUL.
const COMM_CHARS_MAX: usize = 15;
/// PAGE_COUNTER_MAX with 4 KiB pages, in kB: what the kernel prints for "no limit". Larger pages
/// give somewhat less, down to 2^53 − 64.
const NO_LIMIT_KB: u64 = (1 << 53) - 64;

/// `oom-kill:constraint=…`: why, where, and who was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) constraint: Constraint,
    pub(super) global: bool,
    pub(super) oom_memcg: Option<String>,
    pub(super) task_memcg: Option<String>,
    pub(super) pid: u32,
    pub(super) uid: Option<u32>,
}

pub(super) const SUMMARY_START: &str = "oom-kill:constraint=";

/// `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,
/// task_memcg=/a/b,task=comm,pid=1,uid=0`; instead of `oom_memcg` there may be `global_oom`.
pub(super) fn summary(message: &str) -> Option<Summary> {
    let rest = message.strip_prefix(SUMMARY_START)?;
    let (rest, uid) = rest.rsplit_once(",uid=")?;
    let (rest, pid) = rest.rsplit_once(",pid=")?;
    let rest = &rest[..task_marker(rest)?];
    let (constraint, rest) = rest.split_once(',').unwrap_or((rest, ""));
    let scope = rest.split_once(",mems_allowed=").map_or(rest, |(_, scope)| scope);
    let (scope, task_memcg) = match scope.split_once(",task_memcg=") {
        Some((scope, path)) => (scope, Some(path.to_owned())),
        None => (scope, None),
    };
    Some(Summary {
        constraint: constraint_of(constraint),
        global: scope.ends_with(",global_oom"),
        oom_memcg: scope.split_once(",oom_memcg=").map(|(_, path)| path.to_owned()),
        task_memcg,
        pid: pid.parse().ok()?,
        uid: uid.trim_end().parse().ok().and_then(uid_of),
    })
}

/// Where `,task=COMM` begins: the first marker that leaves no more than a comm behind it, so that
/// a comm may hold the marker itself.
fn task_marker(text: &str) -> Option<usize> {
    const MARKER: &str = ",task=";
    text.match_indices(MARKER)
        .map(|(at, _)| at)
        .find(|at| text[at + MARKER.len()..].chars().count() <= COMM_CHARS_MAX)
}

fn constraint_of(text: &str) -> Constraint {
    match text {
        "CONSTRAINT_NONE" => Constraint::None,
        "CONSTRAINT_CPUSET" => Constraint::Cpuset,
        "CONSTRAINT_MEMORY_POLICY" => Constraint::MemoryPolicy,
        "CONSTRAINT_MEMCG" => Constraint::Memcg,
        _ => Constraint::Unknown,
    }
}

/// The kernel prints a uid in the summary and in task rows with `%d`, so those above 2^31 come as
/// negative numbers.
fn uid_of(printed: i64) -> Option<u32> {
    u32::try_from(printed & 0xffff_ffff).ok()
}

/// `Memory cgroup out of memory: Killed process 1 (comm) total-vm:…`: the kill itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Killed {
    pub(super) pid: u32,
    pub(super) comm: String,
    pub(super) uid: Option<u32>,
    /// From the words before "Killed"; Unknown where they do not tell.
    pub(super) constraint: Constraint,
    pub(super) global: bool,
    pub(super) total_vm: Option<Bytes>,
    pub(super) anon_rss: Option<Bytes>,
    pub(super) file_rss: Option<Bytes>,
    pub(super) shmem_rss: Option<Bytes>,
    pub(super) pgtables: Option<Bytes>,
    pub(super) oom_score_adj: Option<i32>,
}

pub(super) fn killed(message: &str) -> Option<Killed> {
    let (cause, rest) = message.split_once("Killed process ")?;
    if !cause.is_empty() && !cause.ends_with(": ") {
        return None;
    }
    let (pid, rest) = leading::<u32>(rest)?;
    let figures_at = rest.rfind("total-vm:")?;
    let (who, figures) = rest.split_at(figures_at);
    let comm = who.get(who.find('(')? + 1..who.rfind(')')?)?;
    let kb = |key| after(figures, key).and_then(|kb: u64| kb.checked_mul(1024)).map(Bytes);
    Some(Killed {
        pid,
        comm: comm.to_owned(),
        uid: after(figures, "UID:"),
        constraint: if cause.starts_with("Memory cgroup out of memory") {
            Constraint::Memcg
        } else {
            Constraint::Unknown
        },
        global: cause.starts_with("Out of memory"),
        total_vm: kb("total-vm:"),
        anon_rss: kb("anon-rss:"),
        file_rss: kb("file-rss:"),
        shmem_rss: kb("shmem-rss:"),
        pgtables: kb("pgtables:"),
        oom_score_adj: after(figures, "oom_score_adj:"),
    })
}

/// `comm invoked oom-killer: gfp_mask=…` → comm.
pub(super) fn invoked(message: &str) -> Option<&str> {
    message.split_once(" invoked oom-killer: ").map(|(comm, _)| comm)
}

/// `CPU: 0 UID: 0 PID: 77 Comm: tail Not tainted …`, the head of the stack dump → 77.
pub(super) fn stack_head_pid(message: &str) -> Option<u32> {
    message.strip_prefix("CPU: ").filter(|rest| rest.contains(" Comm: "))?;
    after(message, " PID: ")
}

/// `memory: usage 16184kB, limit 16384kB, failcnt 63` → usage, limit.
pub(super) fn usage(message: &str) -> Option<(Bytes, Limit)> {
    let rest = message.strip_prefix("memory: usage ")?;
    let (usage, rest) = leading::<u64>(rest)?;
    let limit = after::<u64>(rest, "limit ")?;
    let limit = match limit.checked_mul(1024) {
        Some(bytes) if limit < NO_LIMIT_KB => Limit::At(Bytes(bytes)),
        _ => Limit::Max,
    };
    Some((Bytes(usage.checked_mul(1024)?), limit))
}

/// `Task in /a/b killed as a result of limit of /a`, before Linux 5.0 → victim's, limit's cgroup.
pub(super) fn task_in(message: &str) -> Option<(&str, &str)> {
    message.strip_prefix("Task in ")?.split_once(" killed as a result of limit of ")
}

/// `Tasks in /a are going to be killed due to memory.oom.group set` → /a.
pub(super) fn group(message: &str) -> Option<&str> {
    message
        .strip_prefix("Tasks in ")?
        .strip_suffix(" are going to be killed due to memory.oom.group set")
}

/// `Out of memory: OOM victim 7 (comm) is already exiting. Skip killing the task` → 7.
pub(super) fn spared(message: &str) -> Option<u32> {
    let (_, rest) = message.split_once(": OOM victim ")?;
    let (pid, rest) = leading(rest)?;
    rest.contains(" is already exiting").then_some(pid)
}

/// The head of the task dump, which names its columns:
/// `[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name`.
pub(super) fn columns(message: &str) -> Option<Vec<String>> {
    let (pid, rest) = message.strip_prefix('[')?.split_once(']')?;
    let columns: Vec<String> = rest.split_ascii_whitespace().map(str::to_owned).collect();
    let known = pid.trim() == "pid" && columns.last().is_some_and(|last| last == "name");
    known.then_some(columns)
}

/// One row of the task dump under `columns`; the name is whatever follows the last number and one
/// space.
pub(super) fn task(message: &str, columns: &[String]) -> Option<TaskDump> {
    let (pid, mut rest) = message.strip_prefix('[')?.split_once(']')?;
    let mut task = TaskDump { pid: pid.trim().parse().ok()?, ..TaskDump::default() };
    let (_name, numbers) = columns.split_last()?;
    for column in numbers {
        rest = rest.trim_start_matches(' ');
        let end = rest.find(' ')?;
        let (value, tail) = rest.split_at(end);
        rest = tail;
        let count = value.parse::<u64>().ok();
        match column.as_str() {
            "uid" => task.uid = value.parse().ok().and_then(uid_of),
            "tgid" => task.tgid = value.parse().ok(),
            "total_vm" => task.total_vm = count.map(Pages),
            "rss" => task.rss = count.map(Pages),
            "rss_anon" => task.rss_anon = count.map(Pages),
            "rss_file" => task.rss_file = count.map(Pages),
            "rss_shmem" => task.rss_shmem = count.map(Pages),
            "pgtables_bytes" => task.pgtables = count.map(Bytes),
            "swapents" => task.swapents = count.map(Pages),
            "oom_score_adj" => task.oom_score_adj = value.parse().ok(),
            _ => {}
        }
    }
    task.name = rest.strip_prefix(' ')?.to_owned();
    Some(task)
}

/// The number that follows the first `key`, sign included.
fn after<T: FromStr>(text: &str, key: &str) -> Option<T> {
    let (_, rest) = text.split_once(key)?;
    leading(rest).map(|(value, _)| value)
}

/// The number a text begins with, and the rest.
fn leading<T: FromStr>(text: &str) -> Option<(T, &str)> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (number, rest) = text.split_at(text.len() - digits.len() + end);
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests;
