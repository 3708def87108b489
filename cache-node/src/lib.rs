//! The cache node: memcached's protocol on memory that can be given back.
//!
//! ```text
//! serve/     SO_REUSEPORT threads on epoll, UDP, unix socket: bytes in, bytes out
//!    │ bytes of one connection                              admin/  /metrics, /healthz, /readyz
//! protocol/  one session per connection: parse, execute, answer; no IO
//!    │ one key at a time, under the lock of its partition
//! store/     segments, index, S3-FIFO, TTL buckets, compaction; no IO, reads no clock
//!    │ bytes used                                           snapshot/  segments to a file and back
//! control/   budget: own cgroup and PSI → level → bytes to give back, intake to throttle
//! ```
//!
//! `store` knows neither of the others; `protocol` knows only `store`; `serve` and `control` never
//! import each other; only `main` exits.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod control;
pub mod protocol;
pub mod serve;
pub mod settings;
pub mod snapshot;
pub mod stats;
pub mod store;
pub mod watch;
