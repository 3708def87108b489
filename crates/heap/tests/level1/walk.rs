//! Lost blocks of real programs, against what they say they lost.

use std::time::Duration;

use plimsoll_heap::Refusal;
use plimsoll_heap::reach::{self, Limits, TABLE_BYTES_MAX, Walked};
use plimsoll_heap::take::{Options, take};

use crate::workshop::{Running, started};

const LIMITS: Limits =
    Limits { pause_max: Duration::from_secs(20), table_bytes_max: TABLE_BYTES_MAX };

fn walked(running: &Running) -> Walked {
    let walked = reach::walk(&running.opened(), LIMITS).expect("it can be walked");
    assert!(walked.complete, "{:?}", walked.notes);
    walked
}

/// Within 0.1 %, and never more than one off of a small number.
#[track_caller]
fn near(found: u64, truth: u64) {
    assert!(found.abs_diff(truth) <= (truth / 1000).max(1), "{found} found, {truth} lost");
}

#[track_caller]
fn check(source: &str, flags: &[&str], arguments: &[&str]) -> Option<(Running, Walked)> {
    let running = started(source, flags, arguments)?;
    let walked = walked(&running);
    let leaks = walked.leaks.as_ref().expect("the walk was complete");
    near(leaks.unreachable_count, running.lost);
    near(leaks.direct_count, running.direct);
    assert_eq!(leaks.unreachable_count, walked.lost.len() as u64);
    assert_eq!(leaks.direct_count, walked.lost.iter().filter(|lost| lost.direct).count() as u64);
    assert!(walked.blocks > leaks.unreachable_count);
    Some((running, walked))
}

#[test]
fn lost_blocks_of_a_c_program_are_found_and_sorted_by_size() {
    let Some((_, walked)) = check("lost.c", &[], &["plain", "20000"]) else { return };
    let leaks = walked.leaks.unwrap();
    assert!(leaks.by_size.windows(2).all(|pair| pair[0].bytes >= pair[1].bytes));
    let listed: u64 = leaks.by_size.iter().map(|by| by.count).sum();
    assert_eq!(listed, leaks.unreachable_count);
    assert!(leaks.by_size.iter().all(|by| by.bytes == by.size_bytes * by.count));
}

#[test]
fn of_lost_chains_only_heads_are_direct_and_of_cycles_nothing() {
    check("lost.c", &[], &["chain", "20000"]);
    check("lost.c", &[], &["cycle", "20000"]);
}

#[test]
fn a_static_stripped_program_is_walked_like_any_other() {
    check("lost.c", &["-static", "-s"], &["plain", "20000"]);
    check("lost.c", &["-static", "-s"], &["tls", "0"]);
}

#[test]
fn blocks_that_eight_threads_lose_among_churn_are_found() {
    // Some ten are held whatever the number: by registers, and by links of malloc of which a part
    // was written over. Blocks that were not written hold remnants of malloc's lists.
    for (shape, missed_max) in [("churn", 40), ("unwritten", 80)] {
        let Some(running) = started("lost.c", &[], &[shape, "40000"]) else { return };
        let found = walked(&running).leaks.unwrap().unreachable_count;
        assert!(found <= running.lost + 8, "{shape}: {found} found, {} lost", running.lost);
        assert!(found + missed_max >= running.lost, "{shape}: {found} found");
    }
}

#[test]
fn what_is_held_by_its_last_word_alone_is_not_lost() {
    check("lost.c", &[], &["last", "20000"]);
}

#[test]
fn what_only_a_register_holds_is_not_lost() {
    check("lost.c", &[], &["register"]);
    check("lost.c", &[], &["forgotten"]);
}

#[test]
fn what_only_thread_local_variables_hold_is_not_lost() {
    let Some((_, walked)) = check("lost.c", &[], &["tls", "0"]) else { return };
    let roots = walked.roots.unwrap();
    let tls = roots.iter().find(|root| root.name == "tls").unwrap();
    assert!(tls.count >= 8 * 64, "{roots:?}");
}

#[test]
fn what_is_held_from_inside_or_from_shared_memory_is_not_lost() {
    check("lost.c", &[], &["inside", "20000"]);
    check("lost.c", &[], &["shared"]);
}

#[test]
fn blocks_with_a_mapping_of_their_own_are_walked_like_any_other() {
    check("lost.c", &[], &["mapped", "2000"]);
}

#[test]
fn pointers_are_found_in_sixty_thousand_mappings() {
    check("lost.c", &[], &["mappings", "60000"]);
}

#[test]
fn stacks_of_threads_that_have_ended_hold_nothing() {
    check("lost.c", &[], &["ended", "20000"]);
}

#[test]
fn a_heap_with_garbage_in_it_is_walked_to_an_end() {
    let Some(running) = started("lost.c", &[], &["garbage"]) else { return };
    let walked = reach::walk(&running.opened(), LIMITS).unwrap();
    assert!(!walked.complete && !walked.notes.is_empty(), "{} {:?}", walked.complete, walked.notes);
}

#[test]
fn whatever_is_written_over_its_headers_a_heap_is_reported_on_to_an_end() {
    for seed in 1..=6 {
        let Some(running) = started("corrupt.c", &["-w"], &[&seed.to_string()]) else { return };
        for level in [0, 1] {
            let options = Options { level, max_pause_ms: 20_000, ..Options::default() };
            let report = take(&running.opened(), &options, &mut |_| ());
            let report = report.unwrap_or_else(|refusal| panic!("{seed}: {refusal}"));
            let method = report.method;
            // Where the arenas themselves were hit there is no allocator to be seen.
            let told = !method.complete || report.allocator.is_none();
            assert!(told && !method.notes.is_empty(), "{seed} {level}: {method:?}");
            assert!(method.duration_ms < 20_000, "{seed} {level}: {method:?}");
        }
        assert!(!"tTZX".contains(running.state()), "{seed}");
    }
}

#[test]
fn classes_are_named_in_stripped_and_static_programs_too() {
    for flags in [&[][..], &["-s"], &["-static", "-s"]] {
        let Some((_, walked)) = check("classes.cpp", flags, &[]) else { return };
        let by_type = walked.leaks.unwrap().by_type;
        let count = |name: &str| {
            by_type.iter().find(|by| by.name == name).unwrap_or_else(|| panic!("{by_type:?}")).count
        };
        near(count("shop::Book"), 4000);
        near(count("shop::Boxed<double>"), 1000);
        near(count("shop::Order"), 500);
        near(count("shop::Item"), 500);
    }
}

#[test]
fn rust_types_are_named_behind_references_to_them() {
    let Some((_, walked)) = check("dynamic.rs", &["-g"], &[]) else { return };
    let by_type = walked.leaks.unwrap().by_type;
    let named: Vec<_> = by_type.iter().map(|by| (by.name.as_str(), by.count)).collect();
    assert!(named.contains(&("dynamic::Square", 1000)), "{named:?}");
    assert!(named.contains(&("dynamic::Circle", 1000)), "{named:?}");
}

#[test]
fn what_is_kept_is_retained_by_the_variable_that_holds_it() {
    let Some((_, walked)) = check("lost.c", &[], &["plain", "100"]) else { return };
    let roots = walked.roots.unwrap();
    let kept = roots.iter().find(|root| root.name == "program kept").unwrap();
    near(kept.count, 5000);
    let Some((_, walked)) = check("lost.c", &["-s"], &["plain", "100"]) else { return };
    let roots = walked.roots.unwrap();
    let kept = roots.iter().find(|root| root.name.starts_with("program+0x")).unwrap();
    near(kept.count, 5000);
}

#[test]
fn a_report_of_level_1_says_what_is_lost_and_how_long_the_target_stood_still() {
    let Some(running) = started("classes.cpp", &[], &[]) else { return };
    let options = Options { level: 1, max_pause_ms: 20_000, ..Options::default() };
    let report = take(&running.opened(), &options, &mut |_| ()).unwrap();
    assert_eq!((report.method.level, report.method.freeze.as_str()), (1, "ptrace"));
    assert!(report.method.pause_us > 0 && report.method.pause_us < 20_000_000);
    assert!(report.method.complete, "{:?}", report.method.notes);
    near(report.leaks.unwrap().unreachable_count, running.lost);
    assert!(!report.roots.unwrap().is_empty() && report.allocator.is_some());
    let options = Options { max_pause_ms: 0, ..options };
    let refused = take(&running.opened(), &options, &mut |_| ());
    assert!(matches!(refused, Err(Refusal::PauseTooLong { .. })), "{refused:?}");
}
