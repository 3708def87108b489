//! The walk over real programs' heaps against what their own malloc counts.

use crate::programs::{Blocks, Link};
use plimsoll_heap::glibc::tally::{Figures, Tally};
use plimsoll_heap::glibc::walk::walk;
use plimsoll_heap::glibc::{self, Arenas, Outcome};
use plimsoll_heap::maps::{Residency, read};
use plimsoll_heap::memory::Live;
use plimsoll_heap::memory::window::Window;
use plimsoll_heap::modules::Modules;
use plimsoll_heap::target::Opened;

struct Seen {
    arenas: Arenas,
    outcome: Outcome,
    figures: Figures,
}

fn look(pid: u32) -> Seen {
    let opened = Opened::open(pid).expect("it can be opened");
    let mappings = read::mappings(&opened).expect("it has mappings");
    let live = Live::new(opened.target());
    let modules = Modules::find(&opened, &live, &mappings);
    let data = modules.data(&opened, opened.link("exe").as_deref());
    let arenas = glibc::find(&live, &mappings, &data).expect("glibc is found");
    let mut ranges: Vec<_> = arenas.segments().cloned().collect();
    ranges.sort_by_key(|range| range.start);
    let residency: Residency = read::residency(&opened, &ranges).expect("pagemap can be read");
    let mut tally = Tally::new(&arenas, Some(&residency));
    let outcome = walk(&mut Window::new(&live, Some(&residency)), &arenas, &mut tally);
    let figures = tally.figures(&live, &outcome);
    Seen { arenas, outcome, figures }
}

/// All of malloc's own figures, to the byte.
#[track_caller]
fn check(link: Link, args: &[&str]) {
    compare(&mut Blocks::start(link, args));
}

#[track_caller]
fn compare(blocks: &mut Blocks) -> Seen {
    // The first answer brought pages of its own code to RAM.
    blocks.ask("count");
    let seen = look(blocks.pid());
    assert!(seen.outcome.complete, "{:?} {:?}", seen.outcome.notes, seen.arenas.notes);
    let sum = |part: fn(&plimsoll_heap::report::Arena) -> u64| -> u64 {
        seen.figures.arenas.iter().map(part).sum()
    };
    let said = blocks.said;
    assert_eq!(sum(|arena| arena.in_use_bytes + arena.tcache_bytes), said.in_use, "in use");
    assert_eq!(sum(|arena| arena.free_bytes + arena.top_bytes), said.free, "free");
    assert_eq!(seen.figures.mapped_count, said.mapped_count, "blocks with own mappings");
    // malloc counts whole mappings, with the unused beginning of an aligned block.
    let counters = seen.arenas.mapped_counters.expect("the counters are found");
    assert_eq!((counters.bytes, counters.count), (said.mapped, said.mapped_count));
    // Once more, to see that looking changed nothing.
    let again = blocks.ask("count");
    assert_eq!((again.in_use, again.free, again.rss_kib), (said.in_use, said.free, said.rss_kib));
    seen
}

#[test]
fn a_mixed_heap_is_counted_as_malloc_counts_it() {
    check(Link::Dynamic, &["mixed", "40000"]);
}

#[test]
fn a_static_program_is_counted_without_a_libc_to_be_seen() {
    check(Link::Static, &["mixed", "20000"]);
}

#[test]
fn a_stripped_static_program_is_counted_without_symbols() {
    check(Link::StaticStripped, &["mixed", "20000"]);
}

#[test]
fn arenas_of_threads_are_counted_with_the_main_one() {
    check(Link::Dynamic, &["threads", "40000", "8"]);
    check(Link::StaticStripped, &["threads", "20000", "4"]);
}

#[test]
fn what_ended_threads_left_behind_is_counted() {
    check(Link::Dynamic, &["exited", "40000", "8"]);
}

#[test]
fn blocks_with_a_mapping_are_found_also_when_aligned() {
    check(Link::Dynamic, &["mapped", "40"]);
}

#[test]
fn a_heap_that_others_take_memory_out_of_is_counted() {
    check(Link::Dynamic, &["foreign", "40000"]);
}

#[test]
fn a_heap_that_brk_does_not_let_grow_is_counted_in_all_its_places() {
    check(Link::Dynamic, &["blocked", "40000"]);
}

#[test]
fn the_trim_that_is_foretold_is_the_one_that_happens() {
    for (shape, count) in [("holes", "20000"), ("mixed", "40000"), ("threads", "40000")] {
        let mut blocks = Blocks::start(Link::Dynamic, &[shape, count, "4"]);
        let seen = look(blocks.pid());
        let before = blocks.said.anonymous_kib;
        let after = blocks.ask("trim").anonymous_kib;
        let foretold = seen.figures.trimmable_bytes.expect("it is known") / 1024;
        let happened = before - after;
        let error = (foretold as f64 - happened as f64).abs() / happened as f64;
        println!("{shape}: {foretold} KiB foretold, {happened} KiB given back");
        assert!(happened > 200, "{shape}: nothing was given back");
        assert!(error <= 0.01, "{shape}: {foretold} KiB foretold, {happened} KiB given back");
    }
}

#[test]
fn a_heap_that_changes_under_the_walk_ends_it_all_the_same() {
    let blocks = Blocks::start(Link::Dynamic, &["churn", "40000", "8"]);
    for _ in 0..5 {
        let seen = look(blocks.pid());
        assert!(seen.arenas.list.len() > 1);
        let counted: u64 = seen.figures.arenas.iter().map(|a| a.in_use_bytes + a.free_bytes).sum();
        assert!(counted > 1 << 20);
        let share = seen.outcome.bytes_skipped as f64 / seen.outcome.bytes as f64;
        assert!(share < 0.05, "{share} of the heap was passed over");
    }
}

/// `PLIMSOLL_OTHER_LIBC` names directories, separated by colons, each with an unpacked libc6
/// package of another release: `apt-get download libc6` from its sources, then `dpkg -x`.
#[test]
fn other_releases_of_glibc_are_counted_to_the_byte() {
    let Ok(places) = std::env::var("PLIMSOLL_OTHER_LIBC") else {
        println!("skipped: PLIMSOLL_OTHER_LIBC names no other glibc");
        return;
    };
    for place in places.split(':') {
        let other = crate::programs::Other::find(place);
        for args in [&["mixed", "40000"][..], &["threads", "40000", "4"], &["mapped", "40"]] {
            let mut blocks = Blocks::run(other.command().args(args));
            let seen = compare(&mut blocks);
            let before = blocks.said.anonymous_kib;
            let happened = before - blocks.ask("trim").anonymous_kib;
            let foretold = seen.figures.trimmable_bytes.expect("it is known") / 1024;
            println!(
                "{place} {args:?}: head {}, key {:?}, caches {:?}, in use {}, free {}, trim \
                 {foretold} KiB of {happened} KiB",
                seen.arenas.head,
                seen.arenas.key.map(|key| std::mem::discriminant(&key)),
                seen.outcome.cached.as_ref().map(|cached| cached.len()),
                blocks.said.in_use,
                blocks.said.free,
            );
            assert!(foretold.abs_diff(happened) * 100 <= happened.max(1600));
        }
    }
}
