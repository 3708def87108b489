//! What is asked for by those who tell others of all targets at once, export and metrics: without
//! the rows that a page shows.

use super::{ProcessList, ProcessView};
use crate::target::{ProcessId, Target, TargetKind};
use crate::units::Bytes;
use crate::verdict::{State, Verdict};
use std::collections::BTreeMap;

/// Processes by their size, the largest first, without their rows: ten thousand rows are several
/// MiB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Largest {
    /// How many there are in all.
    pub total: usize,
    /// Who, and its resident memory.
    pub processes: Vec<(ProcessId, Bytes)>,
}

impl Largest {
    pub(super) fn of(list: ProcessList) -> Self {
        let id = |row: ProcessView| match row.id.parse() {
            Ok(Target::Process(id)) => Some((id, row.rss_bytes)),
            _ => None,
        };
        let processes = list.processes.into_iter().filter_map(id).collect();
        Self { total: list.total, processes }
    }
}

/// Targets by kind and state; what is absent is 0.
pub type Counts = BTreeMap<(TargetKind, State), usize>;

pub(super) fn counted(verdicts: &[Verdict]) -> Counts {
    let mut counts = Counts::new();
    for verdict in verdicts {
        *counts.entry((verdict.target.kind, verdict.state)).or_default() += 1;
    }
    counts
}
