//! The node's memory as people see it. Built by the desk from the last readings; read by API and
//! metrics.

use crate::units::Bytes;
use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The state of the node's memory. Map keys are the kernel's own words.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    pub at: String,
    pub hostname: String,
    pub os: Option<String>,
    pub kernel: Option<String>,
    pub boot_id: String,
    pub cpus: usize,
    pub mem_total_bytes: Bytes,
    pub mem_available_bytes: Option<Bytes>,
    /// MemTotal − MemAvailable.
    pub used_bytes: Bytes,
    pub swap_total_bytes: Option<Bytes>,
    pub swap_free_bytes: Option<Bytes>,
    /// `/proc/meminfo`, in bytes (`HugePages_*` are counts).
    pub meminfo: BTreeMap<String, u64>,
    /// Selected counters of `/proc/vmstat`: `oom_kill`, `allocstall_*`, `pgscan_*`, `pgsteal_*`,
    /// `compact_*`, …
    pub vmstat: BTreeMap<String, u64>,
    pub psi: Option<PsiView>,
    pub zones: Vec<ZoneView>,
    /// The largest slab caches, at most 20.
    pub slabs: Vec<SlabView>,
    pub numa: Vec<NumaView>,
    pub hugepages: Vec<HugepagesView>,
    pub processes: usize,
    pub cgroups: usize,
    pub verdict: Option<Verdict>,
}

/// Pressure stall information. Averages are percent of wall time, totals are seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PsiView {
    pub some_avg10: f64,
    pub some_avg60: f64,
    pub some_avg300: f64,
    pub some_total_s: f64,
    pub full_avg10: Option<f64>,
    pub full_avg60: Option<f64>,
    pub full_avg300: Option<f64>,
    pub full_total_s: Option<f64>,
}

impl From<&crate::sources::psi::Psi> for PsiView {
    fn from(psi: &crate::sources::psi::Psi) -> Self {
        let full = psi.full.as_ref();
        Self {
            some_avg10: psi.some.avg10,
            some_avg60: psi.some.avg60,
            some_avg300: psi.some.avg300,
            some_total_s: psi.some.total.as_secs_f64(),
            full_avg10: full.map(|l| l.avg10),
            full_avg60: full.map(|l| l.avg60),
            full_avg300: full.map(|l| l.avg300),
            full_total_s: full.map(|l| l.total.as_secs_f64()),
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ZoneView {
    pub node: u32,
    pub zone: String,
    pub free_bytes: Bytes,
    pub min_bytes: Option<Bytes>,
    pub low_bytes: Option<Bytes>,
    pub high_bytes: Option<Bytes>,
    pub managed_bytes: Option<Bytes>,
    /// Free blocks by order, 0 first, from `/proc/buddyinfo`.
    pub free_blocks: Vec<u64>,
    /// The kernel's unusable free space index at the huge page order: 0 (none) … 1 (all free memory
    /// is in smaller blocks).
    pub fragmentation: Option<f64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SlabView {
    pub name: String,
    pub bytes: Bytes,
    pub active_objects: u64,
    pub objects: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct NumaView {
    pub node: u32,
    pub total_bytes: Bytes,
    pub free_bytes: Bytes,
    pub used_bytes: Option<Bytes>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct HugepagesView {
    pub size_bytes: Bytes,
    pub total: u64,
    pub free: u64,
    pub reserved: u64,
    pub surplus: u64,
}
