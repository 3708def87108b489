//! The node agent: reads memory, keeps history, judges it, and says what it found.
//!
//! ```text
//! sources/   procfs, cgroup v1 and v2, PSI, OOM log         parse(bytes) apart from read(IO)
//!    │ raw readings in kernel words, Option where a kernel lacks a key
//! sampler/   cadence by urgency; CPU, fd and stall budgets       workload/  cgroup path → name
//!    │ Split
//! history/   bounded tiers in RAM ── persist ── survives restart and kill -9
//!    │ Window (read-only)
//! detect/  forecast/    pure functions of (params, window, now)
//! verdict/   fuses findings: state, cause, evidence, hysteresis
//!    ├─ alert/   dedup ── route/   rules, groups, silences, destinations
//!    ├─ pressure/  level, bytes, deadline → subscribers, who answer with what they freed
//!    ├─ recorder/  the black box: pinned history, incidents
//!    └─ api/     HTTP v1, OpenAPI, metrics, the web page      cli/  top, leaks, doctor ask it
//! ```
//!
//! `sources` never import each other nor anything above them; `detect`, `forecast`, `verdict` and
//! `history` do no IO, read no clock and cannot fail; only `app` wires; only `main` exits.

pub mod alert;
pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dashboards;
pub mod detect;
pub mod export;
pub mod forecast;
pub mod history;
pub mod kubernetes;
pub mod pressure;
pub mod recorder;
pub mod replay;
pub mod reports;
pub mod route;
pub mod sampler;
pub mod sources;
pub mod spool;
pub mod target;
pub mod units;
pub mod verdict;
pub mod view;
mod wire;
pub mod workload;
