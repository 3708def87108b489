//! Alertmanager, API v2: a list of alerts, known there by their labels.
//!
//! Source: Alertmanager's OpenAPI document, `postableAlerts`. A label must not be empty and an end
//! not lie before its start, or the whole list is refused. What fires has an end too, a few resends
//! ahead, so that it ends there if the agent is no more; it is set when the list is sent, not when
//! it was queued.

use super::Setting;
use crate::clock::rfc3339_of_unix_ms;
use crate::route::notice::{Notice, ToldAlert};
use serde_json::{Map, Value, json};

/// An alert ends after this many resends that did not come.
const RESENDS_MISSED: i64 = 4;

pub(super) fn body(notice: &Notice, setting: Setting<'_>) -> Value {
    notice.alerts.iter().map(|alert| one(alert, setting)).collect()
}

fn one(alert: &ToldAlert, setting: Setting<'_>) -> Value {
    let full = |(name, value): (&String, &String)| {
        (!value.is_empty()).then(|| (name.clone(), Value::from(value.clone())))
    };
    let labels: Map<String, Value> = alert.labels.iter().filter_map(full).collect();
    let millis = |text: &str| text.parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond());
    let starts = millis(&alert.starts_at).unwrap_or(setting.now_ms);
    let ends = if alert.fires() {
        let resend = i64::try_from(setting.resend.as_millis()).unwrap_or(60_000);
        setting.now_ms.saturating_add(resend.saturating_mul(RESENDS_MISSED))
    } else {
        alert.ends_at.as_deref().and_then(millis).unwrap_or(setting.now_ms).min(setting.now_ms)
    };
    let mut annotations = Map::new();
    for (name, text) in [("summary", &alert.summary), ("description", &alert.description)] {
        if !text.is_empty() {
            annotations.insert(name.into(), text.as_str().into());
        }
    }
    let mut posted = json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": rfc3339_of_unix_ms(starts),
        "endsAt": rfc3339_of_unix_ms(ends.max(starts)),
    });
    if let Some(link) = &alert.link {
        posted["generatorURL"] = link.as_str().into();
    }
    posted
}
