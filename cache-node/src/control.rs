//! The budget: how much the cache may hold now, from what was asked for and what the kernel has.
//!
//! ```text
//! own: cgroup, node ──▶ sense ──┐                      ┌▶ Store::set_limit, admit
//!                               ├▶ ladder ──▶ policy ──┤
//! agent: the node's Signal ─────┘      ask_limit ─▲    └▶ Store::give_back, in bounded steps
//! ```
//!
//! `own` is the pressure crate's. `sense`, `ladder` and `policy` are pure. One thread reads,
//! decides and acts; nobody waits for it: `cache_memlimit` and an outside source leave their wish
//! and return. It never looks at the resident size, exits nothing and writes no files.

pub mod agent;
mod asks;
mod budget;
mod ladder;
mod policy;
mod sense;
mod signal;
mod thread;

pub use budget::Budget;
pub use signal::{Level, Signal};
pub use thread::{Control, Figures, LimitRefused, start};

type Bytes = u64;

const MIB: Bytes = 1 << 20;
