//! PagerDuty, Events API v2: one incident for each group, triggered while anything in it fires.
//!
//! Source: PagerDuty's developer documentation, "Send an alert event": `dedup_key` has at most 255
//! characters, `summary` 1,024, an event 512 KB.

use super::{Setting, cut, headline};
use crate::route::notice::{Notice, ToldAlert};
use crate::view::Severity;
use serde_json::{Value, json};

/// Alerts in the details.
const DETAILED_MAX: usize = 20;

pub(super) fn body(notice: &Notice, setting: Setting<'_>) -> Value {
    let dedup_key = format!("plimsoll-{}", notice.group_key);
    if !notice.current().any(ToldAlert::fires) {
        return json!({
            "routing_key": setting.routing_key,
            "event_action": "resolve",
            "dedup_key": dedup_key,
        });
    }
    let firing: Vec<&ToldAlert> = notice.current().filter(|alert| alert.fires()).collect();
    let severity = firing.iter().map(|alert| alert.severity).max().unwrap_or_default();
    let first = firing.first().copied();
    let label = |name: &str| first.and_then(|alert| alert.labels.get(name).cloned());
    let links: Vec<Value> = firing
        .iter()
        .filter_map(|alert| Some(json!({ "href": alert.link.as_ref()?, "text": alert.target })))
        .take(DETAILED_MAX)
        .collect();
    let details: Vec<Value> = notice.current().take(DETAILED_MAX).map(detail).collect();
    json!({
        "routing_key": setting.routing_key,
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "client": "Plimsoll",
        "client_url": notice.link,
        "links": links,
        "payload": {
            "summary": cut(&headline(notice), 1000),
            "source": notice.node,
            "severity": match severity {
                Severity::Critical => "critical",
                Severity::Warning => "warning",
                Severity::Info => "info",
            },
            "timestamp": first.map(|alert| alert.starts_at.as_str()),
            "component": first.map(|alert| cut(&alert.target, 200)),
            "group": label("workload").or_else(|| label("cgroup")),
            "class": first.map(|alert| alert.name.as_str()),
            "custom_details": {
                "alerts": details,
                "more_alerts": (notice.current().count() + notice.truncated_alerts)
                    .saturating_sub(DETAILED_MAX),
                "group": notice.group_labels,
            },
        },
    })
}

fn detail(alert: &ToldAlert) -> Value {
    json!({
        "status": alert.status,
        "name": alert.name,
        "severity": alert.severity,
        "description": cut(&alert.description, 1000),
        "labels": alert.labels,
    })
}
