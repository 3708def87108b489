//! Lets an application tell what its jemalloc holds, over a unix socket that it owns.
//!
//! ```no_run
//! let probe = plimsoll_probe::Probe::start("my-service");
//! # drop(probe);
//! ```
//!
//! ```text
//! place     where the socket is: /run/plimsoll/probe/PID.sock, or below the user's runtime directory
//!    │
//! socket    one thread: who may ask, one line in, one line out, within a second
//!    │
//! answer    the line
//!    │
//! jemalloc  mallctl: statistics, and the heap profile where the program was built and started for it
//! ```
//!
//! Until somebody asks the thread sleeps, and nothing is counted that jemalloc would not count
//! anyway. Only the same user and root are answered. The protocol is in the README.

#![forbid(unsafe_code)]

mod answer;
mod jemalloc;
mod place;
mod socket;

pub use answer::{Answer, Arenas, Ask, Heap, Profile, Stats, VERSION};
pub use place::{paths, runtime_dirs};
pub use socket::{Probe, StartError};
