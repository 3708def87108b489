//! BPF where it is allowed: the programs of `programs/`, loaded and read.
//!
//! ```text
//! programs/*.bpf.c ── cargo xtask bpf ──▶ programs/*.bpf.o ── include_bytes ──▶ edge: load, or why
//! not
//!                                                                                   │
//!             marks    oom:mark_victim: victim, killer, memory cgroup, limit ◀──────┤
//!             tasks    iter/task: RSS, start, memory cgroup of each process  ◀──────┤
//!             cgroups  iter/cgroup: usage and limit of each memory cgroup    ◀──────┤
//!             allocations  uprobes in one process: stacks of its allocations ◀──────┘
//! ```
//!
//! Nothing here is needed for the agent to work: whatever the kernel refuses comes back as one
//! line, [`Refusal`], and the caller goes on without. Nothing is pinned: what was loaded ends with
//! the value that holds it, or with the process. Every map has a fixed size; what they hold of the
//! kernel's memory is told. Decides nothing and keeps no history.

pub mod allocations;
pub mod cgroups;
mod edge;
mod iterator;
pub mod marks;
mod ring;
pub mod tasks;
mod words;

pub use allocations::{Allocations, Function, Site};
pub use cgroups::{CgroupRecord, Cgroups};
pub use edge::{Edge, Refusal, capabilities_lacking, kernel_bytes};
pub use iterator::{Iterator, Walk};
pub use marks::{Attached, Mark, MarkCgroup, MarkMemory, Marks};
pub use tasks::{TaskRecord, Tasks};

/// The loader that [`Edge`] hands out, for crates that bring programs of their own.
pub use aya;
