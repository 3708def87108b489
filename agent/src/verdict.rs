//! One verdict per target: what the findings and the forecast mean, with hysteresis and evidence.
//!
//! Pure: does no IO, reads no clock, logs nothing, cannot fail.

mod album;
mod cause;
mod facts;
mod fuse;
mod outlook;
mod suspicion;

pub use crate::detect::Params;
pub use crate::forecast::Scratch;
pub use facts::{Facts, Inside};
pub use fuse::{Judged, judge};

use crate::units::{Bytes, BytesPerSec, Limit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    #[default]
    WarmingUp,
    LeakSuspected,
    OomPredicted,
    OomImminent,
}

#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    HeapLeak,
    RetainedGrowth,
    Fragmentation,
    CacheFill,
    PageCache,
    Shmem,
    OffHeap,
    Kernel,
    Threads,
    Fds,
    RestartLoop,
    #[default]
    Unknown,
}

/// Time left until the limit. Units: seconds from the moment of the verdict; p10 is the early end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Eta {
    pub p10: f64,
    pub p50: f64,
    pub p90: f64,
}

/// One fact that the verdict rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    pub what: String,
    pub value: f64,
    /// UCUM: `By`, `By/s`, `s`, `1`, `{thread}`, `{fd}`.
    pub unit: String,
}

/// The judgement of one target at one moment, without its identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opinion {
    pub state: State,
    pub cause: Cause,
    pub used: Bytes,
    pub limit: Limit,
    pub rate: BytesPerSec,
    pub eta: Option<Eta>,
    /// 0…1
    pub confidence: f64,
    pub evidence: Vec<Evidence>,
}

/// A verdict as the API and the events show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    pub target: TargetLabel,
    pub state: State,
    pub cause: Cause,
    pub used_bytes: Bytes,
    #[schema(value_type = Option<u64>)]
    pub limit_bytes: Limit,
    pub rate_bytes_per_s: BytesPerSec,
    pub eta_s: Option<Eta>,
    pub confidence: f64,
    /// RFC 3339: since when the target has been in this state.
    pub since: String,
    pub evidence: Vec<Evidence>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetLabel {
    pub kind: crate::target::TargetKind,
    /// Text form of the target, as `/api/v1/series?target=` takes it.
    pub id: String,
    pub pid: Option<u32>,
    /// RFC 3339, of a process.
    pub start_time: Option<String>,
    pub cgroup: Option<String>,
    /// For people and routes: `comm`, `workload`, `container_id`, `pod_uid`, `unit`, … as known.
    pub labels: BTreeMap<String, String>,
}
