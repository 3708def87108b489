//! The line that is asked and the line that is answered. Unknown keys are skipped on both sides.

use serde::{Deserialize, Serialize};

/// Of the protocol: both sides refuse another.
pub const VERSION: u32 = 1;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    pub v: u32,
    /// `stats` or `heap_profile`.
    pub ask: String,
}

/// What comes back: the part that was asked for, or why it cannot be had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub v: u32,
    /// What the application calls itself.
    pub name: String,
    /// In the application's own pid namespace.
    pub pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<Stats>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap_profile: Option<Profile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// jemalloc's `stats.*` of one epoch, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    pub version: String,
    #[serde(flatten)]
    pub heap: Heap,
    pub arenas: Arenas,
    /// Whether heap profiles can be had, and why not.
    pub heap_profiling: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heap {
    pub allocated_bytes: u64,
    pub active_bytes: u64,
    pub metadata_bytes: u64,
    pub resident_bytes: u64,
    pub mapped_bytes: u64,
    pub retained_bytes: u64,
}

/// All arenas together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arenas {
    pub count: u64,
    pub small_bytes: Option<u64>,
    pub large_bytes: Option<u64>,
    pub dirty_bytes: Option<u64>,
    pub muzzy_bytes: Option<u64>,
}

/// A heap profile as jemalloc writes it; `jeprof` reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// `heap_v2`.
    pub format: String,
    pub text: String,
}
