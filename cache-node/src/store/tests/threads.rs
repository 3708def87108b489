//! Many threads at once, each checking what it reads.

use super::*;
use std::sync::atomic::AtomicBool;

/// A value tells its key, so that what is read can be checked.
fn value_of(number: u32, len: usize) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(len).collect()
}

fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn work(store: &Store, mut seed: u64, rounds: usize) {
    for _ in 0..rounds {
        let random = next(&mut seed);
        let number = (random % 3_000) as u32;
        let name = key(number);
        match random >> 32 & 15 {
            0..5 => {
                let len = if random >> 40 & 127 == 0 { 20_000 } else { (random >> 40) % 600 };
                let value = value_of(number, len as usize);
                let _ = put(store, &name, &new(&value), 10);
            }
            5 => drop(store.lock(&name).remove()),
            6 => drop(store.lock(&name).touch(Expires::At(1_000), 10)),
            7 if random >> 40 & 63 == 0 => drop(store.charge(SEGMENT)),
            _ => {
                if let Some(value) = get(store, &name, 10) {
                    assert_eq!(value, value_of(number, value.len()));
                }
            }
        }
    }
}

fn keep(store: &Store, done: &AtomicBool) {
    let mut cursor = Cursor::default();
    let mut turn = 0_u64;
    while !done.load(Relaxed) {
        turn += 1;
        store.maintain(10);
        if turn.is_multiple_of(16) {
            store.give_back();
        }
        store.set_limit(SEGMENT * if turn & 64 == 0 { 60 } else { 40 });
        let more = store.visit(&mut cursor, 8, 10, |seen| {
            let number = std::str::from_utf8(&seen.key[4..]).unwrap().parse().unwrap();
            let value = seen.item.parts().collect::<Vec<_>>().concat();
            assert_eq!(value, value_of(number, value.len()));
        });
        if !more {
            cursor = Cursor::default();
        }
    }
}

#[test]
fn threads_read_what_threads_wrote() {
    let store = store(60 * SEGMENT);
    let done = AtomicBool::new(false);
    let rounds = 10_000;
    std::thread::scope(|scope| {
        let workers = [77, 154, 231, 308].map(|seed| {
            let store = &store;
            scope.spawn(move || work(store, seed, rounds))
        });
        let keeper = scope.spawn(|| keep(&store, &done));
        let results = workers.map(std::thread::ScopedJoinHandle::join);
        done.store(true, Relaxed);
        keeper.join().unwrap();
        results.into_iter().for_each(|result| result.unwrap());
    });
    store.set_limit(60 * SEGMENT);
    store.check();
}
