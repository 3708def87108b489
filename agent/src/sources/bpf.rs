//! What BPF tells where the kernel allows it: victims of the OOM killer, in the agent's units.
//!
//! The programs and their loader are `plimsoll-bpf`; here pages become bytes and the kernel's
//! clocks the agent's. Never needed: what is refused is one line of the health report, and the
//! kernel log and the counters tell instead. A mark is not yet a kill; who joins it with the
//! counters is the sampler.

use crate::clock::Stamp;
use crate::units::{Bytes, Limit};
use plimsoll_bpf::{Edge, Mark, MarkCgroup, Marks, Refusal};

/// A limit counts as reached if no more than this is left below it: the kernel kills when the pages
/// asked for, at most 8 at once, do not fit, but meanwhile others may have given some back.
const REACHED_BYTES: Bytes = Bytes::mib(1);
/// The same as a share of the limit.
const REACHED_SHARE: u64 = 256;
const NANOS_PER_MS: u64 = 1_000_000;

/// One process that the OOM killer chose. What the way it came by does not see is None.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    pub at: Stamp,
    /// The thread that the kernel log names, and the process it is of.
    pub pid: u32,
    pub tgid: Option<u32>,
    pub comm: Option<String>,
    pub uid: Option<u32>,
    /// Clock ticks after boot, as in field 22 of `/proc/PID/stat`.
    pub start_time: Option<u64>,
    pub oom_score_adj: Option<i32>,
    pub killer_pid: u32,
    pub killer_comm: String,
    /// The victim's memory cgroup, and the inode of its directory.
    pub memcg: Option<String>,
    pub memcg_id: Option<u64>,
    /// The cgroup whose limit was reached; None: none of the victim's, or it cannot be told.
    pub oom_memcg: Option<String>,
    /// Usage and limit of that one.
    pub usage: Option<Bytes>,
    pub limit: Option<Limit>,
    /// Whether it could be seen if a limit was reached.
    pub saw_limits: bool,
    pub anon: Option<Bytes>,
    pub file: Option<Bytes>,
    pub shmem: Option<Bytes>,
    pub total_vm: Option<Bytes>,
    pub pgtables: Option<Bytes>,
}

impl Marked {
    /// `page_size` and `ticks` (per second) are those of this kernel.
    #[must_use]
    pub fn of(mark: Mark, page_size: Bytes, ticks: u64) -> Self {
        let bytes = |pages: u64| Bytes(pages.saturating_mul(page_size.0));
        let cgroup = mark.cgroup.as_ref();
        let reached = cgroup.filter(|cgroup| is_reached(cgroup, page_size));
        Self {
            at: Stamp(i64::try_from(mark.at_ns / NANOS_PER_MS).unwrap_or(i64::MAX)),
            pid: mark.victim_pid,
            tgid: mark.victim_tgid,
            comm: mark.victim_comm,
            uid: mark.victim_uid,
            start_time: mark.victim_start_ns.map(|ns| ticks_of(ns, ticks)),
            oom_score_adj: mark.oom_score_adj.map(i32::from),
            killer_pid: mark.killer_pid,
            killer_comm: mark.killer_comm,
            memcg: cgroup.and_then(|cgroup| cgroup.path.clone()),
            memcg_id: cgroup.map(|cgroup| cgroup.id),
            oom_memcg: reached.and_then(|cgroup| cgroup.limit_path.clone()),
            usage: reached.map(|cgroup| bytes(cgroup.usage)),
            limit: reached.and_then(|cgroup| cgroup.limit).map(|pages| Limit::At(bytes(pages))),
            saw_limits: cgroup.is_some(),
            anon: mark.memory.map(|memory| bytes(memory.anon)),
            file: mark.memory.map(|memory| bytes(memory.file)),
            shmem: mark.memory.map(|memory| bytes(memory.shmem)),
            total_vm: mark.memory.map(|memory| bytes(memory.total_vm)),
            pgtables: mark.memory.map(|memory| Bytes(memory.pgtables_bytes)),
        }
    }

    /// Whether the kernel log's victim `pid` is this one.
    #[must_use]
    pub fn is_of(&self, pid: u32) -> bool {
        self.pid == pid || self.tgid == Some(pid)
    }
}

fn is_reached(cgroup: &MarkCgroup, page_size: Bytes) -> bool {
    let Some(limit) = cgroup.limit else { return false };
    let slack = (REACHED_BYTES.0 / page_size.0.max(1)).max(limit / REACHED_SHARE);
    limit.saturating_sub(cgroup.usage) <= slack
}

/// Nanoseconds after boot as the kernel shows them in ticks, without overflow.
fn ticks_of(ns: u64, ticks: u64) -> u64 {
    u64::try_from(u128::from(ns) * u128::from(ticks) / 1_000_000_000).unwrap_or(u64::MAX)
}

/// Listens for victims.
#[derive(Debug)]
pub struct OomMarks {
    marks: Marks,
    page_size: Bytes,
    ticks: u64,
    lost: u64,
    kernel: Bytes,
}

impl OomMarks {
    /// Loads what the kernel lets us load.
    ///
    /// Cost: 0.1 s once, most of it for the kernel's types, which are given back.
    ///
    /// # Errors
    /// One line that says why not.
    pub fn open() -> Result<Self, String> {
        let edge = Edge::open().map_err(|refusal| refusal.to_string())?;
        let marks = Marks::open(&edge).map_err(|(first, second)| both(&first, &second))?;
        Ok(Self {
            marks,
            page_size: Bytes(rustix::param::page_size() as u64),
            ticks: rustix::param::clock_ticks_per_second().max(1),
            lost: 0,
            kernel: Bytes(plimsoll_bpf::kernel_bytes()),
        })
    }

    /// By which way they come: `tp_btf` or `tracepoint`.
    #[must_use]
    pub const fn how(&self) -> &'static str {
        self.marks.attached().name()
    }

    /// What it sees, and what that costs, for the health report.
    #[must_use]
    pub fn describe(&self) -> String {
        let sees = match self.how() {
            "tp_btf" => "victim, killer, memory cgroup and limit of each OOM kill",
            _ => "pids of victim and killer of each OOM kill",
        };
        format!("{sees}, by {}; {} of the kernel's memory", self.how(), self.kernel)
    }

    /// Takes what has come since the last call, oldest first. Returns it with the number of events
    /// that were lost meanwhile. Does not block.
    pub fn drain(&mut self) -> (Vec<Marked>, u64) {
        let drained = self.marks.drain();
        let lost = drained.lost.saturating_sub(self.lost);
        self.lost = drained.lost;
        let marks = drained.marks.into_iter();
        (marks.map(|mark| Marked::of(mark, self.page_size, self.ticks)).collect(), lost)
    }
}

/// The first way's refusal, and the second's where it says something else.
fn both(first: &Refusal, second: &Refusal) -> String {
    format!("{first}; {second}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(usage: u64, limit: Option<u64>) -> Mark {
        let cgroup = MarkCgroup {
            id: 7,
            path: Some("/a/b".into()),
            limit_id: 6,
            limit_path: Some("/a".into()),
            usage,
            limit,
        };
        Mark {
            at_ns: 12_345_678_901,
            victim_pid: 11,
            victim_tgid: Some(10),
            victim_start_ns: Some(12_349_999_999),
            cgroup: Some(cgroup),
            ..Mark::default()
        }
    }

    #[test]
    fn a_limit_with_nothing_left_below_it_is_the_one_that_was_reached() {
        let page = Bytes::kib(4);
        let marked = Marked::of(mark(8_190, Some(8_192)), page, 100);
        assert_eq!(marked.oom_memcg.as_deref(), Some("/a"));
        assert_eq!(marked.limit, Some(Limit::At(Bytes::mib(32))));
        assert_eq!((marked.at, marked.start_time), (Stamp(12_345), Some(1_234)));
        assert!(marked.is_of(10) && marked.is_of(11) && !marked.is_of(12));
    }

    #[test]
    fn a_limit_that_is_far_away_was_not_reached_and_neither_was_none() {
        let page = Bytes::kib(4);
        for mark in [mark(4_096, Some(8_192)), mark(4_096, None)] {
            let marked = Marked::of(mark, page, 100);
            assert_eq!((marked.oom_memcg, marked.limit, marked.usage), (None, None, None));
            assert!(marked.saw_limits && marked.memcg.as_deref() == Some("/a/b"));
        }
        assert!(!Marked::of(Mark::default(), page, 100).saw_limits);
    }
}
