//! What is shown of the export, where signals go and how that fares; and what is asked for by those
//! who tell others of all targets at once, export and metrics.

use super::{ProcessList, ProcessView, SourceState, SourceView};
use crate::target::{ProcessId, Target, TargetKind};
use crate::units::Bytes;
use crate::verdict::{State, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The exporter. Totals are monotonic since start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExportView {
    pub enabled: bool,
    /// One for each signal that is sent.
    pub lanes: Vec<LaneView>,
    /// Exports of metrics that were made.
    pub exports_total: u64,
    /// CPU time of making them: copying, encoding, compressing.
    pub export_cpu_seconds_total: f64,
    /// Resources in the last one.
    pub entities: usize,
    /// Left out of the last one to keep to its bounds, by kind.
    pub omitted: BTreeMap<String, usize>,
    /// Events that the ring had dropped before they could be exported.
    pub events_missed_total: u64,
}

/// One signal on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneView {
    /// `metrics`, `logs` or `traces`.
    pub signal: String,
    /// Scheme, host and port.
    pub endpoint: String,
    pub sent_total: u64,
    pub sent_bytes_total: u64,
    /// Attempts that failed; each may be tried again.
    pub failed_total: u64,
    /// Requests given up, by reason: `full`, `age`, `refused`, `damaged`.
    pub dropped_total: BTreeMap<String, u64>,
    /// Points or records that the collector did not take out of requests that it took.
    pub rejected_total: u64,
    pub queued: usize,
    pub queued_bytes: u64,
    pub last_sent_at: Option<String>,
    /// What the last attempt failed of; null once one went well.
    pub failing: Option<String>,
    /// Why what waits would not survive a restart, though it should; null if it would.
    pub not_on_disk: Option<String>,
}

impl ExportView {
    /// Something is not delivered, or would be lost by a restart.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.lanes.iter().any(LaneView::is_degraded)
    }

    /// Each lane as `/readyz?verbose` shows it.
    #[must_use]
    pub fn as_sources(&self) -> Vec<SourceView> {
        if !self.enabled {
            return vec![SourceView {
                name: "export".to_owned(),
                state: SourceState::Off,
                sees: String::new(),
                why: Some("export.otlp.enabled = false".to_owned()),
            }];
        }
        self.lanes.iter().map(LaneView::as_source).collect()
    }
}

impl LaneView {
    #[must_use]
    const fn is_degraded(&self) -> bool {
        self.failing.is_some() || self.not_on_disk.is_some()
    }

    fn as_source(&self) -> SourceView {
        let waiting = match self.queued {
            0 => String::new(),
            n => format!(", {n} waiting"),
        };
        let on_disk =
            self.not_on_disk.as_ref().map(|why| format!("its queue is not on disk: {why}"));
        let why: Vec<String> = self.failing.clone().into_iter().chain(on_disk).collect();
        SourceView {
            name: format!("export:{}", self.signal),
            state: if self.is_degraded() { SourceState::Degraded } else { SourceState::Ok },
            sees: format!("{} requests taken by {}{waiting}", self.sent_total, self.endpoint),
            why: (!why.is_empty()).then(|| why.join("; ")),
        }
    }
}

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

/// One attempt to deliver a notice of alerts. Units: milliseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    pub destination: String,
    pub notice: String,
    pub began_ms: i64,
    pub ended_ms: i64,
    /// Why it failed; null if it was taken.
    pub failed: Option<String>,
}
