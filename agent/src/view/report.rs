//! Heap reports as lists and events show them, and what asks for one.
//!
//! The document itself is `plimsoll_heap::Report`, schema `plimsoll.report/1`.

use super::Stage;
use crate::units::Bytes;
use plimsoll_heap::Report;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// How far a report is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    #[default]
    Running,
    Ready,
    /// It could not be taken; `why` says why.
    Refused,
}

/// Who asked for a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedBy {
    /// The black box, of a suspect.
    Recorder,
    #[default]
    Http,
}

/// A heap report in short.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ReportSummary {
    pub id: String,
    pub state: ReportState,
    /// When it was asked for.
    pub at: String,
    /// `process:PID@START_TIME`.
    pub target: String,
    pub pid: u32,
    pub comm: Option<String>,
    pub exe: Option<String>,
    pub level: u8,
    pub asked_by: AskedBy,
    /// Address from which it was asked for, of one asked for over HTTP.
    pub peer: Option<String>,
    /// Of one that the black box took.
    pub stage: Option<Stage>,
    /// What is being done, while it runs.
    pub doing: Option<String>,
    /// Why it was refused.
    pub why: Option<String>,
    pub cause: Option<String>,
    pub confidence: Option<f64>,
    pub rss_bytes: Option<Bytes>,
    pub in_use_bytes: Option<Bytes>,
    pub trimmable_bytes: Option<Bytes>,
    /// Null below level 1.
    pub unreachable_bytes: Option<Bytes>,
    pub unreachable_count: Option<u64>,
    /// How long the process stood still.
    pub pause_us: Option<u64>,
    /// It outlives a restart of the agent.
    pub on_disk: bool,
}

impl ReportSummary {
    /// Enters what the finished report says.
    pub fn conclude(&mut self, report: &Report) {
        let allocator = report.allocator.as_ref();
        let leaks = report.leaks.as_ref();
        let fragmentation = report.fragmentation.as_ref();
        self.state = ReportState::Ready;
        self.doing = None;
        self.level = report.method.level;
        self.exe = report.identity.exe.clone();
        self.cause = report.verdict.as_ref().map(|verdict| verdict.cause.clone());
        self.confidence = report.verdict.as_ref().map(|verdict| verdict.confidence);
        self.rss_bytes = report.rss.as_ref().map(|rss| Bytes(rss.total_bytes));
        self.in_use_bytes = allocator.and_then(|own| own.in_use_bytes).map(Bytes);
        self.trimmable_bytes = fragmentation.and_then(|own| own.trimmable_bytes).map(Bytes);
        self.unreachable_bytes = leaks.map(|leaks| Bytes(leaks.unreachable_bytes));
        self.unreachable_count = leaks.map(|leaks| leaks.unreachable_count);
        self.pause_us = Some(report.method.pause_us);
    }
}

/// What `POST /api/v1/reports` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    pub pid: u32,
    /// 0, 1 or 2; without it 0.
    #[serde(default)]
    pub level: u8,
    /// How long the process may stand still; without it, and at most, `reports.max_pause`.
    #[serde(default)]
    pub max_pause_ms: Option<u64>,
    /// How long its allocations may be watched; without it, and at most, `reports.window`.
    #[serde(default)]
    pub window_s: Option<f64>,
}

/// What was made by `POST /api/v1/reports`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportMade {
    pub id: String,
}

/// What the taking of reports came to since the agent started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ReportFigures {
    /// By level.
    pub taken_total: BTreeMap<String, u64>,
    pub refused_total: u64,
    /// Not taken up: too many or too soon.
    pub declined_total: u64,
    /// Units: seconds spent taking them.
    pub seconds_total: f64,
    /// Units: seconds for which processes stood still.
    pub pause_seconds_total: f64,
    pub kept: usize,
    pub kept_bytes: Bytes,
    /// To keep to number, bytes and age.
    pub deleted_total: u64,
    pub write_failures_total: u64,
}

/// A report that was looked for.
#[derive(Clone, Debug)]
pub enum ReportFound {
    Ready(Arc<Report>),
    /// Running or refused.
    Unfinished(Box<ReportSummary>),
    None,
}
