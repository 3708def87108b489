//! Which of several findings the report shows as the allocator and the runtime.

use crate::report::{Allocator, Report};
use crate::scene::Finding;

/// Fills allocator, fragmentation, runtime and statistics in. Of several allocators the one that is
/// surest to serve the program's blocks is shown; a note names the others.
pub(super) fn fill(report: &mut Report, findings: Vec<Finding>) {
    let mut best: Option<Finding> = None;
    for mut finding in findings {
        if let Some((name, stats)) = finding.stats.take() {
            report.runtime_stats.insert(name, stats);
        }
        if report.identity.runtime.is_none() {
            report.identity.runtime = finding.runtime.take();
        }
        if finding.allocator.is_none() {
            continue;
        }
        let loser = match &best {
            Some(chosen) if weight(chosen) >= weight(&finding) => Some(finding),
            _ => best.replace(finding),
        };
        if let Some(allocator) = loser.and_then(|finding| finding.allocator) {
            report.method.notes.push(beside(&allocator));
        }
    }
    match best {
        Some(chosen) => {
            report.allocator = chosen.allocator;
            report.fragmentation = chosen.fragmentation;
            report.identity.runtime.get_or_insert_with(|| "native".to_owned());
        }
        None => {
            let note = "no allocator that can be read from outside was found: only the split of \
                        the resident set is known";
            report.method.notes.push(note.to_owned());
        }
    }
}

/// Surest first; of equally sure ones the one that holds more.
fn weight(finding: &Finding) -> (u64, u64) {
    let Some(allocator) = &finding.allocator else { return (0, 0) };
    let percent = (allocator.confidence.clamp(0.0, 1.0) * 100.0).round() as u64;
    (percent, held(allocator))
}

fn held(allocator: &Allocator) -> u64 {
    allocator.in_use_bytes.unwrap_or(0) + allocator.mmapped_bytes.unwrap_or(0)
}

fn beside(allocator: &Allocator) -> String {
    format!("{} is there as well and has {} bytes in use", allocator.name, held(allocator))
}

#[cfg(test)]
mod tests;
