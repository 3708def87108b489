//! What a collector answers: how much of a request it did not take, and when to come back.
//!
//! Source: opentelemetry-proto 1.9, `collector/*/v1`; googleapis `rpc/status.proto` and
//! `rpc/error_details.proto`. The bytes are another's: what makes no sense counts as not said.

use prost::Message;
use std::time::Duration;

/// The answer to a request of any signal: all three have this shape.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ExportAnswer {
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub rejected: i64,
    #[prost(string, tag = "2")]
    pub error_message: String,
}

/// `google.rpc.Status`: the body of an HTTP error, and a trailer of gRPC.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Detail>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct Detail {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub retry_delay: Option<Delay>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct Delay {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl RpcStatus {
    /// How long the other side asks to be left alone.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        let detail = self.details.iter().find(|d| d.type_url.ends_with("google.rpc.RetryInfo"))?;
        let delay = RetryInfo::decode(detail.value.as_slice()).ok()?.retry_delay?;
        let nanos = u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999);
        Some(Duration::new(u64::try_from(delay.seconds).unwrap_or(0), nanos))
    }
}
