//! Images round the circle, while things change, and damaged.

use super::super::{Admission, Expires, Item, New, Params};
use super::*;
use proptest::prelude::*;

fn store(limit_bytes: u64) -> Store {
    let params = Params {
        limit_bytes,
        reserve_bytes: limit_bytes,
        item_bytes_max: limit_bytes,
        partitions: 4,
        evicts: true,
    };
    Store::new(params).unwrap()
}

fn key(number: u32) -> Vec<u8> {
    format!("key {number}").into_bytes()
}

fn put(store: &Store, number: u32, len: usize) {
    let value = vec![number as u8; len];
    let ends = if number.is_multiple_of(3) { Expires::At(100 + number) } else { Expires::Never };
    let cas = number.is_multiple_of(5).then_some(u64::from(number) << 40);
    let data = Data::Bytes(&value);
    let new = New { flags: number % 2, expires: ends, data, cas };
    let name = key(number);
    let mut slot = store.lock(&name);
    slot.put(new, 10).unwrap();
    if number.is_multiple_of(7) {
        slot.hit(11);
        slot.mark(true, false, None);
    }
}

fn images(store: &Store, bytes_max: usize) -> Vec<Vec<u8>> {
    let mut cursor = Cursor::default();
    let mut all = Vec::new();
    loop {
        let mut out = Vec::new();
        let more = store.image(&mut cursor, &mut out, bytes_max, 12);
        all.push(out);
        if !more {
            return all;
        }
    }
}

fn describe(item: &Item<'_>) -> (Vec<u8>, u32, u64, Expires, [bool; 3], Secs) {
    let value = item.parts().collect::<Vec<_>>().concat();
    let marks = [item.fetched, item.stale, item.won];
    (value, item.flags, item.cas, item.expires, marks, item.accessed)
}

fn count() -> u32 {
    if cfg!(miri) { 40 } else { 3_000 }
}

/// Items of which some are large.
fn filled() -> Store {
    let store = store(256 << 20);
    for number in 0..count() {
        put(&store, number, if number % 500 == 1 { 700_000 } else { number as usize % 300 });
    }
    store
}

#[test]
fn what_was_copied_out_is_taken_in_as_it_was() {
    let from = filled();
    for bytes_max in [1_000, 100_000, 10_000_000] {
        let into = store(256 << 20);
        let mut adopting = Adopting::default();
        for image in images(&from, bytes_max) {
            into.adopt(&mut adopting, &image, 0, 12);
        }
        let adopted = into.adopted(adopting);
        assert_eq!(adopted, Adopted { items: u64::from(count()), ..Adopted::default() });
        for number in 0..count() {
            let name = key(number);
            let (mut ours, mut theirs) = (into.lock(&name), from.lock(&name));
            let ours = ours.find(12).map(|item| describe(&item));
            assert_eq!(ours, theirs.find(12).map(|item| describe(&item)), "{number}");
            assert!(ours.is_some());
        }
        assert!(into.lock(b"next").next_cas() >= from.shared.order());
        into.check();
    }
}

#[test]
fn times_are_shifted_and_what_has_ended_is_left_out() {
    let from = filled();
    let into = store(256 << 20);
    let mut adopting = Adopting::default();
    for image in images(&from, 50_000) {
        into.adopt(&mut adopting, &image, -50, 60);
    }
    let adopted = into.adopted(adopting);
    // Of each three one has an end: 50 seconds sooner than it was.
    let over = (0..count()).filter(|n| n % 3 == 0 && 100 + n - 50 <= 60).count() as u64;
    assert_eq!((adopted.over, adopted.items), (over, u64::from(count()) - over));
    let name = key(30);
    let mut slot = into.lock(&name);
    assert_eq!(slot.find(60).map(|item| item.expires), Some(Expires::At(80)));
}

#[test]
fn what_is_newer_stays() {
    let from = filled();
    let into = store(256 << 20);
    into.shared.raise_order(from.shared.order());
    put(&into, 1, 3);
    let mut adopting = Adopting::default();
    images(&from, 50_000).iter().for_each(|image| into.adopt(&mut adopting, image, 0, 12));
    let adopted = into.adopted(adopting);
    assert_eq!((adopted.older, adopted.items), (1, u64::from(count()) - 1));
    assert_eq!(into.lock(&key(1)).find(12).map(|item| item.len()), Some(3));
}

#[test]
fn what_changes_meanwhile_is_copied_before_or_after() {
    let from = filled();
    let into = store(256 << 20);
    let (mut cursor, mut adopting) = (Cursor::default(), Adopting::default());
    let mut turn = 0;
    loop {
        let mut out = Vec::new();
        let more = from.image(&mut cursor, &mut out, 20_000, 12);
        into.adopt(&mut adopting, &out, 0, 12);
        // One large item becomes another, of another length; small ones come and go.
        turn += 1;
        put(&from, 1, 700_000 + turn % 7 * 10_000);
        put(&from, 100_000 + turn as u32, 100);
        from.maintain(12);
        if !more {
            break;
        }
    }
    let adopted = into.adopted(adopting);
    assert_eq!((adopted.refused, adopted.damaged, adopted.cut_off), (0, 0, 1));
    for number in (0..count()).filter(|number| *number != 1) {
        assert!(into.lock(&key(number)).find(12).is_some(), "{number} was there all the time");
    }
    into.check();
}

#[test]
fn a_full_or_closed_store_refuses_without_harm() {
    let from = filled();
    let into = store(4 << 20);
    let mut adopting = Adopting::default();
    for (turn, image) in images(&from, 20_000).iter().enumerate() {
        into.admit(if turn > 5 { Admission::Nobody } else { Admission::All });
        into.adopt(&mut adopting, image, 0, 12);
    }
    assert!(into.used_bytes() <= 4 << 20);
    into.check();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 1 } else { 64 },
        ..Default::default()
    })]
    #[test]
    fn damage_is_counted_and_harms_nothing(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..20),
        cut in any::<prop::sample::Index>(),
        lost in 0_usize..4,
    ) {
        let from = store(64 << 20);
        for number in 0..20 {
            put(&from, number, if number == 3 { 60_000 } else { number as usize * 7 });
        }
        let into = store(64 << 20);
        let mut adopting = Adopting::default();
        for (turn, mut image) in images(&from, 3_000).into_iter().enumerate() {
            if turn == lost {
                continue;
            }
            for (at, flip) in &flips {
                if let Some(byte) = image.get_mut(at.index(4_000)) {
                    *byte ^= flip;
                }
            }
            image.truncate(cut.index(image.len() * 4 + 1));
            into.adopt(&mut adopting, &image, 0, 12);
        }
        let adopted = into.adopted(adopting);
        prop_assert!(adopted.items <= 200);
        into.check();
    }

    #[test]
    fn any_bytes_are_taken_for_what_they_are(image in prop::collection::vec(any::<u8>(), 0..400)) {
        let into = store(64 << 20);
        let mut adopting = Adopting::default();
        into.adopt(&mut adopting, &image, 0, 12);
        let adopted = into.adopted(adopting);
        prop_assert_eq!(adopted.items, 0);
    }
}
