//! From verdicts to room: how short memory is, how much should come back, who is asked, and what
//! came of it.
//!
//! ```text
//! sampler ─ Reading of node and cgroups ─▶ engine ─ policy: level, want, deadline
//!                                            │  ├── share: whose part
//!                                            │  └── ledger: under way, answered, seen in headroom
//!                                            ▼
//!                                         service ─ words ─▶ plimsoll_pressure::server ─▶ socket
//!                                            ▲──── hellos and answers ◀──┘
//! ```
//!
//! All but `service` is pure: handed readings and `now`, it returns what is to be said. It never
//! frees anything itself, never kills, and says nothing about what it does not know.

pub mod engine;
pub mod ledger;
mod member;
pub mod policy;
mod record;
mod service;
pub mod share;
mod slope;

pub use engine::{Engine, Reading, Say};
pub use member::Member;
pub use policy::{Demand, Params, Strain};
pub use record::Record;
pub use service::Service;
