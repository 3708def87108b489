//! Out to the world by OTLP: metrics, alerts and incidents as logs, the agent's work as traces.
//!
//! ```text
//! Watch ── gather   who is exported: suspects always, then the largest         choose: pure
//!    │ documents, one at a time
//! model             documents → messages, a resource for each entity             pure
//!    │ ResourceMetrics, encoded at once
//! batch             requests of at most 1 MiB, gzip
//!    │ bytes
//! lane              a queue on disk and a thread for each signal: sends, waits, gives up only on
//!    │              what is refused
//! otlp              one request: gRPC over HTTP/2 or protobuf over HTTP/1.1, TLS
//! ```
//!
//! Nothing here runs on the sampler's thread, and no request is ever held as messages: what an
//! export costs in memory is one batch, however many processes there are. Off by default.

pub mod batch;
pub mod catalog;
mod choose;
pub mod gather;
mod lane;
pub mod model;
mod otlp;
pub mod proto;
mod worker;

pub use otlp::endpoint_of;
pub use worker::{Exporter, ExporterHandle, Setup};

/// What can be exported; each has a queue, an endpoint and a thread of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Metrics,
    Logs,
    Traces,
}

impl Signal {
    pub const ALL: [Self; 3] = [Self::Metrics, Self::Logs, Self::Traces];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Traces => "traces",
        }
    }
}
