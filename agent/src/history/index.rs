//! Finds the cell of a target: open addressing over cell numbers, made at full size, never
//! rehashed.
//!
//! Half empty at worst, so a look-up takes 1.5 probes. The hash is not keyed: names that collide on
//! purpose cost their maker's neighbours at most one probe each, and only where a target is opened.

use super::pool::{NIL, Pool};
use crate::target::Target;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;

#[derive(Debug)]
pub(super) struct Index {
    slots: Box<[u32]>,
    pub len: usize,
    pub max: usize,
}

impl Index {
    /// An index for at most `max` targets. Heap: 8 to 16 bytes for each of them.
    pub(super) fn new(max: usize) -> Self {
        let slots = if max == 0 { 0 } else { (2 * max).next_power_of_two() };
        Self { slots: vec![NIL; slots].into_boxed_slice(), len: 0, max }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.slots.len() * size_of::<u32>()
    }

    /// How many positions there are for [`Self::at`].
    pub(super) const fn positions(&self) -> usize {
        self.slots.len()
    }

    /// The cell at a position, NIL if none. Positions change when a target is removed.
    pub(super) fn at(&self, position: usize) -> u32 {
        self.slots.get(position).copied().unwrap_or(NIL)
    }

    pub(super) fn find(&self, pool: &Pool, target: &Target) -> Option<u32> {
        let mut slot = self.home(target);
        loop {
            let id = self.at(slot);
            if id == NIL {
                return None;
            }
            if pool.series(id).is_some_and(|series| series.target == *target) {
                return Some(id);
            }
            slot = self.after(slot);
        }
    }

    /// Enters a target that is not there yet; callers keep `len` below `max`.
    pub(super) fn insert(&mut self, target: &Target, id: u32) {
        let mut slot = self.home(target);
        while self.at(slot) != NIL {
            slot = self.after(slot);
        }
        if let Some(empty) = self.slots.get_mut(slot) {
            *empty = id;
            self.len += 1;
        }
    }

    /// Removes a target and closes the hole, so that no probe ends too early.
    pub(super) fn remove(&mut self, pool: &Pool, target: &Target, id: u32) {
        let mut hole = self.home(target);
        while self.at(hole) != id {
            if self.at(hole) == NIL {
                return;
            }
            hole = self.after(hole);
        }
        self.len -= 1;
        let mut slot = self.after(hole);
        while let Some(series) = pool.series(self.at(slot)) {
            // An entry may move back to the hole unless its home lies between the hole and it.
            let home = self.home(&series.target);
            if self.distance(home, slot) >= self.distance(hole, slot) {
                self.slots[hole] = self.slots[slot];
                hole = slot;
            }
            slot = self.after(slot);
        }
        self.slots[hole] = NIL;
    }

    fn home(&self, target: &Target) -> usize {
        // Truncation keeps the low bits, which is all that the mask lets through.
        FxBuildHasher.hash_one(target) as usize & self.slots.len().saturating_sub(1)
    }

    const fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    const fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
    }
}
