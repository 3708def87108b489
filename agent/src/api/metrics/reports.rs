//! What the taking of heap reports came to.

use super::Sheet;
use crate::view::ReportFigures;
use prometheus_client::metrics::MetricType::Counter;
use std::fmt;

/// `plimsoll_heap_report*`.
pub(super) fn write(sheet: &mut Sheet<'_>, of: &ReportFigures) -> fmt::Result {
    let taken = of.taken_total.iter();
    let taken = taken.map(|(level, n)| (vec![("level", level.as_str())], *n as f64));
    sheet.family(Counter, "heap_reports", "Heap reports taken, by level.", taken)?;
    sheet.counter(
        "heap_reports_refused",
        "Heap reports that could not be taken.",
        of.refused_total as f64,
    )?;
    sheet.counter(
        "heap_reports_declined",
        "Heap reports not taken up: too many or too soon.",
        of.declined_total as f64,
    )?;
    sheet.counter("heap_report_seconds", "Time spent taking heap reports.", of.seconds_total)?;
    sheet.counter(
        "heap_report_pause_seconds",
        "Time for which processes stood still for heap reports.",
        of.pause_seconds_total,
    )?;
    sheet.gauge("heap_reports_kept", "Heap reports that are kept.", of.kept as f64)?;
    sheet.gauge("heap_reports_kept_bytes", "Their size on disk.", of.kept_bytes.as_f64())?;
    sheet.counter(
        "heap_reports_deleted",
        "Heap reports deleted to keep to number, bytes and age.",
        of.deleted_total as f64,
    )?;
    sheet.counter(
        "heap_report_write_failures",
        "Heap reports that could not be written to disk.",
        of.write_failures_total as f64,
    )
}
