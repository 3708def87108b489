//! Alerts that stand, and the newest incidents.

use super::{Labels, Sheet, names};
use crate::view::{AlertView, IncidentSummary};
use prometheus_client::metrics::MetricType::Gauge;
use std::fmt;

/// Incidents that get rows, newest first.
const INCIDENTS_MAX: usize = 20;
/// Every alert that the agent raises by itself.
const ALERTS: [&str; 4] = ["LeakSuspected", "OomPredicted", "OomImminent", "OomKill"];

/// Zeros too, so that a rule never meets an absent series.
pub(super) fn write_alerts(sheet: &mut Sheet<'_>, alerts: &[AlertView]) -> fmt::Result {
    let rows = ALERTS.map(|name| {
        let firing = alerts.iter().filter(|alert| alert.firing && alert.name == name);
        (vec![("alert", name)], firing.count() as f64)
    });
    sheet.family(Gauge, "alerts_firing", "Alerts of the agent that stand now.", rows)
}

/// The label `incident` is what `plimsoll explain-oom` takes.
pub(super) fn write(sheet: &mut Sheet<'_>, all: &[IncidentSummary]) -> fmt::Result {
    sheet.gauge("incidents_kept", "Incidents that can be read.", all.len() as f64)?;
    let newest = || all.iter().take(INCIDENTS_MAX);
    let times = newest().filter_map(|incident| {
        let at: jiff::Timestamp = incident.at.parse().ok()?;
        Some((labels(incident), at.as_millisecond() as f64 / 1e3))
    });
    let help = "When the newest 20 incidents were, in Unix time.";
    sheet.family(Gauge, "incident_timestamp_seconds", help, times)?;
    let victims = newest().map(|i| (labels(i), i.victims_total as f64));
    sheet.family(Gauge, "incident_victims", "Processes killed in the incident.", victims)?;
    let limits = newest().filter_map(|i| Some((labels(i), i.limit_bytes.bytes()?.as_f64())));
    sheet.family(Gauge, "incident_limit_bytes", "The limit that was reached.", limits)?;
    let foretold = newest().filter_map(|i| Some((labels(i), i.predicted_before_s?)));
    let help = "How long before the kill it was foretold; absent where it was not.";
    sheet.family(Gauge, "incident_foretold_seconds", help, foretold)
}

fn labels(incident: &IncidentSummary) -> Labels<'_> {
    let mut labels = vec![
        ("incident", incident.id.as_str()),
        ("workload", incident.workload.as_deref().unwrap_or("")),
        ("cgroup", incident.cgroup.as_deref().unwrap_or("")),
        ("victim", incident.victims.first().map_or("", String::as_str)),
    ];
    labels.extend(names::of_labels(&incident.labels));
    labels
}
