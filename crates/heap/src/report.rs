//! The document: `plimsoll.report/1`. Bytes are bytes; what could not be had is null and
//! `method.notes` says why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The value of `schema`. Keys may be added within one version, never renamed.
pub const SCHEMA: &str = "plimsoll.report/1";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub schema: String,
    /// Set by whoever keeps reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// RFC 3339, UTC.
    pub taken_at: String,
    pub identity: Identity,
    pub method: Method,
    pub rss: Option<Rss>,
    pub allocator: Option<Allocator>,
    pub fragmentation: Option<Fragmentation>,
    pub leaks: Option<Leaks>,
    pub roots: Option<Vec<Root>>,
    /// By runtime: `jvm`, `go`, `python`, `jemalloc`, …
    pub runtime_stats: BTreeMap<String, serde_json::Value>,
    pub growth: Option<Growth>,
    pub verdict: Option<Verdict>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: u32,
    /// Clock ticks since boot.
    pub start_time: u64,
    pub exe: Option<String>,
    /// Arguments as the caller allows them to be shown.
    pub cmdline: Option<Vec<String>>,
    pub cgroup: Option<String>,
    pub limit_bytes: Option<u64>,
    pub headroom_bytes: Option<u64>,
    /// `native`, `jvm`, `go`, `cpython`, `node`, …
    pub runtime: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Method {
    pub level: u8,
    /// `none` or `ptrace`.
    pub freeze: String,
    /// How long the target stood still; 0 without a freeze.
    pub pause_us: u64,
    /// How long the allocations were watched.
    pub window_s: Option<f64>,
    pub duration_ms: u64,
    pub bytes_read: u64,
    /// False where a part was cut short by a bound or could not be read.
    pub complete: bool,
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rss {
    pub total_bytes: u64,
    pub parts: RssParts,
}

/// All but `thp` and `swap` add up to the total: huge pages are counted in the part that they
/// back as well, and swap is not resident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RssParts {
    pub heap: u64,
    pub arenas: u64,
    pub mmap_chunks: u64,
    pub anon_other: u64,
    pub stacks: u64,
    pub file: u64,
    pub shmem: u64,
    /// Anonymous memory that is executable.
    pub jit: u64,
    pub unattributed: u64,
    pub thp: u64,
    pub swap: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Allocator {
    /// `glibc`, `jemalloc`, `tcmalloc`, `mimalloc`, `musl`, `go`, …
    pub name: String,
    pub version: Option<String>,
    pub detected_by: String,
    /// 0 to 1: how sure that is.
    pub confidence: f64,
    pub in_use_bytes: Option<u64>,
    pub in_use_count: Option<u64>,
    pub free_bytes: Option<u64>,
    pub top_bytes: Option<u64>,
    pub tcache_bytes: Option<u64>,
    pub mmapped_bytes: Option<u64>,
    pub mmapped_count: Option<u64>,
    pub arenas: Vec<Arena>,
    pub size_classes: Vec<SizeClass>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arena {
    /// Address of the arena, as a number.
    pub address: u64,
    pub main: bool,
    pub system_bytes: u64,
    pub in_use_bytes: u64,
    pub in_use_count: u64,
    pub free_bytes: u64,
    pub free_count: u64,
    pub top_bytes: u64,
    pub tcache_bytes: u64,
    pub fastbin_bytes: u64,
    pub trimmable_bytes: Option<u64>,
}

/// Blocks whose size lies in `min_bytes..=max_bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeClass {
    pub min_bytes: u64,
    pub max_bytes: u64,
    pub in_use_bytes: u64,
    pub in_use_count: u64,
    pub free_bytes: u64,
    pub free_count: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fragmentation {
    /// Free inside the allocator and resident all the same.
    pub free_resident_bytes: Option<u64>,
    /// Whole resident pages in free blocks: what a trim would give back.
    pub trimmable_bytes: Option<u64>,
    /// Kept by the allocator for later and not resident, or to be purged.
    pub retained_bytes: Option<u64>,
    /// `free_resident_bytes` of what the heap has resident, 0 to 1.
    pub ratio: Option<f64>,
    pub suggestion: Option<Suggestion>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    pub action: String,
    pub predicted_gain_bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Leaks {
    pub unreachable_bytes: u64,
    pub unreachable_count: u64,
    /// Unreachable and pointed to by no other unreachable block.
    pub direct_bytes: u64,
    pub direct_count: u64,
    pub by_size: Vec<BySize>,
    pub by_type: Vec<ByType>,
    /// Empty below level 2.
    pub by_stack: Vec<ByStack>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BySize {
    /// Usable size of the block.
    pub size_bytes: u64,
    pub bytes: u64,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByType {
    #[serde(rename = "type")]
    pub name: String,
    pub bytes: u64,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByStack {
    /// The innermost first: `function (file:line)`, or `module+0xoffset` where no name is known.
    pub frames: Vec<String>,
    pub bytes: u64,
    pub count: u64,
}

/// What would go with one root if nothing else held it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    pub name: String,
    pub retained_bytes: u64,
    pub count: u64,
}

/// What changed since an earlier report of the same life of the same process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    pub since_id: Option<String>,
    pub since: String,
    pub elapsed_s: f64,
    /// By the dotted name of the field; falls are negative.
    pub bytes: BTreeMap<String, i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The agent's words: `heap_leak`, `retained_growth`, `fragmentation`, `page_cache`,
    /// `cache_fill`, `off_heap`, …, `unknown`.
    pub cause: String,
    pub confidence: f64,
    pub evidence: Vec<Evidence>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub what: String,
    pub value: f64,
    pub unit: String,
}
