//! What reports of real programs say is the matter, and what to do about it.

use plimsoll_heap::Report;
use plimsoll_heap::render::text;
use plimsoll_heap::take::{Options, take};

use crate::workshop::{Running, started};

fn report(running: &Running, level: u8) -> Report {
    let options = Options { level, max_pause_ms: 20_000, ..Options::default() };
    take(&running.opened(), &options, &mut |_| ()).expect("a report")
}

fn cause(report: &Report) -> &str {
    &report.verdict.as_ref().expect("a verdict").cause
}

#[test]
fn a_small_program_that_loses_a_part_of_its_heap_is_called_a_leak() {
    let Some(running) = started("lost.c", &[], &["chain", "10000"]) else { return };
    let blind = report(&running, 0);
    assert_eq!(cause(&blind), "unknown");
    assert!(text(&blind).contains("--level 1"), "{}", text(&blind));
    let walked = report(&running, 1);
    assert_eq!(cause(&walked), "heap_leak", "{:?}", walked.verdict);
    assert!(text(&walked).contains("--level 2"), "{}", text(&walked));
}

#[test]
fn what_a_program_maps_past_malloc_is_not_taken_for_its_heap() {
    let Some(running) = started("past.c", &[], &["80"]) else { return };
    let report = report(&running, 1);
    assert_eq!(cause(&report), "off_heap", "{:?}", report.verdict);
    assert_eq!(report.leaks.as_ref().map(|leaks| leaks.unreachable_count), Some(0));
    assert!(text(&report).contains("mmap"), "{}", text(&report));
}

#[test]
fn a_program_that_loses_nothing_is_not_called_a_leak() {
    let Some(running) = started("lost.c", &[], &["plain", "0"]) else { return };
    let report = report(&running, 1);
    assert_ne!(cause(&report), "heap_leak", "{:?}", report.verdict);
    assert!(text(&report).contains("every block of glibc's malloc is reachable"));
}
