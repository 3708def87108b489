//! The place that leaks, among churn, in programs of several kinds.

use std::time::Duration;

use crate::programs::{first, started};

const WINDOW: Duration = Duration::from_secs(3);

#[test]
fn one_leak_in_200_operations_is_found_without_frame_pointers_and_nobody_else_is_blamed() {
    let Some(running) = started("leaky.c", &["-g"], &["200000", "200"]) else { return };
    let report = running.report(WINDOW);
    let (stack, share) = first(&report);
    assert!(stack.frames[0].starts_with("the_place_that_leaks (leaky.c:"), "{stack:?}");
    assert!(share >= 0.95, "{share} {:?}", report.leaks);
    // Some 1,000 a second; on a busy machine fewer.
    assert!((300..8000).contains(&stack.count), "{} {:?}", stack.count, report.method.notes);
    assert!(report.method.window_s.is_some_and(|s| s >= 0.5), "{:?}", report.method);
    // All of it is of after the window: what was lost in it is in use, and resident.
    let lost = report.leaks.as_ref().unwrap().unreachable_bytes;
    let in_use = report.allocator.as_ref().and_then(|allocator| allocator.in_use_bytes);
    assert!(in_use.is_some_and(|in_use| in_use >= lost), "{lost} {in_use:?}");
    assert!(report.rss.is_some_and(|rss| rss.total_bytes >= lost), "{lost}");
}

#[test]
fn several_threads_and_all_they_can_do_change_nothing_in_it() {
    let Some(running) = started("leaky.c", &[], &["0", "200", "4"]) else { return };
    let report = running.report(WINDOW);
    let (stack, share) = first(&report);
    assert_eq!(stack.frames[0], "the_place_that_leaks");
    assert!(share >= 0.95, "{share}");
}

#[test]
fn a_static_program_is_watched_by_its_own_symbols() {
    let Some(running) = started("leaky.c", &["-static"], &["100000", "100"]) else { return };
    let report = running.report(WINDOW);
    let (stack, share) = first(&report);
    assert_eq!(stack.frames[0], "the_place_that_leaks");
    assert!(share >= 0.95, "{share}");
}

#[test]
fn without_symbols_in_a_static_program_level_1_is_given_and_the_reason() {
    let Some(running) = started("leaky.c", &["-static", "-s"], &["1000", "10"]) else { return };
    let report = running.report(WINDOW);
    assert_eq!((report.method.level, report.method.window_s), (1, None));
    let said = report.method.notes.iter().any(|note| note.contains("no symbols for malloc"));
    assert!(said && !report.method.complete, "{:?}", report.method.notes);
    assert!(report.leaks.is_some_and(|leaks| leaks.by_stack.is_empty()));
}

#[test]
fn stacks_lead_through_the_cxx_library_to_the_method_that_allocates() {
    let Some(running) = started("leaky.cpp", &["-g"], &["20"]) else { return };
    let report = running.report(WINDOW);
    let leaks = report.leaks.as_ref().unwrap();
    let (stack, _) = first(&report);
    assert!(stack.frames[0].starts_with("operator new("), "{stack:?}");
    let takes = |frames: &[String]| frames.iter().any(|frame| frame.contains("shop::Desk::take"));
    let of_take: u64 =
        leaks.by_stack.iter().filter(|stack| takes(&stack.frames)).map(|stack| stack.count).sum();
    let all: u64 = leaks.by_stack.iter().map(|stack| stack.count).sum();
    assert!(of_take * 100 >= all * 95, "{of_take} of {all}: {:?}", leaks.by_stack);
    assert!(stack.frames.iter().any(|frame| frame.starts_with("main (leaky.cpp:")), "{stack:?}");
}

#[test]
fn rust_with_the_allocator_of_the_system_is_named_as_rust_is() {
    let Some(running) = started("leaky.rs", &["-O", "-g"], &[]) else { return };
    let report = running.report(WINDOW);
    let (stack, share) = first(&report);
    assert!(stack.frames.iter().any(|frame| frame.contains("leaky::forgets")), "{stack:?}");
    assert!(share >= 0.95, "{share}");
}
