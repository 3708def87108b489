//! Who is told of alerts, when, and how surely: rules, routes, groups, silences, destinations.
//!
//! ```text
//! alert/      what stands, one alert for each growth
//!    │ AlertView, as often as there is something new, and each second while anything stands
//! engine      rules (how long, how sure) → silences → lanes (routes) → groups        pure
//!    │ Notice, for one destination each
//! queue       one for each destination, on disk, bounded in bytes, number and age
//!    │
//! outlet      a thread for each: renders, sends, backs off, gives up only on what is refused
//! ```
//!
//! The sampler rings a [`Bell`] and waits for nothing here; a destination that is slow or dead
//! holds up nobody but itself. Delivery is at least once: what was queued is told after a restart
//! too.

pub mod backoff;
pub mod engine;
mod explain;
mod group;
mod lanes;
pub mod matcher;
pub mod notice;
mod outlet;
mod payload;
pub mod queue;
mod rules;
mod saved;
mod send;
pub mod silence;
mod tracked;
mod worker;

pub use explain::explain;
pub use outlet::{Attempt, attempt, outlook};
pub use worker::{Bell, Routing, RoutingHandle, Standing, test_notice};
