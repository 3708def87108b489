//! What all partitions share: arena, budget, order, the hash, what was decided for all.

use super::arena::Arena;
use super::budget::{Budget, Line};
use super::item::{Admission, Evictions};
use crate::clock::Secs;
use foldhash::quality::RandomState;
use parking_lot::Mutex;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

#[derive(Debug)]
pub struct Shared {
    pub arena: Arena,
    pub budget: Arc<Budget>,
    hasher: RandomState,
    /// The highest order given out. An item's order is its CAS value unless it has its own.
    order: AtomicU64,
    /// What has this order or a lower one is gone.
    flushed: AtomicU64,
    /// When the next flush is due; 0: none.
    flush_at: AtomicU32,
    flushing: Mutex<()>,
    admission: AtomicU8,
    pub evictions: OnceLock<Arc<dyn Evictions>>,
    pub evicts: bool,
    pub item_bytes_max: u64,
}

impl Shared {
    pub fn new(arena: Arena, budget: Arc<Budget>, evicts: bool, item_bytes_max: u64) -> Self {
        Self {
            arena,
            budget,
            hasher: RandomState::default(),
            order: 0.into(),
            flushed: 0.into(),
            flush_at: 0.into(),
            flushing: Mutex::default(),
            admission: 0.into(),
            evictions: OnceLock::new(),
            evicts,
            item_bytes_max,
        }
    }

    /// Keyed at random in each process, so that keys that collide cannot be chosen beforehand.
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    pub fn next_order(&self) -> u64 {
        self.order.fetch_add(1, Relaxed) + 1
    }

    pub fn order(&self) -> u64 {
        self.order.load(Relaxed)
    }

    /// Orders given out from now on are above `order`.
    pub fn raise_order(&self, order: u64) {
        self.order.fetch_max(order, Relaxed);
    }

    pub fn flushed(&self) -> u64 {
        self.flushed.load(Relaxed)
    }

    pub fn flush_at(&self, at: Secs, now: Secs) {
        let _guard = self.flushing.lock();
        if at <= now {
            self.flush_at.store(0, Relaxed);
            self.flush();
        } else {
            self.flush_at.store(at, Relaxed);
        }
    }

    /// Flushes if that is due.
    pub fn notice(&self, now: Secs) {
        let is_due = || (1..=now).contains(&self.flush_at.load(Relaxed));
        if is_due() {
            let _guard = self.flushing.lock();
            if is_due() {
                self.flush();
                self.flush_at.store(0, Relaxed);
            }
        }
    }

    fn flush(&self) {
        // What has a CAS value of its own is given the present order, from 1 on; afterwards that
        // is another.
        let next = |order: u64| Some(order.max(1) + 1);
        let before = self.order.fetch_update(Relaxed, Relaxed, next).unwrap_or_default();
        self.flushed.store(before.max(1), Relaxed);
    }

    /// Who wants to know at the moment what is evicted.
    pub fn evictions(&self) -> Option<&dyn Evictions> {
        self.evictions.get().map(Arc::as_ref).filter(|evictions| evictions.wants())
    }

    pub fn admit(&self, admission: Admission) {
        self.admission.store(admission as u8, Relaxed);
    }

    pub fn admission(&self) -> Admission {
        match self.admission.load(Relaxed) {
            0 => Admission::All,
            1 => Admission::Known,
            _ => Admission::Nobody,
        }
    }

    /// Takes bytes for what is no segment; an unused segment is given back for them.
    pub fn take_bytes(&self, line: Line, bytes: u64) -> bool {
        if self.budget.take(line, bytes, 0) {
            return true;
        }
        let Some(unused) = self.arena.take_cached() else { return false };
        unused.release();
        self.budget.take(line, bytes, 0)
    }
}
