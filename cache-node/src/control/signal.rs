//! What a source of pressure says: how bad it is, how much is wanted back, and by when.

use super::Bytes;
use std::time::Duration;

/// How short memory is. Each step includes what the ones before it do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Room enough.
    #[default]
    None,
    /// Nothing grows any more; what has expired goes; buffers shrink.
    Low,
    /// The coldest segments are given back; only keys that are or were known come in.
    Medium,
    /// Nothing comes in; reads go on.
    Critical,
}

impl Level {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::Critical => "critical",
        }
    }

    /// One step worse.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::None => Self::Low,
            Self::Low => Self::Medium,
            Self::Medium | Self::Critical => Self::Critical,
        }
    }

    /// One step better.
    #[must_use]
    pub const fn lowered(self) -> Self {
        match self {
            Self::Critical => Self::Medium,
            Self::Medium => Self::Low,
            Self::Low | Self::None => Self::None,
        }
    }
}

/// One word of a source. The process's own cgroup is one source; another may speak for the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signal {
    pub level: Level,
    /// Wanted back, counted from the moment at which it is said. Units: bytes.
    pub reclaim_bytes: Bytes,
    /// Time in which it is wanted; what is still owed then is forgotten.
    pub deadline: Duration,
}
