//! What happens when memory is short, and when it is taken away.

use super::*;
use std::time::Duration;

fn fill(store: &Store, count: u32, len: usize) {
    for number in 0..count {
        assert!(put(store, &key(number), &new(&vec![1; len]), 10).is_ok());
        assert!(store.used_bytes() <= store.totals().limit_bytes);
    }
}

fn held(store: &Store, count: u32) -> usize {
    (0..count).filter(|n| store.lock(&key(*n)).find(10).is_some()).count()
}

#[test]
fn a_full_store_evicts_and_stays_below_its_limit() {
    let store = store(64 * SEGMENT);
    fill(&store, 20_000, 500);
    let totals = store.totals();
    assert_eq!(totals.stored_total, 20_000);
    assert_eq!(totals.items + totals.evictions_total, 20_000);
    assert_eq!(totals.items as usize, held(&store, 20_000));
    assert!(totals.item_bytes * 100 > totals.limit_bytes * 85, "{totals:?}");
    store.check();
}

#[test]
fn what_is_fetched_stays_when_others_are_evicted() {
    let store = store(64 * SEGMENT);
    for number in 0..40_000 {
        assert!(put(&store, &key(number), &new(&[1; 500]), 10).is_ok());
        for hot in 0..3 {
            get(&store, &key(hot), 10);
        }
    }
    assert_eq!(held(&store, 3), 3);
    assert_eq!(store.totals().evicted_active_total, 0);
}

#[test]
fn without_eviction_a_full_store_refuses_but_uses_dead_room_again() {
    let store = Store::new(Params { evicts: false, ..params(32 * SEGMENT) }).unwrap();
    let stored = (0..20_000).take_while(|n| put(&store, &key(*n), &new(&[1; 500]), 10).is_ok());
    let stored = stored.count() as u32;
    assert!(stored > 2_000 && stored < 4_100, "{stored}");
    assert_eq!(held(&store, stored), stored as usize);
    assert_eq!(store.totals().evictions_total, 0);
    (0..stored / 4).for_each(|n| assert!(store.lock(&key(n * 4)).remove()));
    for n in 0..stored / 5 {
        assert_eq!(put(&store, &key(100_000 + n), &new(&[2; 500]), 10).err(), None, "{n}");
    }
    store.check();
}

#[test]
fn giving_back_returns_all_to_the_kernel() {
    let store = store(64 * SEGMENT);
    fill(&store, 20_000, 500);
    let before = store.totals();
    let given: u64 = std::iter::from_fn(|| store.give_back()).sum();
    let after = store.totals();
    assert!(given >= before.item_bytes && given <= before.segment_bytes, "{given} {before:?}");
    assert_eq!((after.segments, after.items, after.given_back_total), (0, 0, given));
    assert_eq!(held(&store, 20_000), 0);
    fill(&store, 100, 500);
    assert_eq!(held(&store, 100), 100);
}

#[test]
fn a_lower_limit_is_reached_by_giving_back_and_a_higher_one_is_used() {
    let store = store(64 * SEGMENT);
    fill(&store, 20_000, 500);
    store.set_limit(32 * SEGMENT);
    assert!(put(&store, b"while", &new(&[1; 500]), 10).is_ok(), "goes on with what is here");
    while store.used_bytes() > 32 * SEGMENT {
        assert!(store.give_back().is_some());
    }
    fill(&store, 20_000, 500);
    let low = store.totals().items;
    store.set_limit(96 * SEGMENT);
    fill(&store, 20_000, 500);
    assert!(store.totals().items > low * 2);
    store.check();
}

#[test]
fn charges_count_and_evict() {
    let store = store(64 * SEGMENT);
    fill(&store, 20_000, 500);
    let charge = store.charge(20 * SEGMENT).unwrap();
    assert_eq!(store.totals().buffer_bytes, 20 * SEGMENT);
    assert!(store.used_bytes() <= 64 * SEGMENT);
    assert!(store.charge(64 * SEGMENT).is_err());
    drop(charge);
    assert_eq!(store.totals().buffer_bytes, 0);
}

#[test]
fn admission_can_be_narrowed() {
    let store = store(64 * SEGMENT);
    fill(&store, 20_000, 500);
    let ghost = (0..20_000).find(|n| {
        let name = key(*n);
        let slot = store.lock(&name);
        slot.partition.ghost.has(slot.hash)
    });
    store.admit(Admission::Known);
    let name = key(ghost.unwrap());
    assert!(put(&store, &name, &new(b"again"), 10).is_ok(), "was evicted lately");
    assert!(put(&store, &name, &new(b"held"), 10).is_ok());
    assert_eq!(put(&store, b"unknown", &new(b"1"), 10), Err(Refused::OutOfMemory));
    store.admit(Admission::Nobody);
    assert_eq!(put(&store, &name, &new(b"no"), 10), Err(Refused::OutOfMemory));
    assert_eq!(get(&store, &name, 10), None, "nobody is served what was to be replaced");
    assert_eq!(store.upload(b"large", 50_000).err(), Some(Refused::OutOfMemory));
}

#[test]
fn large_items_come_and_go() {
    let store = store(512 * SEGMENT);
    let value: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 3) as u8).collect();
    assert!(put(&store, b"large", &new(&value), 10).is_ok());
    assert_eq!(get(&store, b"large", 10).as_ref(), Some(&value));
    for n in 0..60 {
        assert!(put(&store, &key(n), &new(&value), 10).is_ok(), "{n}");
        assert_eq!(get(&store, &key(n), 10).as_ref(), Some(&value));
        assert!(store.used_bytes() <= 512 * SEGMENT);
    }
    let totals = store.totals();
    assert!(totals.items >= 5, "{totals:?}");
    let first = usize::from(get(&store, b"large", 10).is_some());
    assert_eq!(totals.items as usize, held(&store, 60) + first);
    store.check();
    let most = store.item_bytes_max() as usize;
    assert_eq!(put(&store, b"k", &new(&vec![1; most]), 10), Err(Refused::TooLarge));
}

#[test]
fn a_large_value_is_taken_by_a_full_store_also_while_others_hold_its_partitions() {
    let params = Params {
        limit_bytes: 48 << 20,
        reserve_bytes: 48 << 20,
        item_bytes_max: 1 << 20,
        partitions: 16,
        evicts: true,
    };
    let store = Store::new(params).unwrap();
    let value = vec![7; 1 << 20];
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..store.partitions.len() {
            let (store, is_over) = (&store, &is_over);
            // As a thread that tidies, or one that serves and was put to sleep with a lock.
            scope.spawn(move || {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    let held = (number % 2 == 0).then(|| store.partitions[number].lock());
                    std::thread::park_timeout(Duration::from_micros(200));
                    drop(held);
                    store.maintain(10);
                }
            });
        }
        let mut random = 1_u64;
        let mut refused = 0;
        for number in 0..2_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let len = (512 << 10) + (random >> 33) as usize % (510 << 10);
            let taken = put(&store, &key(number), &new(&value[..len]), 10);
            refused += usize::from(taken.is_err());
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(refused, 0, "{:?}", store.totals());
    });
    store.check();
}

/// Connections whose buffers are charged to a full cache, while large values come in slowly.
#[test]
fn large_values_that_come_in_pieces_outlast_what_is_given_back_meanwhile() {
    let params = Params {
        limit_bytes: 48 << 20,
        reserve_bytes: 48 << 20,
        item_bytes_max: 1 << 20,
        partitions: 8,
        evicts: true,
    };
    let store = Store::new(params).unwrap();
    fill(&store, 100_000, 500);
    let stretch = vec![7; 16 << 10];
    let mut random = 1_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) as usize % below
    };
    let (mut refused, mut stored) = (0, 0);
    let mut incoming: Vec<Option<(u32, Upload, usize)>> = (0..8).map(|_| None).collect();
    let mut charges = std::collections::VecDeque::new();
    for number in 0..60_000 {
        let at = next(incoming.len());
        match incoming[at].take() {
            None => {
                let len = (200 << 10) + next(800 << 10);
                let upload = store.upload(&key(number), len).unwrap();
                incoming[at] = Some((number, upload, len));
            }
            Some((number, upload, 0)) => {
                let data = Data::Uploaded(upload);
                let new = New { flags: 0, expires: Expires::Never, data, cas: None };
                let done = store.lock(&key(number)).put(new, 10);
                (stored, refused) = (stored + 1, refused + usize::from(done.is_err()));
            }
            Some((number, mut upload, left)) => {
                let now = left.min(stretch.len());
                match upload.push(&store, &stretch[..now]) {
                    Ok(()) => incoming[at] = Some((number, upload, left - now)),
                    Err(_) => refused += 1,
                }
            }
        }
        if next(4) == 0 {
            charges.push_back(store.charge(64 << 10).unwrap());
        }
        if charges.len() > 64 {
            charges.pop_front();
        }
        if next(32) == 0 {
            store.give_back();
            store.maintain(10);
        }
    }
    assert!(stored + refused > 1_000, "{stored} {refused}");
    assert_eq!(refused, 0, "of {stored}: {:?}", store.totals());
    drop(incoming);
    store.check();
}

#[test]
fn an_upload_that_is_dropped_or_too_slow_leaves_nothing() {
    let store = store(64 * SEGMENT);
    let mut slow = store.upload(b"slow", 100_000).unwrap();
    slow.push(&store, &[1; 50_000]).unwrap();
    store.upload(b"dropped", 100_000).unwrap().push(&store, &[1; 50_000]).unwrap();
    let given: u64 = std::iter::from_fn(|| store.give_back()).sum();
    assert!(given > 50_000);
    assert_eq!(slow.push(&store, &[1; 50_000]), Err(Refused::OutOfMemory));
    let data = Data::Uploaded(slow);
    let new = New { flags: 0, expires: Expires::Never, data, cas: None };
    assert_eq!(store.lock(b"slow").put(new, 10), Err(Refused::OutOfMemory));
    while store.maintain(10) {}
    assert_eq!(store.totals().item_bytes, 0);
}

#[test]
fn what_has_ended_makes_room_before_anything_is_evicted() {
    let store = store(64 * SEGMENT);
    fill(&store, 1_000, 500);
    for number in 1_000..5_000 {
        let new = New { expires: Expires::At(20), ..new(&[1; 500]) };
        assert!(put(&store, &key(number), &new, 10).is_ok());
    }
    while store.maintain(20) {}
    let totals = store.totals();
    assert_eq!((totals.items, totals.reclaimed_total), (1_000, 4_000));
    assert_eq!((totals.expired_unfetched_total, totals.evictions_total), (4_000, 0));
    store.check();
}

#[test]
fn calm_merging_frees_hollow_segments() {
    let store = store(64 * SEGMENT);
    fill(&store, 6_000, 500);
    (0..6_000).filter(|n| n % 4 > 0).for_each(|n| assert!(store.lock(&key(n)).remove()));
    let before = store.totals().segment_bytes;
    while store.maintain(10) {}
    while store.shared.arena.cached() > 0 {
        store.give_back();
    }
    let totals = store.totals();
    assert!(totals.segment_bytes * 2 < before, "{before} {totals:?}");
    assert!(totals.compactions_total > 10);
    assert_eq!(held(&store, 6_000), 1_500);
    store.check();
}

#[test]
fn the_index_shrinks_after_its_items_are_gone() {
    let store = store(256 * SEGMENT);
    fill(&store, 60_000, 50);
    let full = store.totals().index_bytes;
    while store.give_back().is_some() {}
    while store.maintain(10) {}
    let left = store.totals().index_bytes;
    assert!(left * 2 < full, "{left} of {full}");
    fill(&store, 60_000, 50);
    assert!(store.totals().index_bytes <= full + 8 * index::CHUNK_BYTES);
}

#[test]
fn a_limit_too_low_for_anything_is_refused() {
    assert!(Store::new(params(SEGMENT)).is_err());
}
