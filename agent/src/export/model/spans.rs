//! The agent's own work as traces of one span each: heap reports taken, notices delivered.

use super::logs::nanos;
use super::{Model, SCHEMA_URL, scope, text};
use crate::export::catalog::Entity;
use crate::export::proto::{
    CLIENT, ERROR, INTERNAL, OK, Resource, ResourceSpans, ScopeSpans, Span, SpanStatus, attribute,
};
use crate::view::{DeliveryView, Event, EventKind, ReportState, ReportSummary};

impl Model {
    /// What was done; None if nothing was. `ids` gives 16 random bytes and 8 for each span.
    #[must_use]
    pub fn spans(
        &self,
        events: &[Event],
        deliveries: &[DeliveryView],
        mut ids: impl FnMut() -> ([u8; 16], [u8; 8]),
    ) -> Option<ResourceSpans> {
        let reports = events.iter().filter(|event| event.event == EventKind::Report);
        let mut spans: Vec<Span> = reports.filter_map(report).collect();
        spans.extend(deliveries.iter().map(delivery));
        if spans.is_empty() {
            return None;
        }
        for span in &mut spans {
            let (trace, own) = ids();
            (span.trace_id, span.span_id) = (trace.to_vec(), own.to_vec());
        }
        Some(ResourceSpans {
            resource: Some(Resource { attributes: self.common.of(Entity::Agent) }),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope()),
                spans,
                schema_url: SCHEMA_URL.into(),
            }],
            schema_url: SCHEMA_URL.into(),
        })
    }
}

fn report(event: &Event) -> Option<Span> {
    let report: ReportSummary = serde_json::from_value(event.data.clone()).ok()?;
    if report.state == ReportState::Running {
        return None;
    }
    let end = nanos(&event.at)?;
    let start = nanos(&report.at).filter(|start| *start <= end).unwrap_or(end);
    let mut attributes = vec![
        attribute("process.pid", i64::from(report.pid)),
        attribute("plimsoll.target", report.target.as_str()),
        attribute("plimsoll.report.id", report.id.as_str()),
        attribute("plimsoll.report.level", i64::from(report.level)),
    ];
    attributes.extend(report.comm.as_deref().and_then(|comm| text("process.command", comm)));
    let pause = report.pause_us.map(|us| attribute("plimsoll.report.pause", us as f64 / 1e6));
    attributes.extend(pause);
    Some(Span {
        name: "take heap report".to_owned(),
        kind: INTERNAL,
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        attributes,
        status: Some(status(report.why.as_deref())),
        ..Span::default()
    })
}

fn delivery(delivery: &DeliveryView) -> Span {
    let ns = |ms: i64| u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000);
    Span {
        name: "deliver alert".to_owned(),
        kind: CLIENT,
        start_time_unix_nano: ns(delivery.began_ms),
        end_time_unix_nano: ns(delivery.ended_ms.max(delivery.began_ms)),
        attributes: vec![
            attribute("plimsoll.destination", delivery.destination.as_str()),
            attribute("plimsoll.notice.id", delivery.notice.as_str()),
        ],
        status: Some(status(delivery.failed.as_deref())),
        ..Span::default()
    }
}

fn status(failed: Option<&str>) -> SpanStatus {
    match failed {
        Some(why) => SpanStatus { message: why.to_owned(), code: ERROR },
        None => SpanStatus { message: String::new(), code: OK },
    }
}
