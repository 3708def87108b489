//! What the judgement of a target needs besides its history.

use super::Cause;
use crate::clock::Stamp;
use crate::target::TargetKind;
use crate::units::{Bytes, Limit};
use std::time::Duration;

/// Present facts about one target, as the sampler last read them. None: not known.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub kind: TargetKind,
    /// The tightest limit over the target, its own or an ancestor's.
    pub limit: Limit,
    /// What may still be taken before that limit is reached or the node is full.
    pub headroom: Option<Bytes>,
    /// What reclaim cannot free without swap.
    pub unreclaimable: Option<Bytes>,
    pub threads: Option<u32>,
    pub open_fds: Option<u64>,
    /// Restarts of the workload within the last hour.
    pub restarts: u32,
    /// Time since the target started.
    pub age: Duration,
    /// Kernel memory charged to a cgroup.
    pub kernel: Option<Bytes>,
    /// What the program holds of its heap, where its runtime or a recording of it says so: the rest
    /// of what is resident was freed and not given back.
    pub heap_in_use: Option<Bytes>,
    /// What the newest report of the inside of the process says.
    pub inside: Option<Inside>,
    /// Share of the last ten seconds in which all tasks stalled on memory. Units: percent.
    pub psi_full_avg10: Option<f64>,
}

/// What a heap report found to be the cause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inside {
    pub cause: Cause,
    /// 0…1
    pub confidence: f64,
    /// When it was taken.
    pub at: Stamp,
}
