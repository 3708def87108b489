//! Processor time.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// What the calling thread has taken so far.
pub fn of_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
