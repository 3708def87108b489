//! The closed loop, proved: agent, cache and a neighbour that leaks, in one memory cgroup of their
//! own, and every promise held against what kernel, agent and clients of the cache saw.
//!
//! ```text
//! cli ─▶ scenario ─┬─ arena      the cgroup with its limit, v1 or v2; what the kernel counts
//!                  ├─ process    agent, cache, load: started inside or outside, ended by pid
//!                  │    └─ load    what the neighbour does to memory (this very program)
//!                  ├─ client     memcached's and Redis' protocols   http   the agent's API
//!                  ├─ traffic    gets and sets all the while, timed
//!                  ├─ gauge      what the cache says of itself, all the while
//!                  └─ meter      usage every few milliseconds, and when it was critical
//!                       ▼
//!                     judge      musts: wanted, measured, passed
//! ```
//!
//! It installs nothing, needs no other program than those it is told of, and leaves neither process
//! nor cgroup behind, also when it fails or is interrupted. What others do on the machine is none
//! of its business: it goes by its own cgroup and its own pids.

pub mod agent;
pub mod arena;
pub mod cli;
pub mod client;
pub mod gauge;
pub mod http;
pub mod judge;
pub mod load;
pub mod meter;
pub mod process;
pub mod scenario;
pub mod subject;
pub mod traffic;
pub mod wait;

/// What could not be done, for people. A promise that is not kept is no fault but a result.
pub type Fault = String;

pub const MIB: u64 = 1 << 20;
