//! What a source of pressure says: how bad it is, how much is wanted back, and by when.

use super::Bytes;
pub use plimsoll_pressure::Level;
use std::time::Duration;

/// One word of a source. The process's own cgroup is one source; another may speak for the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signal {
    pub level: Level,
    /// Wanted back, counted from the moment at which it is said. Units: bytes.
    pub reclaim_bytes: Bytes,
    /// Time in which it is wanted; what is still owed then is forgotten.
    pub deadline: Duration,
}
