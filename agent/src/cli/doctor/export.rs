//! Looks whether what is exported could leave this machine: addresses that make sense and answer.
//!
//! Connects and sends nothing.

use super::destinations::connect;
use super::{Check, Level};
use crate::config::ExportConfig;
use crate::export::{Signal, endpoint_of};
use crate::sources::read_bounded;

const WHY: &str =
    "metrics that do not leave are on no dashboard; what cannot be sent waits on disk";
const FILE_BYTES_MAX: usize = 4 << 20;

/// None where nothing is exported.
pub(super) fn check(config: &ExportConfig) -> Option<Check> {
    if !config.enabled {
        return None;
    }
    let mut endpoints = Vec::new();
    let mut troubles = Vec::new();
    for signal in Signal::ALL {
        if !config.signals.iter().any(|name| name == signal.name()) {
            continue;
        }
        match endpoint_of(config, signal) {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(why) => troubles.push(format!("{}: {why}", signal.name())),
        }
    }
    endpoints.dedup_by_key(|endpoint| endpoint.to_string());
    for endpoint in &endpoints {
        troubles.extend(connect(&endpoint.authority()).err());
    }
    let files =
        [&config.headers_file, &config.ca_file, &config.client_cert_file, &config.client_key_file];
    for path in files.into_iter().flatten() {
        troubles.extend(read_bounded(path, FILE_BYTES_MAX).err().map(|e| e.to_string()));
    }
    let (name, why) = ("export by OTLP", WHY);
    Some(if troubles.is_empty() {
        let shown: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
        let what = match shown.as_slice() {
            [] => "no signal is chosen".to_owned(),
            shown => format!("{} can be reached", shown.join(", ")),
        };
        Check { name, level: Level::Ok, what, why, todo: None }
    } else {
        let todo = Some("mend export.otlp.*, or start the collector".to_owned());
        Check { name, level: Level::Warn, what: troubles.join("\n"), why, todo }
    })
}
