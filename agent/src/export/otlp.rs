//! One request to a collector, and what its answer means. Source: OTLP specification 1.9.
//!
//! Two ways over the same connection code: protobuf over HTTP/1.1, and unary gRPC, which is a POST
//! over HTTP/2 with five bytes before the message and the status in the trailers. Files with
//! secrets and certificates are read for each request, so that what was replaced is used at once;
//! what is said of a failure holds nothing that was sent. Redirects are not followed, proxies not
//! used.

mod answer;
mod connect;
mod endpoint;
mod headers;
#[cfg(test)]
mod tests;

pub use endpoint::{Endpoint, endpoint_of, protocol_of};

use super::Signal;
use super::batch::is_gzip;
use crate::config::{ExportConfig, ExportProtocol};
use axum::http::{HeaderName, HeaderValue, Method, Request, header};
use connect::{Reply, exchange};
use http_body_util::Full;
use hyper::body::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// How an attempt came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Taken, but for so many points or records.
    Delivered { rejected: u64, why: Option<String> },
    /// It may go well later.
    Failed { why: String, after: Option<Duration> },
    /// It never will.
    Refused { why: String },
}

/// Who sends one signal.
#[derive(Debug)]
pub(super) struct Client {
    signal: Signal,
    config: Arc<ExportConfig>,
}

impl Client {
    pub(super) const fn new(signal: Signal, config: Arc<ExportConfig>) -> Self {
        Self { signal, config }
    }

    /// Scheme, host and port; none of them is secret.
    pub(super) fn endpoint(&self) -> String {
        endpoint_of(&self.config, self.signal).map_or_else(|why| why, |own| own.to_string())
    }

    /// Sends once. Cost: at most the configured timeout.
    pub(super) async fn send(&self, request: &[u8], now_unix_s: i64) -> Outcome {
        let failed = |why| Outcome::Failed { why, after: None };
        let attempt = async {
            let endpoint = endpoint_of(&self.config, self.signal)?;
            let request = self.request(&endpoint, request)?;
            exchange(&endpoint, &self.config, self.is_grpc(), request).await
        };
        match tokio::time::timeout(self.config.timeout, attempt).await {
            Err(_) => failed("no answer in time".to_owned()),
            Ok(Err(why)) => failed(why),
            Ok(Ok(reply)) => self.judge(&reply, now_unix_s),
        }
    }

    fn is_grpc(&self) -> bool {
        protocol_of(&self.config, self.signal) == ExportProtocol::Grpc
    }

    fn judge(&self, reply: &Reply, now_unix_s: i64) -> Outcome {
        if self.is_grpc() {
            answer::of_grpc(reply, now_unix_s)
        } else {
            answer::of_http(reply, now_unix_s)
        }
    }

    fn request(&self, to: &Endpoint, body: &[u8]) -> Result<Request<Full<Bytes>>, String> {
        let grpc = self.is_grpc();
        let gzip = is_gzip(body);
        let bytes = if grpc { framed(body, gzip) } else { Bytes::copy_from_slice(body) };
        // HTTP/1.1 names the host in a header, HTTP/2 in the address.
        let uri = if grpc { to.uri() } else { to.path.clone() };
        let mut builder = Request::builder().method(Method::POST).uri(uri);
        let headers = builder.headers_mut().ok_or("the address makes no sense")?;
        for (name, value) in headers::of(&self.config, self.signal)? {
            headers.insert(name, value);
        }
        let mut set = |name: HeaderName, value: &'static str| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        set(header::USER_AGENT, concat!("OTel-OTLP-Exporter-Plimsoll/", env!("CARGO_PKG_VERSION")));
        if grpc {
            set(header::CONTENT_TYPE, "application/grpc");
            set(header::TE, "trailers");
            if gzip {
                set(HeaderName::from_static("grpc-encoding"), "gzip");
            }
            let timeout = format!("{}m", self.config.timeout.as_millis());
            let timeout = HeaderValue::from_str(&timeout).map_err(|e| e.to_string())?;
            headers.insert(HeaderName::from_static("grpc-timeout"), timeout);
        } else {
            set(header::CONTENT_TYPE, "application/x-protobuf");
            if gzip {
                set(header::CONTENT_ENCODING, "gzip");
            }
            let host = HeaderValue::from_str(&to.authority()).map_err(|e| e.to_string())?;
            headers.insert(header::HOST, host);
        }
        builder.body(Full::new(bytes)).map_err(|_| "the address makes no sense".to_owned())
    }
}

/// A message as gRPC sends it: whether it is compressed, its length, itself. Source: gRPC over
/// HTTP2, "Length-Prefixed-Message".
fn framed(body: &[u8], gzip: bool) -> Bytes {
    let mut bytes = Vec::with_capacity(body.len() + 5);
    bytes.push(u8::from(gzip));
    // The queue's bound on one entry is far below 4 GiB.
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes.into()
}
