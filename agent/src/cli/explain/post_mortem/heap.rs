//! What was seen inside the victim before its end: each heap report in a line, then what changed.

use super::Page;
use crate::cli::text::clean;
use crate::reports::compare;
use crate::view::{Incident, ReportState, ReportSummary, Stage};

/// Changes of one difference that are shown.
const CHANGES_MAX: usize = 6;

pub(super) fn heap(page: &mut Page, incident: &Incident) {
    let Some(heap) = &incident.heap else { return };
    page.section("Inside");
    for report in &heap.reports {
        let stage = match report.stage {
            Some(Stage::BeforeLimit) => "near limit",
            Some(Stage::Suspected) => "at first",
            None => "report",
        };
        page.item(stage, &line(report));
    }
    let Some(diff) = &heap.diff else { return };
    for change in compare::lines(diff).into_iter().take(CHANGES_MAX) {
        page.item("changed", &clean(&change));
    }
}

fn line(report: &ReportSummary) -> String {
    let id = clean(&report.id);
    if report.state != ReportState::Ready {
        let why = clean(report.why.as_deref().unwrap_or("it was not finished"));
        return format!("none: {why}");
    }
    let amounts = [
        ("resident", report.rss_bytes),
        ("in use", report.in_use_bytes),
        ("leaked", report.unreachable_bytes),
        ("could be given back", report.trimmable_bytes),
    ];
    let known = amounts.iter().filter_map(|(name, n)| n.map(|n| format!("{n} {name}")));
    let cause = report.cause.as_deref().map(|cause| clean(cause).replace('_', " "));
    let verdict = cause
        .map(|cause| format!("{cause}, {:.0} % sure", 100.0 * report.confidence.unwrap_or(0.0)));
    let parts: Vec<String> = known.chain(verdict).collect();
    format!("{} (report {id})", parts.join(", "))
}
