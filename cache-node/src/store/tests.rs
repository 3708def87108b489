//! The store against its model, at its limits, and under many threads.

use super::model::{Model, Record};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

// Both do too much for an interpreter.
#[cfg(not(miri))]
mod limits;
#[cfg(not(miri))]
mod threads;

const SEGMENT: u64 = SEGMENT_BYTES_MIN;

fn params(limit_bytes: u64) -> Params {
    Params {
        limit_bytes,
        reserve_bytes: limit_bytes * 2,
        item_bytes_max: limit_bytes,
        partitions: 4,
        evicts: true,
    }
}

fn store(limit_bytes: u64) -> Store {
    Store::new(params(limit_bytes)).unwrap()
}

#[cfg(not(miri))]
fn new(value: &[u8]) -> New<'_> {
    New { flags: 0, expires: Expires::Never, data: Data::Bytes(value), cas: None }
}

/// Stores as a session does: large values in stretches.
fn put(store: &Store, key: &[u8], new: &New<'_>, now: Secs) -> Result<u64, Refused> {
    let Data::Bytes(value) = new.data else { unreachable!() };
    let data = match upload(store, key, value) {
        Ok(Some(upload)) => Data::Uploaded(upload),
        Ok(None) => Data::Bytes(value),
        Err(refused) => {
            store.lock(key).remove();
            return Err(refused);
        }
    };
    store.lock(key).put(New { data, ..*new }, now)
}

fn upload(store: &Store, key: &[u8], value: &[u8]) -> Result<Option<Upload>, Refused> {
    if value.len() <= store.inline_bytes_max() {
        return Ok(None);
    }
    let mut upload = store.upload(key, value.len())?;
    value.chunks(5_000).try_for_each(|part| upload.push(store, part))?;
    Ok(Some(upload))
}

fn get(store: &Store, key: &[u8], now: Secs) -> Option<Vec<u8>> {
    let mut slot = store.lock(key);
    let value = slot.find(now).map(|item| item.parts().collect::<Vec<_>>().concat());
    slot.hit(now);
    value
}

fn record(item: &Item<'_>) -> Record {
    let value = item.parts().collect::<Vec<_>>().concat();
    assert_eq!(value.len(), item.len());
    Record {
        flags: item.flags,
        expires: item.expires,
        cas: item.cas,
        accessed: item.accessed,
        fetched: item.fetched,
        stale: item.stale,
        won: item.won,
        value,
    }
}

#[derive(Clone, Debug)]
enum Op {
    Put { len: usize, flags: u32, ttl: u32, cas: Option<u64> },
    Join { len: usize, front: bool, cas: Option<u64> },
    Get,
    Rewrite { cas: Option<u64> },
    Touch { ttl: u32 },
    Mark { stale: bool, won: bool, cas: Option<u64>, fresh: bool },
    Remove,
    Flush { after: u32 },
    Pass { seconds: u32 },
    Maintain,
    GiveBack,
    Limit { segments: u64 },
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0_usize..200, 2 => 1_000_usize..8_000, 1 => 8_000_usize..60_000]
}

/// 0: never.
fn ttl() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(0), 1 => 1_u32..30, 1 => 1_u32..50_000]
}

fn cas() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![6 => Just(None), 1 => (1_u64..200).prop_map(Some), 1 => any::<u64>().prop_map(Some)]
}

fn op(tight: bool) -> impl Strategy<Value = Op> {
    let when_tight = move |op| if tight { op } else { Op::Maintain };
    prop_oneof![
        24 => (len(), prop_oneof![Just(0), any::<u32>()], ttl(), cas())
            .prop_map(|(len, flags, ttl, cas)| Op::Put { len, flags, ttl, cas }),
        6 => (len(), any::<bool>(), cas())
            .prop_map(|(len, front, cas)| Op::Join { len, front, cas }),
        16 => Just(Op::Get),
        4 => cas().prop_map(|cas| Op::Rewrite { cas }),
        4 => ttl().prop_map(|ttl| Op::Touch { ttl }),
        4 => (any::<bool>(), any::<bool>(), cas(), any::<bool>())
            .prop_map(|(stale, won, cas, fresh)| Op::Mark { stale, won, cas, fresh }),
        4 => Just(Op::Remove),
        1 => (0_u32..20).prop_map(|after| Op::Flush { after }),
        4 => (0_u32..20).prop_map(|seconds| Op::Pass { seconds }),
        4 => Just(Op::Maintain),
        1 => Just(when_tight(Op::GiveBack)),
        1 => (10_u64..40).prop_map(move |segments| when_tight(Op::Limit { segments })),
    ]
}

struct Run {
    store: Store,
    model: Model,
    now: Secs,
    /// Whether the store may have evicted what the model holds.
    tight: bool,
    stored: usize,
}

fn expires(ttl: u32, now: Secs) -> Expires {
    if ttl == 0 { Expires::Never } else { Expires::At(now + ttl) }
}

impl Run {
    fn new(limit_bytes: u64, tight: bool) -> Self {
        let store = store(limit_bytes);
        let model = Model { item_bytes_max: store.item_bytes_max(), ..Model::default() };
        Self { store, model, now: 10, tight, stored: 0 }
    }

    /// What both hold under a key is the same, unless it was evicted.
    fn agree(&mut self, key: &[u8]) {
        let now = self.now;
        let mut slot = self.store.lock(key);
        let held = slot.find(now).map(|item| record(&item));
        if held.is_none() && self.tight {
            self.model.remove(key, now);
        }
        assert_eq!(held.as_ref(), self.model.find(key, now).map(|r| &*r));
    }

    fn apply(&mut self, key: &[u8], op: &Op) {
        self.agree(key);
        let now = self.now;
        match *op {
            Op::Put { len, flags, ttl, cas } => {
                self.stored += 1;
                let value = vec![(self.stored % 251) as u8; len];
                let data = Data::Bytes(&value);
                let new = New { flags, expires: expires(ttl, now), data, cas };
                let stored = put(&self.store, key, &new, now);
                if stored == Err(Refused::OutOfMemory) && self.tight {
                    self.model.remove(key, now);
                    return assert_eq!(get(&self.store, key, now), None);
                }
                assert_eq!(stored, self.model.put(key, &new, now));
            }
            Op::Join { len, front, cas } => self.join(key, &vec![7; len], front, cas),
            Op::Get => {
                self.store.lock(key).hit(now);
                self.model.hit(key, now);
            }
            Op::Rewrite { cas } => {
                let len = self.model.find(key, now).map_or(3, |record| record.value.len());
                let value = vec![9; len];
                let done = {
                    let mut slot = self.store.lock(key);
                    slot.find(now);
                    slot.rewrite(&value, cas)
                };
                if done.is_some() || !self.tight {
                    assert_eq!(done, self.model.rewrite(key, &value, cas, now));
                }
            }
            Op::Touch { ttl } => {
                let done = self.store.lock(key).touch(expires(ttl, now), now);
                if done || !self.tight {
                    assert_eq!(done, self.model.touch(key, expires(ttl, now), now));
                }
            }
            Op::Mark { stale, won, cas, fresh } => {
                let mut slot = self.store.lock(key);
                let (ours, theirs) =
                    if fresh { (slot.next_cas(), self.model.next_cas()) } else { (0, 0) };
                assert_eq!(ours, theirs);
                let cas = if fresh { Some(ours) } else { cas };
                slot.find(now);
                slot.mark(stale, won, cas);
                self.model.mark(key, stale, won, cas, now);
            }
            Op::Remove => {
                let done = self.store.lock(key).remove();
                assert_eq!(done, self.model.remove(key, now));
            }
            Op::Flush { after } => {
                self.store.flush_at(now + after, now);
                self.model.flush_at(now + after, now);
            }
            Op::Pass { seconds } => self.now += seconds,
            Op::Maintain => drop(self.store.maintain(now)),
            Op::GiveBack => drop(self.store.give_back()),
            Op::Limit { segments } => self.limit(segments * SEGMENT),
        }
    }

    fn join(&mut self, key: &[u8], more: &[u8], front: bool, cas: Option<u64>) {
        let at = if front { Join::Front } else { Join::Back };
        let data = match upload(&self.store, key, more) {
            Ok(Some(upload)) => Data::Uploaded(upload),
            Ok(None) => Data::Bytes(more),
            Err(_) => return assert!(self.tight),
        };
        // Making room for the upload may have evicted what it is to be joined to.
        self.agree(key);
        let joined = self.store.lock(key).join(data, at, cas, self.now);
        if joined != Err(Refused::OutOfMemory) || !self.tight {
            assert_eq!(joined, self.model.join(key, more, at, cas, self.now));
        }
    }

    fn limit(&mut self, bytes: u64) {
        self.store.set_limit(bytes);
        while self.store.used_bytes() > bytes {
            assert!(self.store.give_back().is_some());
        }
    }

    /// A walk shows what is held, each item once.
    fn walk(&mut self) {
        let mut cursor = Cursor::default();
        let mut seen = BTreeSet::new();
        let (store, model, now) = (&self.store, &mut self.model, self.now);
        let mut more = true;
        while more {
            more = store.visit(&mut cursor, 3, now, |shown| {
                assert!(seen.insert(shown.key.to_vec()), "shown once");
                let held = model.find(shown.key, now);
                assert_eq!(Some(&record(&shown.item)), held.map(|r| &*r));
            });
        }
        let missed: Vec<_> = self.model.items.keys().filter(|k| !seen.contains(*k)).collect();
        for key in missed {
            assert!(get(store, key, now).is_none(), "only what is over or evicted is not shown");
        }
    }

    fn check(&mut self) {
        let keys: Vec<_> = self.model.items.keys().cloned().collect();
        keys.iter().for_each(|key| self.agree(key));
        self.walk();
        self.store.check();
        assert!(self.store.used_bytes() <= self.store.totals().limit_bytes);
    }
}

impl Store {
    /// Counts anew all that is kept as a tally.
    pub(super) fn check(&self) {
        for partition in &self.partitions {
            partition.lock().check(&self.shared);
        }
    }
}

impl Partition {
    fn check(&mut self, shared: &Shared) {
        let (mut items, mut bytes) = (0, 0);
        for (id, seg) in self.segs.held() {
            let (mut offset, mut live, mut fetched, mut size) = (0, 0, 0, 0);
            while let Some((place, head)) = self.record_at(id, offset) {
                offset += head.size();
                if head.is(record::DEAD) {
                    continue;
                }
                size += head.size();
                if head.is_piece() {
                    let owned = self.owner(head.cas, place).is_some()
                        || self.taking_of(head.cas, place).is_some();
                    assert!(owned, "a live piece has an owner");
                    continue;
                }
                live += 1;
                fetched += u32::from(head.is(record::FETCHED));
                assert!(seg.first_end <= head.end && head.end <= seg.last_end);
                let key = head.key(&seg.bytes()[place.offset()..]).to_vec();
                let found = self.locate(shared.hash(&key), &key).map(|(_, found)| found);
                assert_eq!(found, Some(place), "a live record is in the index");
            }
            assert_eq!(offset, seg.bytes().len(), "records fill what is written");
            assert_eq!((live, fetched), (seg.live_items, seg.live_fetched));
            assert_eq!(size, seg.live_bytes as usize);
            items += live as usize;
            bytes += size as u64;
        }
        assert_eq!((items, bytes), (self.items, self.live_bytes));
    }
}

fn key(number: u32) -> Vec<u8> {
    format!("key-{number}").into_bytes()
}

fn cases(many: u32) -> ProptestConfig {
    // Hashes are keyed at random, so that a seed that failed is no regression test.
    ProptestConfig {
        cases: if cfg!(miri) { 2 } else { many },
        failure_persistence: None,
        ..Default::default()
    }
}

/// Longest run of operations.
const OPS: usize = if cfg!(miri) { 30 } else { 600 };

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn with_room_enough_it_does_what_the_model_does(
        ops in prop::collection::vec((0_u32..24, op(false)), 1..OPS),
    ) {
        let mut run = Run::new(512 * SEGMENT, false);
        for (number, op) in ops {
            run.apply(&key(number), &op);
        }
        run.check();
    }

    #[test]
    fn without_room_it_misses_but_never_lies(
        ops in prop::collection::vec((0_u32..120, op(true)), 1..OPS),
    ) {
        let mut run = Run::new(20 * SEGMENT, true);
        for (number, op) in ops {
            run.apply(&key(number), &op);
            // What was refused may have been given an order before.
            run.model.order = run.store.shared.order();
        }
        run.check();
    }
}
