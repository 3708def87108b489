//! What the kernel tells of a process it killed for want of memory.

use crate::clock::Stamp;
use crate::units::{Bytes, Limit, Pages};

/// One process killed by the OOM killer. What the kernel did not print, or printed in lines that
/// were lost or rate limited, is None.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OomKill {
    /// When the kernel printed the kill, on the clock of its log: see [`super::OomLog`].
    pub at: Stamp,
    /// It was already in the log when the agent opened it.
    pub before_start: bool,
    pub victim_pid: u32,
    pub victim_comm: String,
    pub victim_uid: Option<u32>,
    /// Who asked for the memory that was not there; not whose fault it is.
    pub killer_pid: Option<u32>,
    pub killer_comm: Option<String>,
    pub constraint: Constraint,
    /// The kernel's `global_oom`: it was not the limit of a memory cgroup. `constraint` says
    /// whether only a cpuset or a memory policy was short or the whole node.
    pub global: bool,
    /// The victim died because `memory.oom.group` of its cgroup is set, not for its own size.
    pub group: bool,
    /// The victim's memory cgroup.
    pub memcg: Option<String>,
    /// The memory cgroup whose limit was hit: the victim's or one above it.
    pub oom_memcg: Option<String>,
    /// Usage and limit of `oom_memcg` at the time.
    pub usage: Option<Bytes>,
    pub limit: Option<Limit>,
    pub total_vm: Option<Bytes>,
    pub anon_rss: Option<Bytes>,
    pub file_rss: Option<Bytes>,
    pub shmem_rss: Option<Bytes>,
    pub pgtables: Option<Bytes>,
    pub oom_score_adj: Option<i32>,
    /// The tasks that could have been killed; the [`super::TASKS_MAX`] largest by RSS, in the
    /// order of the log.
    pub tasks: Vec<TaskDump>,
    /// How many tasks the kernel listed beyond those.
    pub tasks_left_out: u32,
    /// Clock ticks after boot at which the victim's process started. No log says it.
    pub start_time: Option<u64>,
    /// The inode of the directory of `memcg`. No log says it.
    pub memcg_id: Option<u64>,
    /// By which ways it was heard of. Empty as it comes out of a log.
    pub heard_by: Vec<&'static str>,
}

/// What the allocation that failed was bound to. Source: `oom_constraint_text` in mm/oom_kill.c.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Constraint {
    None,
    Cpuset,
    MemoryPolicy,
    Memcg,
    /// The kernel's line that says it was lost, rate limited, or is not printed (before 5.0).
    #[default]
    Unknown,
}

/// One line of the task dump. Columns that a kernel does not print are None.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskDump {
    pub pid: u32,
    pub uid: Option<u32>,
    pub tgid: Option<u32>,
    pub total_vm: Option<Pages>,
    pub rss: Option<Pages>,
    /// Linux 6.12 prints this and the next two, 6.1 does not.
    pub rss_anon: Option<Pages>,
    pub rss_file: Option<Pages>,
    pub rss_shmem: Option<Pages>,
    pub pgtables: Option<Bytes>,
    pub swapents: Option<Pages>,
    pub oom_score_adj: Option<i32>,
    pub name: String,
}
