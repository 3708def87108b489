//! The document of one incident: what was killed, by whom, why, and what had been known before.
//!
//! Written by `recorder` once for each cgroup and burst of kills, kept in the state directory, and
//! served as it is. `docs/incidents.md` explains each field. Bytes are bytes, times are seconds
//! unless the name says otherwise, wall times are RFC 3339 UTC; what is not known is null.

use super::{PsiView, ReportSummary};
use crate::units::{Bytes, BytesPerSec, Limit};
use crate::verdict::{Cause, Eta, State, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The value of [`Incident::schema`]. Fields are added under the same number, never renamed.
pub const INCIDENT_SCHEMA: &str = "plimsoll.incident/1";

/// One cgroup's kills of one burst, or those of the node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Incident {
    /// `plimsoll.incident/1`.
    pub schema: String,
    pub id: String,
    /// Of the first kill.
    pub at: String,
    pub hostname: String,
    pub kernel: Option<String>,
    pub boot_id: String,
    /// When the kernel printed the first kill: its own clock, in seconds since boot.
    pub kernel_time_s: Option<f64>,
    pub agent_version: String,
    /// What happened, in one line.
    pub summary: String,
    pub kind: KillKind,
    pub seen_by: SeenBy,
    /// The ways by which the first kill was heard of: `kmsg`, `syslog`, `tp_btf`, `tracepoint`.
    pub heard_by: Vec<String>,
    pub constraint: ConstraintView,
    /// The first victim is the one that the kernel killed first; at most 64.
    pub victims: Vec<Victim>,
    pub victims_left_out: u32,
    /// Who asked for the memory that was not there; not whose fault it is.
    pub killer: Option<TaskName>,
    /// The cgroup whose limit was reached; null where it was the node that was out of memory.
    pub memcg: Option<LimitedCgroup>,
    /// The tasks that the kernel could have killed, as it printed them; at most 512.
    pub task_dump: Vec<TaskRow>,
    pub task_dump_left_out: u32,
    /// Who grew most, largest first; at most 8.
    pub growers: Vec<Grower>,
    /// Memory over the last hour: the victims', the cgroups' and the node's.
    pub series: Vec<IncidentSeries>,
    pub foretold: Foretold,
    /// The last verdict before the kill on the victim, else on its cgroup.
    pub verdict: Option<Verdict>,
    /// What was collected when the target became suspect, and again before its limit.
    pub evidence: Vec<EvidenceTaken>,
    /// Heap reports that were taken before the kill, and what changed between the first and the
    /// last of one process; null where none was taken.
    pub heap: Option<HeapEvidence>,
    /// Pressure signals of the quarter hour before the kill, and what was answered.
    pub pressure: Vec<PressureNote>,
    /// What was left some seconds later; null until then.
    pub aftermath: Option<Aftermath>,
    /// What to do, most useful first.
    pub next: Vec<Advice>,
    /// What is missing in this document, and why.
    pub notes: Vec<String>,
}

/// Whose end it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KillKind {
    /// The oldest process of its cgroup: with it a container ends.
    MainProcess,
    /// Another process of a cgroup whose main process lived on.
    ChildProcess,
    /// All of a cgroup, because its `memory.oom.group` is set.
    Group,
    /// The node, a cpuset or a memory policy was out of memory, not a cgroup.
    Node,
    #[default]
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeenBy {
    /// The kernel's log, as it was printed.
    #[default]
    KernelLog,
    /// The kernel's log, read after the agent had been down.
    KernelLogLater,
    /// A BPF program at the kernel's `oom:mark_victim`, and no log.
    Bpf,
    /// Counters only: the log is not open to the agent. The victim is inferred from who ended.
    Counters,
}

/// What the allocation that failed was bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConstraintView {
    None,
    Cpuset,
    MemoryPolicy,
    Memcg,
    #[default]
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Victim {
    /// Text form of the target, for `/api/v1/series`; null if it was never watched.
    pub target: Option<String>,
    pub pid: Option<u32>,
    pub comm: Option<String>,
    pub exe: Option<String>,
    pub uid: Option<u32>,
    pub cgroup: Option<String>,
    pub workload: Option<String>,
    /// Of the cgroup's owner: ids by the path, and names where they are known, such as
    /// `k8s.pod.name` and `k8s.container.name`.
    pub labels: BTreeMap<String, String>,
    /// anon + file + shmem as the kernel printed them; else the last reading.
    pub rss_bytes: Option<Bytes>,
    pub anon_bytes: Option<Bytes>,
    pub file_bytes: Option<Bytes>,
    pub shmem_bytes: Option<Bytes>,
    pub virtual_bytes: Option<Bytes>,
    pub page_tables_bytes: Option<Bytes>,
    pub oom_score_adj: Option<i32>,
    /// It was the oldest process of its cgroup.
    pub is_main: Option<bool>,
    /// Killed because `memory.oom.group` is set, not for its own size.
    pub by_group: bool,
    /// Not named by the kernel: it ended in this cgroup as the counter rose.
    pub inferred: bool,
    /// Clock ticks after boot at which it started, as the kernel said at the kill; only by BPF.
    pub start_time: Option<u64>,
    /// The inode of its cgroup's directory; only by BPF.
    pub memcg_id: Option<u64>,
    /// How long it had lived.
    pub age_s: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskName {
    pub pid: Option<u32>,
    pub comm: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LimitedCgroup {
    pub path: String,
    /// When the kernel killed; before that, as last read.
    pub usage_bytes: Option<Bytes>,
    #[schema(value_type = Option<u64>)]
    pub limit_bytes: Limit,
    pub workload: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// The last reading before the kill.
    pub anon_bytes: Option<Bytes>,
    pub file_bytes: Option<Bytes>,
    pub shmem_bytes: Option<Bytes>,
    pub kernel_bytes: Option<Bytes>,
    /// This agent runs below the same limit.
    pub holds_agent: bool,
}

/// A line of the kernel's task dump.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TaskRow {
    pub pid: u32,
    pub uid: Option<u32>,
    pub name: String,
    pub virtual_bytes: Option<Bytes>,
    pub rss_bytes: Option<Bytes>,
    pub swap_bytes: Option<Bytes>,
    pub page_tables_bytes: Option<Bytes>,
    pub oom_score_adj: Option<i32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Grower {
    pub target: String,
    pub name: String,
    pub workload: Option<String>,
    pub used_bytes: Bytes,
    /// Since when it grew: its lowest point of the last hour.
    pub since: String,
    pub for_s: f64,
    pub grown_bytes: Bytes,
    /// Of a line through its readings since then.
    pub rate_bytes_per_s: BytesPerSec,
    /// It was among the victims.
    pub victim: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct IncidentSeries {
    pub target: String,
    /// `victim`, `cgroup` (the victim's), `limit` (the cgroup whose limit it was), `node`.
    pub role: String,
    /// Before this, medians of minutes; from it on, every reading.
    pub fine_from: Option<String>,
    /// `[unix seconds, used, anon, file, shmem, swap]`, oldest first, bytes; at most 1,500.
    #[schema(value_type = Vec<Vec<f64>>)]
    pub points: Vec<(f64, u64, u64, u64, u64, u64)>,
}

/// What had been said before the kill.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Foretold {
    /// An OOM of the victim, of its workload or of a cgroup around it had been predicted.
    pub predicted: bool,
    pub suspected_at: Option<String>,
    /// How long before the kill it was first suspected.
    pub suspected_before_s: Option<f64>,
    pub predicted_at: Option<String>,
    pub predicted_before_s: Option<f64>,
    /// Changes of state and of forecasts, oldest first; at most 64 of each target.
    pub history: Vec<Said>,
}

/// One thing that was said of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Said {
    pub at: String,
    /// How long before the kill.
    pub before_s: f64,
    pub target: String,
    pub state: State,
    pub cause: Cause,
    pub used_bytes: Bytes,
    #[schema(value_type = Option<u64>)]
    pub limit_bytes: Limit,
    pub rate_bytes_per_s: BytesPerSec,
    pub eta_s: Option<Eta>,
    /// Foretold end (p50) − kill: positive if the kill came sooner than foretold.
    pub error_s: Option<f64>,
    /// The kill came between p10 and p90.
    pub inside: Option<bool>,
}

/// When evidence was collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The target became suspect.
    #[default]
    Suspected,
    /// Its limit was near.
    BeforeLimit,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct EvidenceTaken {
    pub at: String,
    pub before_s: Option<f64>,
    pub stage: Stage,
    /// Who was suspect.
    pub target: String,
    /// The process that was looked into: the suspect itself, else the largest in it.
    pub process: Option<String>,
    pub comm: Option<String>,
    pub used_bytes: Bytes,
    /// `smaps_rollup` by the kernel's keys.
    pub smaps: Option<BTreeMap<String, u64>>,
    /// Resident memory by kind of mapping: `heap`, `stack`, `anon`, `file`, `shmem`, `other`.
    pub mappings: Option<BTreeMap<String, u64>>,
    /// Why there is no smaps or no mappings.
    pub smaps_note: Option<String>,
    pub growers: Vec<Grower>,
    /// `memory.stat` of the suspect's cgroup, in the kernel's words.
    pub memory_stat: Option<BTreeMap<String, u64>>,
    /// Of the cgroup where the kernel accounts it, else of the node.
    pub psi: Option<PsiView>,
    /// The id of a heap report, where one was taken.
    pub heap_report: Option<String>,
}

/// What was seen inside a suspect before the kill.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HeapEvidence {
    /// Oldest first; in full by their ids, as long as they are kept.
    pub reports: Vec<ReportSummary>,
    /// What changed from the first report of a process to its last one.
    #[schema(value_type = Option<Object>)]
    pub diff: Option<serde_json::Value>,
}

/// One pressure signal and what came back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PressureNote {
    pub at: String,
    pub before_s: Option<f64>,
    /// `node` or `cgroup:/path`.
    pub scope: String,
    pub level: String,
    pub reclaim_bytes: Bytes,
    pub deadline_ms: Option<u64>,
    pub subscriber: String,
    /// What the subscriber said it freed; null if it never answered.
    pub freed_bytes: Option<Bytes>,
    pub answered_after_s: Option<f64>,
}

/// What was left after the kill.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Aftermath {
    pub at: String,
    /// The victim's cgroup is still there.
    pub cgroup_exists: bool,
    /// Processes in it.
    pub processes: usize,
    pub used_bytes: Option<Bytes>,
}

/// Something to do, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Advice {
    pub what: String,
    pub why: String,
}

/// An incident as lists show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct IncidentSummary {
    pub id: String,
    pub at: String,
    pub summary: String,
    pub kind: KillKind,
    pub seen_by: SeenBy,
    pub cgroup: Option<String>,
    pub workload: Option<String>,
    /// Of the first victim's owner, else of the cgroup's.
    pub labels: BTreeMap<String, String>,
    /// `comm (pid)` of the victims, at most 4.
    pub victims: Vec<String>,
    pub victims_total: usize,
    #[schema(value_type = Option<u64>)]
    pub limit_bytes: Limit,
    pub cause: Option<Cause>,
    pub predicted_before_s: Option<f64>,
    /// It outlives a restart of the agent.
    pub on_disk: bool,
}

impl Incident {
    /// What a list shows of it.
    #[must_use]
    pub fn in_short(&self, on_disk: bool) -> IncidentSummary {
        let first = self.victims.first();
        let name = |victim: &Victim| {
            let comm = victim.comm.as_deref().unwrap_or("?");
            victim.pid.map_or_else(|| comm.to_owned(), |pid| format!("{comm} ({pid})"))
        };
        let memcg = self.memcg.as_ref();
        IncidentSummary {
            id: self.id.clone(),
            at: self.at.clone(),
            summary: self.summary.clone(),
            kind: self.kind,
            seen_by: self.seen_by,
            cgroup: first.and_then(|v| v.cgroup.clone()).or(memcg.map(|m| m.path.clone())),
            workload: first
                .and_then(|v| v.workload.clone())
                .or(memcg.and_then(|m| m.workload.clone())),
            labels: first
                .map(|v| v.labels.clone())
                .filter(|labels| !labels.is_empty())
                .or(memcg.map(|m| m.labels.clone()))
                .unwrap_or_default(),
            victims: self.victims.iter().take(4).map(name).collect(),
            victims_total: self.victims.len() + self.victims_left_out as usize,
            limit_bytes: memcg.map_or(Limit::Max, |m| m.limit_bytes),
            cause: self.verdict.as_ref().map(|v| v.cause),
            predicted_before_s: self.foretold.predicted_before_s,
            on_disk,
        }
    }
}
