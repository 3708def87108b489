//! The alert sink that is always there: one structured log event for each change.
//!
//! Warnings are logged at WARN, critical alerts at ERROR, and what is resolved at INFO. Input: the
//! changes that [`super::Alerts`] returned; text in them is already free of control characters.

use super::{AlertChange, ChangeKind};
use crate::view::Severity;

/// Writes one change. Cost: that of one log event.
pub fn write(change: &AlertChange) {
    let alert = &change.alert;
    let status = match change.kind {
        ChangeKind::Firing => "firing",
        ChangeKind::Escalated => "escalated",
        ChangeKind::Repeated => "still firing",
        ChangeKind::Resolved => "resolved",
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
    match (change.kind, alert.severity) {
        (ChangeKind::Resolved, _) | (_, Severity::Info) => event!(info),
        (_, Severity::Warning) => event!(warn),
        (_, Severity::Critical) => event!(error),
    }
}
