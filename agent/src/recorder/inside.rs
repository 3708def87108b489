//! Joins the heap reports that were taken of suspects to an incident. Waits for the disk: runs on
//! the recorder's thread.

use crate::reports::{ReportShelf, compare};
use crate::view::{HeapEvidence, Incident, ReportFound, ReportState, ReportSummary};
use plimsoll_heap::Report;
use std::sync::Arc;

/// Reports that one incident names.
const REPORTS_MAX: usize = 8;

/// Enters the reports that the incident's evidence names, and what changed between those of the
/// process that was looked into twice; a victim's before another's.
pub(super) fn join(incident: &mut Incident, shelf: &ReportShelf) {
    let ids = incident.evidence.iter().filter_map(|taken| taken.heap_report.clone());
    let mut ids: Vec<String> = ids.collect();
    // They begin with their time.
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return;
    }
    let known = shelf.list();
    let mut found: Vec<(ReportSummary, Option<Arc<Report>>)> = Vec::new();
    for id in ids.into_iter().take(REPORTS_MAX) {
        let Some(summary) = known.iter().find(|summary| summary.id == id) else {
            incident.notes.push(format!("heap report {id} is not kept any more"));
            continue;
        };
        if let Some(note) = shortcoming(summary) {
            incident.notes.push(note);
        }
        let report = match shelf.find(&id) {
            ReportFound::Ready(report) => Some(report),
            ReportFound::Unfinished(_) | ReportFound::None => None,
        };
        found.push((summary.clone(), report));
    }
    let victims: Vec<&str> =
        incident.victims.iter().filter_map(|victim| victim.target.as_deref()).collect();
    let diff = twice_seen(&found, &victims).map(|(first, last)| compare::document(first, last));
    let reports = found.into_iter().map(|(summary, _)| summary).collect();
    incident.heap = Some(HeapEvidence { reports, diff });
}

fn shortcoming(summary: &ReportSummary) -> Option<String> {
    let id = &summary.id;
    match summary.state {
        ReportState::Ready => None,
        ReportState::Running => Some(format!("heap report {id} was still being taken")),
        ReportState::Refused => {
            let why = summary.why.as_deref().unwrap_or("it failed");
            Some(format!("heap report {id} was not taken: {why}"))
        }
    }
}

/// The first and the last report of the process of which there are two.
fn twice_seen<'a>(
    found: &'a [(ReportSummary, Option<Arc<Report>>)],
    victims: &[&str],
) -> Option<(&'a Report, &'a Report)> {
    let pair = |target: &str| {
        let mut own = found
            .iter()
            .filter(|(summary, _)| summary.target == target)
            .filter_map(|(_, r)| r.as_deref());
        let first = own.next()?;
        Some((first, own.next_back()?))
    };
    let of_victims = victims.iter().find_map(|target| pair(target));
    of_victims.or_else(|| found.iter().find_map(|(summary, _)| pair(&summary.target)))
}
