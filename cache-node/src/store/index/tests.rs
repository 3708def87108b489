//! The index against a plain map, with hashes that are their own keys.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Spreads a small number over all bits, reversibly enough for tests.
fn hash(n: u64) -> u64 {
    let x = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (x ^ x >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ x >> 3
}

fn place(n: u64) -> Place {
    Place::new(n as u32 >> 10, 1 + (n % 3) as u16, (n as usize & 1023) * 4)
}

fn number(place: Place) -> u64 {
    u64::from(place.segment()) << 10 | (place.offset() / 4) as u64
}

fn add(index: &mut Index, n: u64, items: usize) {
    if index.wants_units() {
        index.add_units();
    }
    assert!(index.insert(hash(n), place(n), |_| false));
    while index.wants_growth(items) {
        index.grow(|place| Some(hash(number(place))));
    }
}

#[test]
fn a_place_keeps_its_parts() {
    let place = Place::new(SEGMENTS_MAX - 1, LIFE_MAX, (1 << 20) - 4);
    let parts = (place.segment(), place.life(), place.offset());
    assert_eq!(parts, (SEGMENTS_MAX - 1, LIFE_MAX, (1 << 20) - 4));
    assert_eq!(Place::from_le_bytes(place.to_le_bytes()), place);
}

#[test]
fn it_grows_and_shrinks_a_bucket_at_a_time_and_loses_nothing() {
    let count = if cfg!(miri) { 3_000 } else { 100_000 };
    let mut index = Index::new();
    for n in 0..count {
        let before = index.bytes();
        add(&mut index, n, n as usize + 1);
        assert!(index.bytes() - before <= 2 * CHUNK_BYTES);
    }
    let found = |index: &Index, n: u64| index.find(hash(n), |p| p == place(n));
    assert!((0..count).all(|n| found(&index, n).is_some()));
    assert!(index.bytes() < 13 * count || cfg!(miri));
    for n in 0..count {
        let at = found(&index, n).unwrap();
        index.remove(at);
        while index.wants_shrinking((count - n) as usize) && index.shrink(|_| false).is_some() {}
        assert!(found(&index, n).is_none());
    }
    assert_eq!(index.buckets(), CHUNK_BUCKETS);
}

#[test]
fn stale_slots_are_used_again_and_scrubbed() {
    let mut index = Index::new();
    (0..1500).for_each(|n| add(&mut index, n, 0));
    let bytes = index.bytes();
    // All of them are stale now: as many fit again without another unit.
    for n in 1500..3000 {
        assert!(index.insert(hash(n), place(n), |p| number(p) < 1500));
    }
    assert_eq!(index.bytes(), bytes);
    (0..index.buckets()).for_each(|b| index.scrub(b, |p| number(p) < 2900));
    let mut left = 0;
    let mut cursor = Some(0);
    while let Some(at) = cursor {
        cursor = index.walk(at, |_| left += 1);
    }
    assert_eq!(left, 100);
}

#[test]
fn a_search_in_steps_ends_where_one_in_a_whole_does() {
    let count = if cfg!(miri) { 3_000 } else { 50_000 };
    let mut index = Index::new();
    (0..count).for_each(|n| add(&mut index, n, n as usize + 1));
    let search = |index: &Index, n: u64| {
        let mut search = index.begin(hash(n));
        while let Search::At(_) = search {
            search = index.proceed(hash(n), search);
        }
        search
    };
    // Two that share tag and bucket are seldom, and then the first is as good a guess.
    let found = |n: &u64| search(&index, *n) == Search::Found(place(*n));
    assert!((0..count).filter(found).count() as u64 > count / 100 * 99);
    assert!((count..2 * count).filter(|n| search(&index, *n) == Search::Nothing).count() > 0);
    let begun = index.begin(hash(count - 1));
    while index.wants_shrinking(0) && index.shrink(|_| true).is_some() {}
    assert_eq!(index.proceed(hash(count - 1), begun), Search::Nothing, "its bucket is gone");
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u64),
    Remove(u64),
    Grow,
    Shrink,
    Scrub(usize),
    Walk,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0_u64..4000).prop_map(Op::Insert),
        4 => (0_u64..4000).prop_map(Op::Remove),
        2 => Just(Op::Grow),
        2 => Just(Op::Shrink),
        1 => (0_usize..600).prop_map(Op::Scrub),
        2 => Just(Op::Walk),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 24 },
        ..Default::default()
    })]
    #[test]
    fn it_holds_what_a_map_holds(
        ops in prop::collection::vec(op(), 1..if cfg!(miri) { 200 } else { 3000 }),
    ) {
        let mut index = Index::new();
        let mut model: BTreeMap<u64, bool> = BTreeMap::new();
        // A walk that goes on across all changes, and what was there all along.
        let mut cursor = 0;
        let mut seen: Vec<u64> = Vec::new();
        for op in ops {
            match op {
                Op::Insert(n) if !model.contains_key(&n) => {
                    add(&mut index, n, 0);
                    model.insert(n, cursor != 0);
                }
                Op::Remove(n) if model.remove(&n).is_some() => {
                    let at = index.find(hash(n), |p| p == place(n)).unwrap();
                    index.remove(at);
                }
                Op::Grow => index.grow(|p| Some(hash(number(p)))),
                Op::Shrink => drop(index.shrink(|_| false)),
                Op::Scrub(bucket) => index.scrub(bucket, |_| false),
                Op::Walk => match index.walk(cursor, |p| seen.push(number(p))) {
                    Some(next) => cursor = next,
                    None => {
                        for (n, _) in model.iter().filter(|(_, since)| !**since) {
                            prop_assert!(seen.contains(n), "{n} was there all the time");
                        }
                        model.values_mut().for_each(|since| *since = false);
                        seen.clear();
                        cursor = 0;
                    }
                },
                _ => {}
            }
        }
        for n in 0..4000 {
            prop_assert_eq!(
                index.find(hash(n), |p| p == place(n)).is_some(),
                model.contains_key(&n)
            );
        }
    }
}
