//! Findings against one another.

use super::*;
use crate::verdict::testing;

/// Before anything was found.
fn report() -> Report {
    Report { allocator: None, ..testing::report() }
}

fn found(name: &str, confidence: f64, in_use: u64) -> Finding {
    let allocator = Allocator {
        name: name.to_owned(),
        version: None,
        detected_by: String::new(),
        confidence,
        in_use_bytes: Some(in_use),
        in_use_count: None,
        free_bytes: None,
        top_bytes: None,
        tcache_bytes: None,
        mmapped_bytes: None,
        mmapped_count: None,
        arenas: Vec::new(),
        size_classes: Vec::new(),
    };
    Finding { allocator: Some(allocator), ..Finding::default() }
}

#[test]
fn the_surest_allocator_is_shown_and_the_others_are_named() {
    let mut report = report();
    let runtime = Finding { runtime: Some("go".to_owned()), ..Finding::default() };
    fill(&mut report, vec![runtime, found("a", 0.6, 9), found("b", 0.99, 5), found("c", 0.99, 4)]);
    assert_eq!(report.allocator.unwrap().name, "b");
    assert_eq!(report.identity.runtime.as_deref(), Some("go"));
    assert_eq!(report.method.notes.len(), 2);
}

#[test]
fn without_an_allocator_the_report_says_so() {
    let mut report = report();
    fill(&mut report, Vec::new());
    assert!(report.allocator.is_none() && report.identity.runtime.is_none());
    assert!(report.method.notes[0].starts_with("no allocator"));
}
