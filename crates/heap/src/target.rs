//! Which process is read: a pid alone could turn to another process between two readings.

/// One life of one process. Units: `start_time` in clock ticks since boot, field 22 of
/// `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    pub pid: u32,
    pub start_time: u64,
}
