//! Victims of the OOM killer as the kernel marks them: who, for whom, in which memory cgroup,
//! against which limit.
//!
//! Two ways to the same event: `tp_btf`, which sees all of it, and the plain tracepoint, which sees
//! the pids, for a kernel without type information. A mark is not yet a kill: the kernel also marks
//! a process that is ending by itself, and counts no kill then.

use crate::cgroups::limit;
use crate::edge::{Edge, Refusal, missing, refused};
use crate::ring::Ring;
use crate::words::Words;
use aya::programs::{BtfTracePoint, TracePoint};
use aya::{Ebpf, include_bytes_aligned};

const OBJECT: &[u8] = include_bytes_aligned!("../programs/mark_victim.bpf.o");
const PLAIN_OBJECT: &[u8] = include_bytes_aligned!("../programs/mark_victim_plain.bpf.o");
const WHAT: &str = "oom:mark_victim by tp_btf";
const PLAIN_WHAT: &str = "oom:mark_victim by tracepoint";
/// Up to the path; see `struct mark` in programs/mark.h.
const HEAD_BYTES: usize = 160;
const COMM_BYTES: usize = 16;
/// Events that one [`Marks::drain`] takes; more than the ring can hold.
const DRAIN_MAX: usize = 1024;
const KNOWN_TASK: u16 = 1;
const KNOWN_MEMORY: u16 = 2;
const KNOWN_CGROUP: u16 = 4;

/// By which way the events come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    TpBtf,
    Tracepoint,
}

impl Attached {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TpBtf => "tp_btf",
            Self::Tracepoint => "tracepoint",
        }
    }
}

/// One victim. What the way by which it came does not see is None.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// On the boot clock. Units: nanoseconds.
    pub at_ns: u64,
    /// The thread that the kernel names, and its process.
    pub victim_pid: u32,
    pub victim_tgid: Option<u32>,
    pub victim_comm: Option<String>,
    pub victim_uid: Option<u32>,
    /// When the process started, on the boot clock. Units: nanoseconds.
    pub victim_start_ns: Option<u64>,
    pub oom_score_adj: Option<i16>,
    /// Who asked for the memory that was not there.
    pub killer_pid: u32,
    pub killer_comm: String,
    pub memory: Option<MarkMemory>,
    pub cgroup: Option<MarkCgroup>,
}

/// The victim's memory at that moment, as the counters say without what each CPU keeps to itself.
/// Units: pages, page tables in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkMemory {
    pub file: u64,
    pub anon: u64,
    pub swap: u64,
    pub shmem: u64,
    pub total_vm: u64,
    pub pgtables_bytes: u64,
}

/// The victim's memory cgroup, and the nearest limit at that moment. Units: pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarkCgroup {
    /// The inode of its directory.
    pub id: u64,
    /// From the root of the hierarchy; None if it is too long for the event.
    pub path: Option<String>,
    /// Of this cgroup and those above it the one with the least left below its limit.
    pub limit_id: u64,
    pub limit_path: Option<String>,
    pub usage: u64,
    /// None: none of them has a limit.
    pub limit: Option<u64>,
}

impl Mark {
    /// Takes an event apart. None if it is shorter than an event can be.
    #[must_use]
    pub fn parse(event: &[u8]) -> Option<Self> {
        if event.len() < HEAD_BYTES {
            return None;
        }
        let words = Words(event);
        let known = words.u16(114);
        let has = |what: u16| known & what != 0;
        Some(Self {
            at_ns: words.u64(0),
            victim_pid: words.u32(96),
            victim_tgid: has(KNOWN_TASK).then(|| words.u32(100)),
            victim_comm: has(KNOWN_TASK).then(|| words.name(128, COMM_BYTES)),
            victim_uid: has(KNOWN_TASK).then(|| words.u32(104)),
            victim_start_ns: has(KNOWN_TASK).then(|| words.u64(8)),
            oom_score_adj: has(KNOWN_TASK).then(|| words.i16(112)),
            killer_pid: words.u32(108),
            killer_comm: words.name(144, COMM_BYTES),
            memory: has(KNOWN_MEMORY).then(|| memory(words)),
            cgroup: has(KNOWN_CGROUP).then(|| cgroup(words)),
        })
    }
}

fn memory(words: Words<'_>) -> MarkMemory {
    let pages = |at: usize| u64::try_from(words.i64(at)).unwrap_or(0);
    MarkMemory {
        file: pages(64),
        anon: pages(72),
        swap: pages(80),
        shmem: pages(88),
        total_vm: words.u64(48),
        pgtables_bytes: words.u64(56),
    }
}

fn cgroup(words: Words<'_>) -> MarkCgroup {
    let names = words.0.get(HEAD_BYTES..HEAD_BYTES + usize::from(words.u16(116)));
    let is_cut = words.u32(120) != 0;
    let names = names.filter(|_| !is_cut);
    MarkCgroup {
        id: words.u64(16),
        path: names.map(|names| path_of(names, 0)),
        limit_id: words.u64(24),
        limit_path: names.map(|names| path_of(names, usize::from(words.u16(118)))),
        usage: words.u64(32),
        limit: limit(words.u64(40)),
    }
}

/// `/a/b` out of `b\0a\0`, without the `skipped` innermost names.
fn path_of(names: &[u8], skipped: usize) -> String {
    let names = names.strip_suffix(&[0]).unwrap_or(names);
    let names: Vec<&[u8]> = names.split(|&byte| byte == 0).filter(|n| !n.is_empty()).collect();
    let kept = names.get(skipped..).unwrap_or_default();
    let path: String =
        kept.iter().rev().map(|name| format!("/{}", String::from_utf8_lossy(name))).collect();
    if path.is_empty() { "/".to_owned() } else { path }
}

/// The events, from when this was made until it is dropped.
#[derive(Debug)]
pub struct Marks {
    attached: Attached,
    events: Ring,
    /// Holds program and attachment.
    _loaded: Ebpf,
}

/// What one [`Marks::drain`] took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    pub marks: Vec<Mark>,
    /// Events for which the ring had no room, since the beginning.
    pub lost: u64,
}

impl Marks {
    /// Listens by `tp_btf`, else by the plain tracepoint.
    ///
    /// # Errors
    /// Both refusals.
    pub fn open(edge: &Edge) -> Result<Self, (Refusal, Refusal)> {
        Self::by_tp_btf(edge)
            .or_else(|first| Self::by_tracepoint(edge).map_err(|second| (first, second)))
    }

    /// # Errors
    /// [`Refusal`], in one line.
    pub fn by_tp_btf(edge: &Edge) -> Result<Self, Refusal> {
        let types = edge.types()?;
        Self::attach(edge.load(OBJECT, WHAT)?, Attached::TpBtf, WHAT, |loaded| {
            let program = loaded.program_mut("mark_victim").ok_or_else(|| missing(WHAT))?;
            let program: &mut BtfTracePoint = program.try_into().map_err(refused(WHAT))?;
            program.load("mark_victim", types).map_err(refused(WHAT))?;
            program.attach().map(drop).map_err(refused(WHAT))
        })
    }

    /// Needs tracefs at `/sys/kernel/tracing`.
    ///
    /// # Errors
    /// [`Refusal`], in one line.
    pub fn by_tracepoint(edge: &Edge) -> Result<Self, Refusal> {
        let what = PLAIN_WHAT;
        Self::attach(edge.load(PLAIN_OBJECT, what)?, Attached::Tracepoint, what, |loaded| {
            let program = loaded.program_mut("mark_victim_plain").ok_or_else(|| missing(what))?;
            let program: &mut TracePoint = program.try_into().map_err(refused(what))?;
            program.load().map_err(refused(what))?;
            program.attach("oom", "mark_victim").map(drop).map_err(refused(what))
        })
    }

    fn attach(
        mut loaded: Ebpf,
        attached: Attached,
        what: &'static str,
        attach: impl FnOnce(&mut Ebpf) -> Result<(), Refusal>,
    ) -> Result<Self, Refusal> {
        let events = Ring::take(&mut loaded, "events", what)?;
        attach(&mut loaded)?;
        Ok(Self { attached, events, _loaded: loaded })
    }

    #[must_use]
    pub const fn attached(&self) -> Attached {
        self.attached
    }

    /// Takes what has come since the last call, oldest first. Does not block. Cost: 1 µs.
    pub fn drain(&mut self) -> Drained {
        let mut drained = Drained::default();
        self.events.drain(DRAIN_MAX, |event| drained.marks.extend(Mark::parse(event)));
        drained.lost = self.events.lost();
        drained
    }
}

#[cfg(test)]
mod tests;
