//! What became of the notices of alerts, by destination.

use super::{Labels, Sheet};
use crate::view::DestinationView;
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use std::fmt;

pub(super) fn write(
    sheet: &mut Sheet<'_>,
    all: &[DestinationView],
    silences: usize,
) -> fmt::Result {
    sheet.gauge("silences", "Silences that hold now.", silences as f64)?;
    let rows =
        |value: fn(&DestinationView) -> f64| all.iter().map(move |own| (labels(own), value(own)));
    sheet.family(
        Counter,
        "notices_sent",
        "Notices that the destination took.",
        rows(|own| own.sent_total as f64),
    )?;
    sheet.family(
        Counter,
        "notices_failed",
        "Attempts to deliver a notice that failed.",
        rows(|own| own.failed_total as f64),
    )?;
    let dropped = all.iter().flat_map(|own| {
        let of_reason = |reason: &'static str| {
            let count = own.dropped_total.get(reason).copied().unwrap_or(0);
            (vec![("destination", own.name.as_str()), ("reason", reason)], count as f64)
        };
        ["full", "age", "refused", "damaged"].map(of_reason)
    });
    sheet.family(Counter, "notices_dropped", "Notices that were given up.", dropped)?;
    sheet.family(
        Gauge,
        "notices_queued",
        "Notices that wait to be delivered.",
        rows(|own| own.queued as f64),
    )?;
    sheet.family(
        Gauge,
        "notices_queued_bytes",
        "Size of the notices that wait.",
        rows(|own| own.queued_bytes as f64),
    )
}

fn labels(own: &DestinationView) -> Labels<'_> {
    vec![("destination", own.name.as_str())]
}
