//! Reads everything in time: a thread that decides who is read when, inside its budgets.
//!
//! ```text
//! discovery ── new, exec'd, ended ──► processes ┐
//! cgroups   ── walk of the hierarchy ─► cgroups ├─ wheel: who is due ─► sweep ► history ► judging
//! workloads ── sums of their processes ─────────┘                         │
//! senses    ── the kernel's own word that memory gets short ─► read at once ─► pressure
//! deep      ── what may block or stall a target, on a thread of its own ──┘
//! ```
//!
//! [`State`] is all that the API may look at; it is locked for one short batch at a time. The
//! sampler thread never takes a reading that can block on a target: those go to [`deep`].

mod arriving;
mod asking;
pub mod budget;
pub mod cadence;
mod cgroups;
mod deep;
mod descriptors;
mod discovery;
mod ending;
mod events;
mod growers;
mod health;
mod hurry;
mod incidents;
mod inside;
mod judging;
mod kills;
mod naming;
mod node;
mod pressing;
mod processes;
mod recording;
mod rounds;
mod rousing;
pub mod schedule;
mod senses;
mod standing;
mod state;
mod sweep;
mod table;
mod thread;
pub mod wheel;
mod witnesses;
mod workloads;

pub use cgroups::{Cgroup, Cgroups};
pub use deep::Deep;
pub use discovery::Discovery;
pub use events::EventLog;
pub use health::Health;
pub use inside::room_of;
pub use judging::verdict_of;
pub use naming::{Naming, SOURCE as NAMES_SOURCE};
pub use node::Node;
pub use processes::{Process, Processes};
pub use recording::monotonic;
pub use senses::Senses;
pub use standing::{Past, Standing};
pub use state::{Counters, Listening, State, Track};
pub use thread::{Sampler, SamplerHandle, start};
pub use workloads::{Workload, Workloads};
