//! The destination that is always there: one structured log event for each alert that is told.
//!
//! Warnings are logged at WARN, critical alerts at ERROR, and what is resolved at INFO. Input: the
//! alerts of a notice; text in them is already free of control characters.

use crate::route::notice::{Change, Reason, ToldAlert};
use crate::view::Severity;

/// Writes one alert, if there is anything new about it. Cost: that of one log event.
pub fn write(alert: &ToldAlert, reason: Reason) {
    let status = match alert.change {
        Change::New => "firing",
        Change::Escalated => "escalated",
        Change::Eased => "eased",
        Change::Unchanged if reason == Reason::Repeated => "still firing",
        Change::Resolved => "resolved",
        Change::Unchanged | Change::Renamed => return,
    };
    let verdict = alert.verdict.as_ref();
    let used_bytes = verdict.map(|v| v.used_bytes.0);
    let limit_bytes = verdict.and_then(|v| v.limit_bytes.bytes()).map(|limit| limit.0);
    let rate_bytes_per_s = verdict.map(|v| v.rate_bytes_per_s.0);
    let eta_p50_s = verdict.and_then(|v| v.eta_s).map(|eta| eta.p50);
    // The level of an event is part of its call site, hence a macro.
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                alert = %alert.name,
                status,
                target_id = %super::text::plain(&alert.target),
                used_bytes,
                limit_bytes,
                rate_bytes_per_s,
                eta_p50_s,
                "{}",
                alert.summary
            )
        };
    }
    match (alert.fires(), alert.severity) {
        (false, _) | (_, Severity::Info) => event!(info),
        (_, Severity::Warning) => event!(warn),
        (_, Severity::Critical) => event!(error),
    }
}
