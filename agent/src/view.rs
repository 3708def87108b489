//! What the agent shows of itself: the documents of the HTTP API, and the [`Watch`] they come from.
//!
//! The API serialises them, `top` and `leaks` read them back, the page draws them. Bytes are bytes,
//! times are seconds unless the name says otherwise, wall times are RFC 3339 UTC. A value that
//! could not be had is null, never 0.

mod export;
mod incident;
mod names;
mod node;
pub mod pressure;
pub mod reload;
mod report;
mod routing;
mod totals;

pub use export::{ExportView, LaneView};
pub use incident::*;
pub use names::{KubernetesView, NamesFigures};
pub use node::*;
pub use report::*;
pub use routing::{DeliveryView, DestinationView, SilenceRequest, SilenceView};
pub use totals::{Counts, Largest};

use crate::reports::{Declined, Ticket};
use crate::route::silence::{SilenceRefused, Wish};
use crate::target::{ProcessId, Target, TargetKind};
use crate::units::{Bytes, BytesPerSec, Limit};
use crate::verdict::{Cause, Eta, State, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Read access to everything the agent knows. Implemented by `app`; the API knows nothing else.
///
/// Calls copy out under a short lock (below 10 ms for 10,000 processes) and never wait for IO, but
/// for those that say so.
pub trait Watch: Send + Sync + 'static {
    fn node(&self) -> NodeView;
    fn cgroups(&self) -> Vec<CgroupView>;
    fn processes(&self, order: ProcessOrder, limit: usize) -> ProcessList;
    fn process(&self, pid: u32) -> Option<ProcessDetail>;
    /// The largest processes, at most `limit`.
    fn largest(&self, limit: usize) -> Largest {
        Largest::of(self.processes(ProcessOrder::Rss, limit))
    }
    /// What is exported of a process: it without command line, labels and verdict. None if it is
    /// gone, or if its pid is another's by now.
    fn exported(&self, id: ProcessId) -> Option<ProcessDetail> {
        let is_it = |own: &ProcessDetail| own.view.id.parse() == Ok(Target::Process(id));
        self.process(id.pid).filter(is_it)
    }
    fn series(&self, query: &SeriesQuery) -> Option<SeriesView>;
    /// Those of one state and one kind, or of all; most urgent first.
    fn verdicts(&self, state: Option<State>, kind: Option<TargetKind>) -> Vec<Verdict>;
    /// How many targets of each kind are in which state.
    fn counts(&self) -> Counts {
        totals::counted(&self.verdicts(None, None))
    }
    fn alerts(&self) -> Vec<AlertView>;
    fn health(&self) -> HealthView;
    fn own(&self) -> OwnView;
    fn pressure(&self) -> pressure::PressureView;
    /// Those that hold now.
    fn silences(&self) -> Vec<SilenceView>;
    /// Makes a silence. Waits for the disk.
    ///
    /// # Errors
    /// When there are too many.
    fn silence(&self, wish: &Wish) -> Result<SilenceView, SilenceRefused>;
    /// Ends a silence. Waits for the disk.
    ///
    /// # Errors
    /// When there is none of this id, or it stands in the configuration file.
    fn end_silence(&self, id: &str) -> Result<(), SilenceRefused>;
    fn destinations(&self) -> Vec<DestinationView>;
    /// Attempts to deliver notices since this was last asked: for one who asks alone.
    fn deliveries(&self) -> Vec<DeliveryView> {
        Vec::new()
    }
    fn export(&self) -> ExportView {
        ExportView::default()
    }
    /// Newest first.
    fn incidents(&self) -> Vec<IncidentSummary>;
    /// One incident in full. The one call that may wait, for the disk: not for a thread that must
    /// not.
    fn incident(&self, id: &str) -> Option<std::sync::Arc<Incident>>;
    /// Newest first.
    fn reports(&self) -> Vec<ReportSummary>;
    /// One heap report. May wait for the disk.
    fn report(&self, id: &str) -> ReportFound;
    /// Has a heap report taken, without waiting for it. None: there is no such process.
    ///
    /// # Errors
    /// When it is not taken up.
    fn take_report(&self, wish: &ReportRequest, peer: &str) -> Option<Result<Ticket, Declined>>;
    /// Events after number `after`, oldest first, as far as the ring still holds them.
    fn events_since(&self, after: u64) -> Vec<Event>;
    fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Event>;
}

/// The judgement as the tables show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Judgement {
    pub state: State,
    pub cause: Cause,
    pub rate_bytes_per_s: BytesPerSec,
    pub eta_s: Option<Eta>,
    pub confidence: f64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CgroupView {
    /// Text form of the target, for `/api/v1/series`.
    pub id: String,
    pub path: String,
    pub workload: String,
    pub labels: BTreeMap<String, String>,
    pub at: String,
    pub usage_bytes: Bytes,
    /// The kubelet's: usage − inactive_file.
    pub working_set_bytes: Bytes,
    /// What reclaim cannot free without swap: anon + shmem + unreclaimable kernel memory.
    pub unreclaimable_bytes: Option<Bytes>,
    pub anon_bytes: Option<Bytes>,
    pub file_bytes: Option<Bytes>,
    pub shmem_bytes: Option<Bytes>,
    pub kernel_bytes: Option<Bytes>,
    pub swap_bytes: Option<Bytes>,
    pub peak_bytes: Option<Bytes>,
    #[schema(value_type = Option<u64>)]
    pub max_bytes: Limit,
    #[schema(value_type = Option<u64>)]
    pub high_bytes: Limit,
    pub low_bytes: Option<Bytes>,
    #[schema(value_type = Option<u64>)]
    pub swap_max_bytes: Limit,
    /// The tightest limit among this cgroup and its ancestors, and whose it is.
    #[schema(value_type = Option<u64>)]
    pub limit_bytes: Limit,
    pub limit_from: Option<String>,
    /// v2 `memory.events`; on v1 `max` from failcnt and `oom_kill`, `under_oom` from oom_control.
    pub events: BTreeMap<String, u64>,
    pub psi: Option<PsiView>,
    pub processes: usize,
    /// Where it runs by the names of Kubernetes; null elsewhere, and while they are not known.
    pub kubernetes: Option<KubernetesView>,
    /// Its own events wake the agent; others are found by sampling alone.
    pub listened_to: bool,
    pub judgement: Judgement,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessOrder {
    #[default]
    Rss,
    Anon,
    Swap,
    Rate,
    Eta,
    Pid,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ProcessList {
    pub total: usize,
    pub processes: Vec<ProcessView>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ProcessView {
    /// Text form of the target, for `/api/v1/series`.
    pub id: String,
    pub pid: u32,
    pub start_time: String,
    pub comm: String,
    pub exe: Option<String>,
    pub uid: Option<u32>,
    pub cgroup: Option<String>,
    pub workload: String,
    /// Where it runs by the names of Kubernetes; null elsewhere, and while they are not known.
    pub kubernetes: Option<KubernetesView>,
    pub at: String,
    pub rss_bytes: Bytes,
    pub anon_bytes: Bytes,
    /// Without shmem.
    pub file_bytes: Bytes,
    pub shmem_bytes: Option<Bytes>,
    pub swap_bytes: Option<Bytes>,
    pub threads: Option<u32>,
    #[schema(value_type = Option<u64>)]
    pub limit_bytes: Limit,
    pub judgement: Judgement,
    /// How often it is read now.
    pub interval_s: f64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ProcessDetail {
    #[serde(flatten)]
    pub view: ProcessView,
    /// Redacted.
    pub cmdline: Option<String>,
    pub peak_bytes: Option<Bytes>,
    pub virtual_bytes: Option<Bytes>,
    pub open_fds: Option<u64>,
    pub minor_faults: Option<u64>,
    pub major_faults: Option<u64>,
    pub pss_bytes: Option<Bytes>,
    pub uss_bytes: Option<Bytes>,
    pub thp_bytes: Option<Bytes>,
    /// When PSS, USS and THP were read: seldom, for reading them stalls the process.
    pub smaps_at: Option<String>,
    /// Why PSS, USS and THP are null, if they are.
    pub smaps_note: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub verdict: Option<Verdict>,
}

/// The metrics of a target's series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    #[default]
    Used,
    Anon,
    File,
    Shmem,
    Swap,
}

/// `from` and `to` in Unix seconds; `step` in seconds, None for whatever the tiers hold.
#[derive(Clone, Debug)]
pub struct SeriesQuery {
    pub target: Target,
    pub metric: Metric,
    pub from_unix_s: Option<f64>,
    pub to_unix_s: Option<f64>,
    pub step_s: Option<f64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SeriesView {
    pub target: String,
    pub metric: Metric,
    /// `By`.
    pub unit: String,
    /// `[unix seconds, bytes]`, oldest first; null where there is a gap. At most 5,000.
    #[schema(value_type = Vec<Vec<Option<f64>>>)]
    pub points: Vec<(f64, Option<f64>)>,
    /// The step that the points have, wider than asked for if that gave over 5,000; null where
    /// whatever resolution is kept was asked for.
    pub step_s: Option<f64>,
}

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    #[default]
    Info,
    Warning,
    Critical,
}

impl Severity {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Critical].into_iter().find(|s| s.name() == name)
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct AlertView {
    pub id: String,
    /// `LeakSuspected`, `OomPredicted`, `OomImminent`, `OomKill`.
    pub name: String,
    pub severity: Severity,
    pub firing: bool,
    pub summary: String,
    pub description: String,
    pub starts_at: String,
    pub ends_at: Option<String>,
    pub target: String,
    pub labels: BTreeMap<String, String>,
    pub verdict: Option<Verdict>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    Ok,
    Degraded,
    #[default]
    Unavailable,
    Off,
}

/// One source, what it can see, and why not more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SourceView {
    pub name: String,
    pub state: SourceState,
    pub sees: String,
    /// What is missing and what would give it.
    pub why: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// The first sweep is done and judgement can begin.
    pub ready: bool,
    pub degraded: bool,
    pub sources: Vec<SourceView>,
}

/// The agent's own cost. Totals are monotonic since start.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct OwnView {
    pub version: String,
    pub uptime_s: f64,
    pub cpu_seconds_total: f64,
    pub sampler_cpu_seconds_total: f64,
    pub rss_bytes: Bytes,
    pub allocator_allocated_bytes: Option<Bytes>,
    pub allocator_active_bytes: Option<Bytes>,
    pub allocator_resident_bytes: Option<Bytes>,
    pub allocator_mapped_bytes: Option<Bytes>,
    pub allocator_retained_bytes: Option<Bytes>,
    pub history_bytes: Bytes,
    pub history_budget_bytes: Bytes,
    pub history_trimmed_points_total: u64,
    pub history_evicted_series_total: u64,
    pub processes: usize,
    pub cgroups: usize,
    pub workloads: usize,
    pub kept_fds: usize,
    pub kept_fds_max: usize,
    /// By source: `process`, `process_details`, `smaps_rollup`, `cgroup`, `node`.
    pub samples_total: BTreeMap<String, u64>,
    pub read_errors_total: BTreeMap<String, u64>,
    /// Processes seen by fork and gone before they were read.
    pub short_lived_total: u64,
    pub connector_overruns_total: u64,
    /// Cgroups whose own events wake the sampler.
    pub senses_cgroups: usize,
    /// Times that a sense woke the sampler, by sense.
    pub senses_total: BTreeMap<String, u64>,
    pub senses_dropped_total: u64,
    /// 1 = nothing shed; 2 = the least urgent are read half as often; …
    pub shed_factor: f64,
    pub sampler_lag_seconds: f64,
    pub flush_failures_total: u64,
    pub oom_kills_total: u64,
    pub incidents_total: u64,
    /// Kills of which no incident could be made.
    pub incidents_dropped_total: u64,
    pub incident_write_failures_total: u64,
    pub reports: ReportFigures,
    pub names: NamesFigures,
    /// Targets whose history is pinned.
    pub pins: usize,
    pub pins_refused_total: u64,
    /// Units: seconds from start to the first complete sweep.
    pub first_sweep_seconds: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    Verdict,
    Alert,
    /// One or more kills by the kernel's OOM killer, of which an incident was written.
    Incident,
    Pressure,
    /// A heap report was taken or refused: who asked, which process, how long it stood still.
    Report,
    /// The configuration was read anew.
    Config,
}

/// One line of the event stream. `seq` grows by one and is the SSE id.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Event {
    pub seq: u64,
    pub at: String,
    pub event: EventKind,
    /// A [`Verdict`], an [`AlertView`], an [`IncidentSummary`], a [`pressure::PressureEvent`], a
    /// [`ReportSummary`] or a [`reload::ReloadView`].
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}
