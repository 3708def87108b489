//! What is shown of the export: where signals go, and how that fares.

use super::routing::of_queue;
use super::{SourceState, SourceView};
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
        let name = format!("export:{}", self.signal);
        let sees = format!("{} requests taken by {}", self.sent_total, self.endpoint);
        of_queue(name, sees, self.queued, [&self.failing, &self.not_on_disk])
    }
}
