//! Alerts and incidents as log records, out of the events that the agent tells.

use super::{Model, SCHEMA_URL, scope, text};
use crate::export::catalog::Entity;
use crate::export::proto::{KeyValue, LogRecord, Resource, ResourceLogs, ScopeLogs, attribute};
use crate::view::{AlertView, Event, EventKind, IncidentSummary, Severity};

/// Severity numbers. Source: OpenTelemetry log data model.
const INFO: i32 = 9;
const WARN: i32 = 13;
const ERROR: i32 = 17;
const FATAL: i32 = 21;

impl Model {
    /// The alerts and incidents among `events`; None if there are none.
    #[must_use]
    pub fn logs(&self, events: &[Event], observed_ns: u64) -> Option<ResourceLogs> {
        let records = events.iter().filter_map(|event| record(event, observed_ns));
        let log_records: Vec<_> = records.collect();
        if log_records.is_empty() {
            return None;
        }
        Some(ResourceLogs {
            resource: Some(Resource { attributes: self.common.of(Entity::Agent) }),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope()),
                log_records,
                schema_url: SCHEMA_URL.into(),
            }],
            schema_url: SCHEMA_URL.into(),
        })
    }
}

fn record(event: &Event, observed_ns: u64) -> Option<LogRecord> {
    let record = match event.event {
        EventKind::Alert => alert(&serde_json::from_value(event.data.clone()).ok()?),
        EventKind::Incident => incident(&serde_json::from_value(event.data.clone()).ok()?),
        _ => return None,
    };
    let time_unix_nano = nanos(&event.at).unwrap_or(observed_ns);
    Some(LogRecord { time_unix_nano, observed_time_unix_nano: observed_ns, ..record })
}

fn alert(alert: &AlertView) -> LogRecord {
    let (severity_number, severity_text) = match (alert.firing, alert.severity) {
        (false, _) | (_, Severity::Info) => (INFO, "INFO"),
        (_, Severity::Warning) => (WARN, "WARN"),
        (_, Severity::Critical) if alert.name == "OomKill" => (FATAL, "FATAL"),
        (_, Severity::Critical) => (ERROR, "ERROR"),
    };
    let state = if alert.firing { "firing" } else { "resolved" };
    let mut attributes = vec![
        attribute("plimsoll.alert.name", alert.name.as_str()),
        attribute("plimsoll.alert.id", alert.id.as_str()),
        attribute("plimsoll.alert.state", state),
        attribute("plimsoll.alert.severity", alert.severity.name()),
        attribute("plimsoll.target", alert.target.as_str()),
    ];
    attributes.extend(text("plimsoll.alert.description", &alert.description));
    for (name, value) in &alert.labels {
        attributes.extend(text(named(name), value));
    }
    if let Some(verdict) = &alert.verdict {
        attributes.extend(verdict_of(verdict));
    }
    let resolved = if alert.firing { "" } else { "resolved: " };
    LogRecord {
        severity_number,
        severity_text: severity_text.to_owned(),
        body: Some(format!("{resolved}{}", alert.summary).as_str().into()),
        attributes,
        event_name: "plimsoll.alert".to_owned(),
        ..LogRecord::default()
    }
}

fn verdict_of(verdict: &crate::verdict::Verdict) -> Vec<KeyValue> {
    let mut own = vec![
        attribute("plimsoll.leak.growth", verdict.rate_bytes_per_s.0),
        attribute("plimsoll.leak.confidence", verdict.confidence),
        attribute("plimsoll.memory.usage", int(verdict.used_bytes.0)),
    ];
    let cause = serde_json::to_value(verdict.cause).ok();
    let cause = cause.as_ref().and_then(|cause| cause.as_str());
    own.extend(cause.map(|cause| attribute("plimsoll.leak.cause", cause)));
    let limit = verdict.limit_bytes.bytes();
    own.extend(limit.map(|limit| attribute("plimsoll.memory.limit", int(limit.0))));
    own.extend(verdict.eta_s.map(|eta| attribute("plimsoll.leak.time_to_limit", eta.p50)));
    own
}

fn incident(incident: &IncidentSummary) -> LogRecord {
    let mut attributes = vec![
        attribute("plimsoll.incident.id", incident.id.as_str()),
        attribute("plimsoll.incident.victims", incident.victims.join(", ").as_str()),
        attribute("plimsoll.incident.victims_total", int(incident.victims_total as u64)),
    ];
    let kind = serde_json::to_value(incident.kind).ok();
    attributes.extend(
        kind.as_ref()
            .and_then(|kind| kind.as_str())
            .map(|kind| attribute("plimsoll.incident.kind", kind)),
    );
    for (name, value) in
        [("plimsoll.cgroup.path", &incident.cgroup), ("plimsoll.workload", &incident.workload)]
    {
        attributes.extend(value.as_deref().and_then(|value| text(name, value)));
    }
    let limit = incident.limit_bytes.bytes();
    attributes.extend(limit.map(|limit| attribute("plimsoll.memory.limit", int(limit.0))));
    let ahead = incident.predicted_before_s;
    attributes.extend(ahead.map(|s| attribute("plimsoll.incident.predicted_before", s)));
    LogRecord {
        severity_number: FATAL,
        severity_text: "FATAL".to_owned(),
        body: Some(incident.summary.as_str().into()),
        attributes,
        event_name: "plimsoll.incident".to_owned(),
        ..LogRecord::default()
    }
}

fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The conventions' name for a label of an alert, or ours.
fn named(label: &str) -> String {
    match label {
        "pid" => "process.pid".to_owned(),
        "comm" => "process.command".to_owned(),
        "exe" => "process.executable.path".to_owned(),
        "cgroup" => "plimsoll.cgroup.path".to_owned(),
        label if label.contains('.') => label.to_owned(),
        label => format!("plimsoll.{label}"),
    }
}

/// Units: nanoseconds since the epoch.
pub(super) fn nanos(rfc3339: &str) -> Option<u64> {
    let at = rfc3339.parse::<jiff::Timestamp>().ok()?;
    u64::try_from(at.as_nanosecond()).ok()
}
