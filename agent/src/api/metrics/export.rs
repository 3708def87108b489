//! What is exported by OTLP, and what became of it.

use super::Sheet;
use crate::view::{ExportView, LaneView};
use prometheus_client::metrics::MetricType::{self, Counter, Gauge};
use std::fmt;

/// One family of the signals: kind, name, help, and where the value is.
type Column = (MetricType, &'static str, &'static str, fn(&LaneView) -> f64);

/// `plimsoll_export*`; nothing where nothing is exported.
pub(super) fn write(sheet: &mut Sheet<'_>, of: &ExportView) -> fmt::Result {
    if !of.enabled {
        return Ok(());
    }
    sheet.counter("exports", "Exports of metrics that were made.", of.exports_total as f64)?;
    sheet.counter(
        "export_cpu_seconds",
        "CPU time of making exports: copying, encoding, compressing.",
        of.export_cpu_seconds_total,
    )?;
    sheet.gauge("export_entities", "Resources in the last export.", of.entities as f64)?;
    let omitted = of.omitted.iter().map(|(kind, n)| (vec![("entity", kind.as_str())], *n as f64));
    sheet.family(
        Gauge,
        "export_omitted",
        "Who was left out of the last export, to keep to its bounds.",
        omitted,
    )?;
    sheet.counter(
        "export_events_missed",
        "Events that were gone before they could be exported.",
        of.events_missed_total as f64,
    )?;
    let columns: [Column; 7] = [
        (Counter, "export_sent", "Requests that the collector took.", |l| l.sent_total as f64),
        (Counter, "export_sent_bytes", "Their size as sent.", |l| l.sent_bytes_total as f64),
        (Counter, "export_failed", "Attempts that failed.", |l| l.failed_total as f64),
        (
            Counter,
            "export_rejected",
            "Points and records that the collector did not take out of requests it took.",
            |l| l.rejected_total as f64,
        ),
        (Gauge, "export_queued", "Requests that wait.", |l| l.queued as f64),
        (Gauge, "export_queued_bytes", "Their size.", |l| l.queued_bytes as f64),
        (Gauge, "export_failing", "1 while the last attempt failed.", |l| {
            f64::from(u8::from(l.failing.is_some()))
        }),
    ];
    for (kind, name, help, value) in columns {
        let rows = of.lanes.iter().map(|l| (vec![("signal", l.signal.as_str())], value(l)));
        sheet.family(kind, name, help, rows)?;
    }
    let dropped = of.lanes.iter().flat_map(|lane| {
        ["full", "age", "refused", "damaged"].map(|reason| {
            let count = lane.dropped_total.get(reason).copied().unwrap_or(0);
            (vec![("signal", lane.signal.as_str()), ("reason", reason)], count as f64)
        })
    });
    sheet.family(Counter, "export_dropped", "Requests that were given up.", dropped)
}
