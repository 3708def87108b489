//! What can be set of the export by OTLP, with its defaults, and what of it cannot go together.

use super::Secret;
use crate::units::Bytes;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub struct ExportConfig {
    pub enabled: bool,
    /// Empty: the protocol's own default on this machine.
    pub endpoint: String,
    pub protocol: ExportProtocol,
    /// `metrics`, `logs`, `traces`.
    pub signals: Vec<String>,
    /// Empty: the common one.
    pub metrics_endpoint: String,
    pub logs_endpoint: String,
    pub traces_endpoint: String,
    /// None: the common one.
    pub metrics_protocol: Option<ExportProtocol>,
    pub logs_protocol: Option<ExportProtocol>,
    pub traces_protocol: Option<ExportProtocol>,
    /// `name=value,name=value`.
    pub headers: Option<Secret>,
    pub headers_file: Option<PathBuf>,
    pub metrics_headers: Option<Secret>,
    pub logs_headers: Option<Secret>,
    pub traces_headers: Option<Secret>,
    pub ca_file: Option<PathBuf>,
    pub client_cert_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
    pub gzip: bool,
    pub timeout: Duration,
    pub interval: Duration,
    pub temporality: Temporality,
    pub profile: ExportProfile,
    /// `name=value`, on every resource.
    pub resource_attributes: Vec<String>,
    pub processes_max: usize,
    pub containers_max: usize,
    /// Of each signal.
    pub queue_size_max: Bytes,
    pub queue_age_max: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportProtocol {
    #[default]
    Grpc,
    Http,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    #[default]
    Cumulative,
    Delta,
}

/// Whose names the metrics have where conventions and a product differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportProfile {
    #[default]
    Standard,
    Datadog,
}

impl Default for ExportConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            endpoint: String::new(),
            protocol: ExportProtocol::Grpc,
            signals: ["metrics", "logs", "traces"].map(str::to_owned).to_vec(),
            metrics_endpoint: String::new(),
            logs_endpoint: String::new(),
            traces_endpoint: String::new(),
            metrics_protocol: None,
            logs_protocol: None,
            traces_protocol: None,
            headers: None,
            headers_file: None,
            metrics_headers: None,
            logs_headers: None,
            traces_headers: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            gzip: true,
            timeout: Duration::from_secs(10),
            interval: Duration::from_secs(60),
            temporality: Temporality::Cumulative,
            profile: ExportProfile::Standard,
            resource_attributes: Vec::new(),
            processes_max: 500,
            containers_max: 1000,
            queue_size_max: Bytes::mib(32),
            queue_age_max: Duration::from_secs(6 * 3600),
        }
    }
}

impl ExportConfig {
    /// What each key permits but not both: two keys, and what is wrong.
    #[must_use]
    pub(super) fn contradiction(&self) -> Option<(&'static str, &'static str, &'static str)> {
        let (cert, key) = ("export.otlp.client_cert_file", "export.otlp.client_key_file");
        match (&self.client_cert_file, &self.client_key_file) {
            (Some(_), None) => {
                Some((cert, key, "is of no use without export.otlp.client_key_file"))
            }
            (None, Some(_)) => {
                Some((key, cert, "is of no use without export.otlp.client_cert_file"))
            }
            _ => None,
        }
    }
}
