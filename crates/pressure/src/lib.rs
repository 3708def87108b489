//! The memory pressure signal: how the agent asks applications for memory, and how they answer.
//!
//! ```text
//! application                                             agent
//! Subscriber ─ Hello, Ack ─▶ codec ── unix socket ── codec ─▶ server (feature `server`)
//!    ▲  ▲  ◀──── Signal ───          /run/plimsoll/pressure.sock   ◀── Word: level, bytes, time
//!    │  └ own: cgroup and PSI of this process while the agent is silent
//!    └ watch: MEMORY_PRESSURE_WATCH of systemd
//! ```
//!
//! Knows neither the agent nor any application. `frame` and `codec` do no IO; README.md has the
//! protocol and what an application should do at each level.

#![forbid(unsafe_code)]

pub mod codec;
pub mod frame;
pub mod own;
#[cfg(feature = "server")]
pub mod server;
pub mod subscriber;
pub mod units;
pub mod watch;

pub use codec::{CodecError, Decoder, Frame, LINE_BYTES_MAX};
pub use frame::{
    Ack, Answer, CgroupPath, FromSubscriber, Hello, Label, Level, Scope, Signal, Word,
};
pub use subscriber::{Acked, Options, Source, Subscriber, Told};
pub use units::{Bytes, Epoch, Seq};

/// Where the agent listens if it was not told otherwise.
pub const SOCKET: &str = "/run/plimsoll/pressure.sock";
