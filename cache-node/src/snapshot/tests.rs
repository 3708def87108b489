//! A store to a file and back, whole and damaged.

use super::*;
use crate::clock::Clock;
use crate::store::{Data, Expires, New, Params, Store};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

fn store() -> Store {
    let bytes = 64 << 20;
    let (limit_bytes, reserve_bytes, item_bytes_max) = (bytes, bytes, 1 << 20);
    let params = Params { limit_bytes, reserve_bytes, item_bytes_max, partitions: 4, evicts: true };
    Store::new(params).unwrap()
}

fn put(store: &Store, key: &str, value: &[u8], expires: Expires) {
    let data = if value.len() <= store.inline_bytes_max() {
        Data::Bytes(value)
    } else {
        let mut upload = store.upload(key.as_bytes(), value.len()).unwrap();
        upload.push(store, value).unwrap();
        Data::Uploaded(upload)
    };
    let new = New { flags: 7, expires, data, cas: None };
    store.lock(key.as_bytes()).put(new, 2).unwrap();
}

fn get(store: &Store, key: &str, now: u32) -> Option<Vec<u8>> {
    let mut slot = store.lock(key.as_bytes());
    slot.find(now).map(|item| item.parts().collect::<Vec<_>>().concat())
}

fn filled() -> Store {
    let store = store();
    for i in 0..20_000 {
        put(&store, &format!("key-{i}"), format!("value-{i}").repeat(8).as_bytes(), Expires::Never);
    }
    put(&store, "large", &vec![9; 300_000], Expires::At(5000));
    put(&store, "over", b"soon", Expires::At(500));
    store
}

fn written(store: &Store, path: &Path, kind: Kind) -> Saved {
    let cancelled = AtomicBool::new(false);
    let manner = Manner { kind, bytes_per_s_max: None, cancelled: &cancelled };
    save(path, store, &Clock::start(), manner).unwrap()
}

fn loaded(path: &Path, store: &Store) -> Loaded {
    match load(path, store, &Clock::start(), false).unwrap() {
        Outcome::Loaded(loaded) => loaded,
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_comes_back_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    let from = filled();
    from.lock(b"key-3").mark(true, false, Some(77));
    assert_eq!(written(&from, &path, Kind::Clean).items, 20_002);
    let to = store();
    let loaded = loaded(&path, &to);
    assert_eq!((loaded.items, loaded.damaged_blocks, loaded.is_torn), (20_002, 0, false));
    assert_eq!(get(&to, "key-9", 2).unwrap(), b"value-9".repeat(8));
    assert_eq!(get(&to, "large", 2).unwrap(), vec![9; 300_000]);
    assert_eq!(get(&to, "large", 5001), None);
    let mut slot = to.lock(b"key-3");
    let item = slot.find(2).unwrap();
    assert_eq!((item.cas, item.flags, item.stale, item.won), (77, 7, true, false));
    let next = slot.next_cas();
    assert!(next > 20_002, "{next} was given out before");
    drop(slot);
    assert!(!path.exists(), "it is true only once");
    assert!(matches!(load(&path, &to, &Clock::start(), false), Ok(Outcome::Absent)));
}

#[test]
fn what_has_ended_meanwhile_stays_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    written(&filled(), &path, Kind::Clean);
    let (to, later) = (store(), Clock::start());
    later.shift(600);
    match load(&path, &to, &later, false) {
        Ok(Outcome::Loaded(loaded)) => {
            assert_eq!((loaded.items, loaded.expired), (20_001, 1));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(get(&to, "over", 602), None);
}

#[test]
fn damage_costs_what_it_touches() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    written(&filled(), &path, Kind::Clean);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes.truncate(bytes.len() - 10);
    std::fs::write(&path, bytes).unwrap();
    let to = store();
    let loaded = loaded(&path, &to);
    assert!(loaded.damaged_blocks == 1 && loaded.is_torn, "{loaded:?}");
    assert!(loaded.items > 10_000 && loaded.items < 20_000, "{loaded:?}");
}

#[test]
fn one_that_was_written_alive_waits_to_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    written(&filled(), &path, Kind::Live);
    let (to, clock) = (store(), Clock::start());
    assert!(matches!(load(&path, &to, &clock, false), Ok(Outcome::IsLive)));
    assert!(path.exists());
    let outcome = load(&path, &to, &clock, true).unwrap();
    assert!(matches!(outcome, Outcome::Loaded(Loaded { items: 20_002, .. })), "{outcome:?}");
}

#[test]
fn a_foreign_file_is_left_alone_and_memcacheds_own_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    std::fs::write(&path, "something else that is long enough to hold a header").unwrap();
    let (to, clock) = (store(), Clock::start());
    assert!(matches!(load(&path, &to, &clock, false), Ok(Outcome::Unreadable(_))));
    assert!(path.exists());
    std::fs::write(dir.path().join("kept.meta"), "").unwrap();
    let error = load(&path, &to, &clock, false).unwrap_err();
    assert!(error.to_string().contains("kept.meta"), "{error}");
}

#[test]
fn a_cancelled_one_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    let cancelled = AtomicBool::new(true);
    let manner = Manner { kind: Kind::Live, bytes_per_s_max: None, cancelled: &cancelled };
    assert!(save(&path, &filled(), &Clock::start(), manner).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_live_one_is_written_on_demand_and_given_up_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    let (store, clock) = (Arc::new(filled()), Arc::new(Clock::start()));
    let slow = 1_000_000.try_into().unwrap();
    let live = start(path.clone(), Arc::clone(&store), Arc::clone(&clock), slow).unwrap();
    assert_eq!(live.ask(), Asked::Begun);
    assert_eq!(live.ask(), Asked::UnderWay);
    let begun = Instant::now();
    drop(live);
    assert!(begun.elapsed() < Duration::from_millis(900), "it does not wait for its pace");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    let live = start(path.clone(), store, clock, BYTES_PER_S).unwrap();
    assert_eq!(live.ask(), Asked::Begun);
    while live.figures().written_total == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", live.figures());
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(live.figures().last.items, 20_002);
}
