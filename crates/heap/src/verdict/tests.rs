//! Each cause over reports made up to have it, and those that must stay unknown.

use super::testing::report;
use super::*;
use crate::report::{ByType, Fragmentation, Leaks, Root, Rss, RssParts};
use serde_json::json;

const MIB: u64 = 1 << 20;

/// A native process: RSS, in use, free and resident, unreachable, all in MiB.
fn native(second: u32, rss: u64, in_use: u64, free: u64, lost: Option<u64>) -> Report {
    let mut report = report();
    report.taken_at = format!("2026-01-01T00:00:{second:02}Z");
    let parts = RssParts { heap: rss * MIB, ..RssParts::default() };
    report.rss = Some(Rss { total_bytes: rss * MIB, parts });
    let allocator = report.allocator.as_mut().unwrap();
    allocator.in_use_bytes = Some(in_use * MIB);
    report.fragmentation =
        Some(Fragmentation { free_resident_bytes: Some(free * MIB), ..Fragmentation::default() });
    if let Some(lost) = lost {
        report.method.freeze = "ptrace".to_owned();
        report.leaks = Some(Leaks {
            unreachable_bytes: lost * MIB,
            unreachable_count: lost,
            by_type: vec![ByType { name: "Session".to_owned(), bytes: lost * MIB, count: lost }],
            ..Leaks::default()
        });
    }
    report
}

fn jvm(second: u32, rss: u64, old: u64, capacity: u64) -> Report {
    let mut report = native(second, rss, 0, 0, None);
    report.allocator = None;
    report.fragmentation = None;
    let stats = json!({"old_used_bytes": old * MIB, "heap_capacity_bytes": capacity * MIB});
    report.runtime_stats.insert("jvm".to_owned(), stats);
    report
}

#[track_caller]
fn check(before: &Report, now: &Report, cause: &str, at_least: f64) {
    let verdict = judge(now, Some(before));
    assert_eq!(verdict.cause, cause, "{verdict:?}");
    assert!(verdict.confidence >= at_least, "{verdict:?}");
}

#[test]
fn unreachable_bytes_that_grow_with_the_rss_are_a_leak() {
    let before = native(0, 100, 80, 5, Some(10));
    check(&before, &native(30, 160, 138, 5, Some(68)), "heap_leak", 0.9);
}

#[test]
fn growth_that_is_all_reachable_is_retained_and_no_leak() {
    let before = native(0, 100, 80, 5, Some(10));
    check(&before, &native(30, 160, 138, 5, Some(10)), "retained_growth", 0.8);
}

#[test]
fn growth_in_use_without_a_walk_is_retained_with_less_confidence() {
    let (before, now) = (native(0, 100, 80, 5, None), native(30, 160, 138, 5, None));
    let verdict = judge(&now, Some(&before));
    assert_eq!(verdict.cause, "retained_growth");
    // Too little for the agent to give up a cause of its own for it.
    assert!(verdict.confidence < 0.5, "{verdict:?}");
}

#[test]
fn free_resident_memory_that_grows_while_use_is_flat_is_fragmentation() {
    let before = native(0, 100, 80, 10, Some(1));
    check(&before, &native(30, 160, 81, 69, Some(1)), "fragmentation", 0.8);
}

#[test]
fn a_managed_heap_that_grows_is_retained_and_one_that_stays_is_off_heap() {
    check(&jvm(0, 300, 50, 200), &jvm(30, 400, 148, 290), "retained_growth", 0.8);
    check(&jvm(0, 300, 50, 200), &jvm(30, 400, 51, 200), "off_heap", 0.8);
}

#[test]
fn a_go_heap_that_waits_to_be_released_is_not_off_heap() {
    let mut report = native(0, 400, 60, 0, None);
    let memstats = json!({
        "heap_alloc_bytes": 60 * MIB, "heap_inuse_bytes": 70 * MIB, "heap_idle_bytes": 330 * MIB,
        "heap_released_bytes": 10 * MIB, "stack_inuse_bytes": MIB,
    });
    report.runtime_stats.insert("go".to_owned(), json!({ "memstats": memstats }));
    assert_ne!(judge(&report, None).cause, "off_heap");
    let parts = RssParts { heap: 900 * MIB, ..RssParts::default() };
    report.rss = Some(Rss { total_bytes: 900 * MIB, parts });
    assert_eq!(judge(&report, None).cause, "off_heap");
}

#[test]
fn files_shared_memory_and_stacks_that_grow_are_named() {
    let before = native(0, 100, 80, 5, None);
    let grown = |change: fn(&mut RssParts)| {
        let mut now = native(30, 160, 80, 5, None);
        change(&mut now.rss.as_mut().unwrap().parts);
        now
    };
    check(&before, &grown(|parts| parts.file = 60 * MIB), "page_cache", 0.9);
    check(&before, &grown(|parts| parts.shmem = 60 * MIB), "shmem", 0.9);
    check(&before, &grown(|parts| parts.stacks = 60 * MIB), "threads", 0.9);
}

#[test]
fn what_is_large_reachable_and_stays_is_a_cache_that_is_full() {
    let before = native(0, 300, 280, 5, Some(0));
    check(&before, &native(30, 301, 281, 5, Some(0)), "cache_fill", 0.3);
}

#[test]
fn the_site_of_a_leak_is_the_program_s_own_and_not_its_language_s_library() {
    let frames = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let through =
        frames(&["operator new(unsigned long)", "std::string::assign", "handle (a.cc:8)"]);
    assert_eq!(site(&through), Some("handle (a.cc:8)"));
    let rust = frames(&["alloc::alloc::alloc", "<alloc::vec::Vec<T> as X>::y", "shop::sell"]);
    assert_eq!(site(&rust), Some("shop::sell"));
    assert_eq!(site(&frames(&["operator new[]"])), Some("operator new[]"));
    assert_eq!(site(&[]), None);
}

#[test]
fn one_report_alone_is_never_sure() {
    let leaking = judge(&native(0, 100, 90, 2, Some(80)), None);
    assert_eq!(leaking.cause, "heap_leak");
    assert!(leaking.confidence <= ALONE_MAX, "{leaking:?}");
    let torn = judge(&native(0, 200, 40, 150, None), None);
    assert_eq!(torn.cause, "fragmentation");
    assert!(torn.confidence <= ALONE_MAX, "{torn:?}");
    let mut held = native(0, 100, 90, 2, Some(0));
    let root = Root { name: ".bss sessions".to_owned(), retained_bytes: 80 * MIB, count: 9 };
    held.roots = Some(vec![root]);
    assert_eq!(judge(&held, None).cause, "retained_growth");
}

#[test]
fn a_healthy_process_and_an_empty_report_are_unknown() {
    assert_eq!(judge(&native(0, 100, 90, 3, Some(1)), None).cause, "unknown");
    assert_eq!(judge(&native(0, 8, 6, 1, None), None).cause, "unknown");
    let empty = judge(&report(), None);
    assert_eq!((empty.cause.as_str(), empty.confidence), ("unknown", 0.0));
}

#[test]
fn an_earlier_report_of_another_life_is_not_held_against_this_one() {
    let mut before = native(0, 100, 80, 5, Some(10));
    before.identity.start_time += 1;
    let verdict = judge(&native(30, 160, 138, 5, Some(10)), Some(&before));
    assert!(verdict.evidence.iter().all(|seen| !seen.what.starts_with("growth")), "{verdict:?}");
}

#[test]
fn a_leak_from_the_start_does_not_take_the_blame_for_what_grows_now() {
    let before = native(0, 100, 80, 5, Some(30));
    check(&before, &native(30, 160, 138, 5, Some(30)), "retained_growth", 0.8);
}

#[test]
fn a_small_program_that_lost_a_fifth_of_its_heap_leaks() {
    let verdict = judge(&native(0, 6, 5, 0, Some(1)), None);
    assert_eq!(verdict.cause, "heap_leak", "{verdict:?}");
    let of_mapped = |mapped: u64| {
        let mut report = native(0, 300, 5, 0, Some(1));
        report.allocator.as_mut().unwrap().mmapped_bytes = Some(mapped * MIB);
        judge(&report, None).cause
    };
    // Blocks with a mapping of their own are part of what it is a share of.
    assert_eq!((of_mapped(0).as_str(), of_mapped(250).as_str()), ("heap_leak", "unknown"));
}

#[test]
fn large_blocks_that_grow_are_growth_of_the_heap_too() {
    let with_mapped = |second, rss, mapped: u64| {
        let mut report = native(second, rss, 5, 1, Some(0));
        report.allocator.as_mut().unwrap().mmapped_bytes = Some(mapped * MIB);
        report
    };
    check(&with_mapped(0, 100, 80), &with_mapped(30, 160, 140), "retained_growth", 0.8);
}

#[test]
fn memory_that_a_native_program_mapped_past_malloc_is_off_its_heap() {
    let mapped = |second, rss, other: u64| {
        let mut report = native(second, rss, 1, 0, None);
        report.rss.as_mut().unwrap().parts.anon_other = other * MIB;
        report
    };
    assert_eq!(judge(&mapped(0, 80, 75), None).cause, "off_heap");
    check(&mapped(0, 80, 75), &mapped(30, 140, 135), "off_heap", 0.8);
    let unsure = |mut report: Report| {
        report.allocator.as_mut().unwrap().confidence = 0.6;
        report
    };
    let verdict = judge(&unsure(mapped(30, 140, 135)), Some(&unsure(mapped(0, 80, 75))));
    assert!(verdict.cause == "off_heap" && verdict.confidence < 0.5, "{verdict:?}");
    // There a runtime has its heap, or an allocator that cannot be read.
    let mut managed = mapped(0, 80, 75);
    managed.identity.runtime = Some("node".to_owned());
    assert_eq!(judge(&managed, None).cause, "unknown");
    let mut other = mapped(0, 80, 75);
    other.allocator.as_mut().unwrap().name = "mimalloc".to_owned();
    assert_eq!(judge(&other, None).cause, "unknown");
}
