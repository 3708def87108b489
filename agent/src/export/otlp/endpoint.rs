//! Where the requests of a signal go.

use crate::config::{ExportConfig, ExportProtocol};
use crate::export::Signal;
use std::fmt;

/// An address in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub tls: bool,
    /// Without brackets.
    pub host: String,
    pub port: u16,
    pub path: String,
}

/// How requests of a signal are sent.
#[must_use]
pub fn protocol_of(config: &ExportConfig, signal: Signal) -> ExportProtocol {
    let own = match signal {
        Signal::Metrics => config.metrics_protocol,
        Signal::Logs => config.logs_protocol,
        Signal::Traces => config.traces_protocol,
    };
    own.unwrap_or(config.protocol)
}

/// The address of a signal. Source: OTLP exporter configuration, "Endpoint URLs for OTLP/HTTP": the
/// common one gets `/v1/SIGNAL` added, a signal's own is used as it is.
///
/// # Errors
/// When what is configured is no address.
pub fn endpoint_of(config: &ExportConfig, signal: Signal) -> Result<Endpoint, String> {
    let own = match signal {
        Signal::Metrics => &config.metrics_endpoint,
        Signal::Logs => &config.logs_endpoint,
        Signal::Traces => &config.traces_endpoint,
    };
    let grpc = protocol_of(config, signal) == ExportProtocol::Grpc;
    let default = if grpc { "http://localhost:4317" } else { "http://localhost:4318" };
    let (text, common) = match (own.is_empty(), config.endpoint.is_empty()) {
        (false, _) => (own.as_str(), false),
        (true, false) => (config.endpoint.as_str(), true),
        (true, true) => (default, true),
    };
    let wrong = || "the endpoint makes no sense".to_owned();
    let uri = text.parse::<axum::http::Uri>().map_err(|_| wrong())?;
    let tls = uri.scheme_str() == Some("https");
    let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let given = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = match (grpc, common) {
        (true, _) => service(signal).to_owned(),
        (false, true) => format!("{}/v1/{}", given.trim_end_matches('/'), signal.name()),
        (false, false) => given.to_owned(),
    };
    Ok(Endpoint { tls, host, port, path })
}

const fn service(signal: Signal) -> &'static str {
    match signal {
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    }
}

impl Endpoint {
    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub(super) fn uri(&self) -> String {
        format!("{self}{}", self.path)
    }
}

/// Without the path, which may hold a secret.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(config: &ExportConfig, signal: Signal) -> String {
        endpoint_of(config, signal).unwrap().uri()
    }

    #[test]
    fn the_common_address_gets_the_signal_and_a_signals_own_is_used_as_it_is() {
        let mut config = ExportConfig { protocol: ExportProtocol::Http, ..ExportConfig::default() };
        assert_eq!(shown(&config, Signal::Logs), "http://localhost:4318/v1/logs");
        config.endpoint = "https://otlp.example/prefix/".into();
        config.metrics_endpoint = "https://metrics.example:8443".into();
        let metrics = shown(&config, Signal::Metrics);
        assert_eq!(metrics, "https://metrics.example:8443/");
        let traces = shown(&config, Signal::Traces);
        assert_eq!(traces, "https://otlp.example:443/prefix/v1/traces");
        config.logs_protocol = Some(ExportProtocol::Grpc);
        assert_eq!(shown(&config, Signal::Traces), "https://otlp.example:443/prefix/v1/traces");
        config.endpoint = "http://[::1]:4317".into();
        assert!(shown(&config, Signal::Logs).starts_with("http://[::1]:4317/opentelemetry."));
    }
}
