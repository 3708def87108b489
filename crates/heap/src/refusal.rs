//! Why no report, or not the wanted level of one, was taken.

use thiserror::Error;

/// What was not done, why, and what to do about it. The target is as it was before.
#[derive(Debug, Error)]
pub enum Refusal {
    #[error("process {pid} is gone")]
    Gone { pid: u32 },
    #[error("process {pid} has ended and waits for its parent: there is no memory to read")]
    Zombie { pid: u32 },
    #[error("process {pid} is a kernel thread: it has no memory of its own")]
    KernelThread { pid: u32 },
    #[error("process {pid} may not be read: {why}")]
    Denied { pid: u32, why: String },
    #[error("process {pid} is traced by {tracer} already: only a report of level 0 can be taken")]
    Traced { pid: u32, tracer: u32 },
    #[error(
        "the pause is estimated at {estimated_ms} ms, above the limit of {max_ms} ms: nothing was \
         stopped; allow more (max_pause_ms), or take a report of level 0"
    )]
    PauseTooLong { estimated_ms: u64, max_ms: u64 },
    #[error("{what} is not possible here: {why}")]
    Unavailable { what: &'static str, why: String },
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
}
