//! Heap reports of live processes that were neither restarted nor prepared.
//!
//! ```text
//! target    who: pid and start time, refusals          memory   bytes of another address space
//!    │
//! maps      mappings, modules, resident pages, RSS split
//!    │
//! glibc │ runtimes    which allocator, what it holds, what it could give back      level 0
//!    │
//! freeze ─ reach ─ types    a bounded pause: what nobody points to any more        level 1
//!    │
//! probes    a bounded window: the stacks that allocate what is never freed         level 2
//!    │
//! verdict ─ report ─ diff ─ render    the document, two of them, how they are shown
//! ```
//!
//! Level 0 leaves the target alone. Level 1 pauses it within a stated number of milliseconds,
//! level 2 traps its allocations within a stated number of seconds; neither is ever taken unasked.
//! Nothing here writes into a target, but at level 2 the kernel puts breakpoints into its code for
//! the window. No contents of its memory leave this crate: only addresses, sizes, counts and the
//! names of types and functions.

#![forbid(unsafe_code)]

mod cpu;
pub mod diff;
pub mod freeze;
pub mod glibc;
pub mod maps;
pub mod memory;
pub mod modules;
mod names;
pub mod probes;
pub mod reach;
pub mod refusal;
pub mod render;
pub mod report;
pub mod runtimes;
pub mod scene;
pub mod take;
pub mod target;
mod types;
pub mod verdict;

pub use refusal::Refusal;
pub use report::Report;
pub use take::take;
pub use target::Target;
