//! Who may ask a small HTTP server for what, and the connections over which they ask.
//!
//! ```text
//! serve      connections: how many, how long, TLS by `tls`, drained at the end
//!    │ Peer
//! host       Host allow-list; requests of other web sites
//! keeper     rate of each client, credential → Caller{name, scope}, or why not
//!    │ asks
//! access     what the configuration names, read whole: tokens, users, certificates, hosts
//!    └─ tokens · users · web_config · tls        stamps: has one of the files changed?
//! ```
//!
//! The agent and the cache node are guarded alike by it, and say by themselves which path needs
//! which scope, how a refusal is worded and when files are read again. What is held against what
//! is given is compared in constant time; a secret is kept as a digest or a hash, and no message
//! holds one.

#![forbid(unsafe_code)]

mod access;
mod host;
mod keeper;
mod rate;
mod scope;
mod serve;
mod stall;
mod stamps;
mod tls;
mod tokens;
mod users;
mod web_config;

pub use access::{Access, Faults, Named};
pub use host::{HostFault, HostRule};
pub use keeper::{Asked, Keeper, Refusals, Refused, Unknown};
pub use scope::{Caller, Scope, is_safe};
pub use serve::{Draining, Peer, Server};
pub use stamps::{Stamp, stamp};
pub use tls::Tls;
