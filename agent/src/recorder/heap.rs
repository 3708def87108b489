//! The one place where a heap report joins the evidence: called by the reader that may block, once
//! when a process becomes suspect and once before its limit.

use crate::target::ProcessId;
use crate::view::Stage;

/// The id of a heap report of `process`, taken now; None where none can be taken.
///
/// Runs on the thread that may wait for a target, outside of every lock. What takes reports has to
/// keep to its own bound on how long it pauses the process.
#[must_use]
pub const fn heap_report(_process: ProcessId, _stage: Stage) -> Option<String> {
    None
}
