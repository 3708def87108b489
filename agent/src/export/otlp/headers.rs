//! The headers of a request: from the configuration, and from the file it names.

use crate::config::{ExportConfig, Secret};
use crate::export::Signal;
use crate::export::model::decoded;
use crate::sources::read_bounded;
use axum::http::{HeaderName, HeaderValue};

const FILE_BYTES_MAX: usize = 16 * 1024;

/// Those of all signals first, so that those of this one replace them.
pub(super) fn of(
    config: &ExportConfig,
    signal: Signal,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut all = Vec::new();
    let own = match signal {
        Signal::Metrics => &config.metrics_headers,
        Signal::Logs => &config.logs_headers,
        Signal::Traces => &config.traces_headers,
    };
    let file = match &config.headers_file {
        Some(path) => {
            let bytes = read_bounded(path, FILE_BYTES_MAX).map_err(|e| e.to_string())?;
            String::from_utf8(bytes).map_err(|_| format!("{} is not text", path.display()))?
        }
        None => String::new(),
    };
    let common = config.headers.as_ref().map_or("", Secret::expose).split(',');
    let lines = file.lines().filter(|line| !line.trim_start().starts_with('#'));
    let own = own.as_ref().map_or("", Secret::expose).split(',');
    for pair in common.chain(lines).chain(own).filter(|pair| !pair.trim().is_empty()) {
        // The message names no value: it may be half of a secret.
        let wrong = || "a header is not name=value".to_owned();
        let (name, value) = decoded(pair).ok_or_else(wrong)?;
        let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes());
        let mut value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        all.push((name.map_err(|_| wrong())?, value));
    }
    Ok(all)
}
