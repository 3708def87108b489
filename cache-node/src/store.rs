//! Items in memory: found by key, evicted by use, given back to the kernel by the segment.
//!
//! ```text
//! slot     one key under its lock: find, hit, put, join, touch …    upload  large values coming in
//!    │                                                              walk, image  all items
//! partition   find, append, point to, kill                          upkeep  what is done when calm
//!    ├ index      hash → place, grown a bucket at a time              room  who must go
//!    ├ segments   tallies, queues, lives                              pieces  large items
//!    ├ record     how an item lies in a segment                       ghost  who went lately
//!    └ arena      segments' memory (unsafe)                          budget  one number for all
//! ahead    what will be looked for soon is fetched: fetch (unsafe) is the hint to the processor
//! ```
//!
//! The store is cut into partitions by the hash of the key. Each is a plain structure behind one
//! lock, so nothing within needs atomics: [`Store::lock`] hands out the place of one key, and all
//! that is done to that key happens under that lock. It does no IO beside asking the kernel for
//! memory and returning it, reads no clock (each call is handed `now`), and logs nothing.
//! The layout and why: docs/decisions/0008.

mod ahead;
mod arena;
mod budget;
mod fetch;
mod ghost;
mod image;
mod index;
mod item;
mod partition;
mod pieces;
mod record;
mod room;
mod segments;
mod shared;
mod slot;
mod upkeep;
mod upload;
mod walk;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use ahead::Ahead;
pub use image::{Adopted, Adopting};
pub use item::{
    Admission, Data, Evictions, Expires, Item, Join, New, Over, Params, Refused, Seen, Totals,
};
pub use slot::Slot;
pub use upload::Upload;
pub use walk::Cursor;

use crate::clock::Secs;
use arena::{Arena, Purpose};
use budget::{Budget, Line};
use parking_lot::Mutex;
use partition::Partition;
use record::{HEADER_BYTES, HEADER_BYTES_MAX};
use segments::Queue;
use shared::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Longest key. Units: bytes. Source: memcached's protocol.txt.
pub const KEY_BYTES_MAX: usize = 250;

/// Units: bytes.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1 << 20;
const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// Segments that the limit is to be cut into at least.
const SEGMENTS_WANTED: u64 = 512;
/// Segments for each partition, so that those being filled are a small share.
const SEGMENTS_PER_PARTITION: u64 = 48;
/// A record takes at most this share of a segment.
const RECORDS_PER_SEGMENT: usize = 8;
/// Victims taken for one item at most, when evicting and when not.
const STEPS_MAX: u8 = 24;
const STEPS_MAX_KEEPING: u8 = 64;
/// How long giving back waits for a partition that is in use.
const LOCK_WAIT: Duration = Duration::from_millis(2);

/// The items of one cache.
#[derive(Debug)]
pub struct Store {
    shared: Shared,
    partitions: Box<[Mutex<Partition>]>,
    /// Whose turn it is to give back, or to be tidied.
    turn: AtomicUsize,
    reserve_bytes: u64,
}

/// Room for a record.
#[derive(Clone, Copy, Debug)]
struct Need {
    queue: Queue,
    class: usize,
    size: usize,
    order: u64,
}

impl Store {
    /// # Errors
    /// The reservation was refused by the kernel, or the limit is too low for a single item.
    pub fn new(params: Params) -> std::io::Result<Self> {
        let limit = params.limit_bytes;
        let wanted = (limit / SEGMENTS_WANTED).max(1).next_power_of_two();
        let segment_bytes = wanted.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let most = (limit / (segment_bytes * SEGMENTS_PER_PARTITION)).max(1);
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(1 << 8);
        let count = params.partitions.clamp(1, most);
        let count = if count.is_power_of_two() { count } else { count.next_power_of_two() / 2 };
        let budget = Arc::new(Budget::new(limit));
        let segment_len = usize::try_from(segment_bytes).map_err(std::io::Error::other)?;
        let reserve_bytes = params.reserve_bytes.max(limit);
        let arena = Arena::new(reserve_bytes, segment_len, Arc::clone(&budget))?;
        let partitions: Box<[Partition]> = (0..count).map(|_| Partition::new()).collect();
        let index_bytes = partitions.iter().map(|partition| partition.index.bytes()).sum();
        if !budget.take(Line::Index, index_bytes, 4 * segment_bytes) {
            return Err(std::io::Error::other("the memory limit is too low to hold items"));
        }
        Ok(Self {
            shared: Shared::new(arena, budget, params.evicts, params.item_bytes_max),
            partitions: partitions.into_iter().map(Mutex::new).collect(),
            turn: 0.into(),
            reserve_bytes,
        })
    }

    /// Values up to this length are stored from one slice; longer ones are uploaded.
    #[must_use]
    pub fn inline_bytes_max(&self) -> usize {
        self.record_bytes_max() - HEADER_BYTES_MAX - KEY_BYTES_MAX
    }

    fn record_bytes_max(&self) -> usize {
        self.shared.arena.segment_bytes() / RECORDS_PER_SEGMENT
    }

    fn piece_bytes_max(&self) -> usize {
        self.record_bytes_max() - HEADER_BYTES - 8
    }

    /// Largest item: what was asked for, and what a head can list.
    fn item_bytes_max(&self) -> u64 {
        let pieces = (self.inline_bytes_max() - 8) / 8;
        self.shared.item_bytes_max.min((pieces * self.piece_bytes_max()) as u64)
    }

    /// From now on `evictions` is told what is evicted; the first who asks, and nobody else.
    pub fn tell_evictions(&self, evictions: Arc<dyn Evictions>) {
        // Whoever came first stays.
        let _ = self.shared.evictions.set(evictions);
    }

    /// Locks the place of `key`. Hold it for one command only; nothing else of the store may be
    /// called meanwhile.
    #[must_use]
    pub fn lock<'a>(&'a self, key: &'a [u8]) -> Slot<'a> {
        let hash = self.shared.hash(key);
        let number = self.number_of(hash);
        let partition = self.partitions[number].lock();
        Slot { store: self, partition, number, key, hash, found: None, over: None }
    }

    fn number_of(&self, hash: u64) -> usize {
        // The highest bits, so that sorted hashes lie by partition.
        ((hash >> 56) as usize * self.partitions.len()) >> 8
    }

    /// Finds or makes room for a record: the segment it goes to, and a place in the index.
    fn room(&self, partition: &mut Partition, number: usize, need: Need) -> Option<u32> {
        let shared = &self.shared;
        let Need { queue, class, size, order } = need;
        let steps = if shared.evicts { STEPS_MAX } else { STEPS_MAX_KEEPING };
        for step in 0..steps {
            if partition.prepare_index(shared) {
                let target = partition.target(queue, class, size, order).or_else(|| {
                    partition.open_target(shared, Purpose::Store, (queue, class), order)
                });
                if target.is_some() {
                    return target;
                }
                if shared.budget.over() > 0 && shared.evicts {
                    // Others are giving back what is above the limit: go on with what is here.
                    return partition.recycle(shared, (queue, class), order);
                }
            }
            let is_poor = self.is_poor(partition);
            let is_freed = (is_poor && self.take_from_another(number, step))
                || partition.free_one(shared, step)
                || (!is_poor && self.take_from_another(number, step));
            if !is_freed {
                return None;
            }
        }
        None
    }

    /// Whether a partition has less than half of its share.
    fn is_poor(&self, partition: &Partition) -> bool {
        let all =
            self.shared.budget.line(Line::Segments) / self.shared.arena.segment_bytes() as u64;
        let own = partition.segs.count(Queue::Small) + partition.segs.count(Queue::Main);
        (own * self.partitions.len() * 2) as u64 <= all
    }

    /// Frees a segment of another partition that is not in use right now.
    fn take_from_another(&self, number: usize, step: u8) -> bool {
        let count = self.partitions.len();
        let others = (1..count).filter_map(|i| self.partitions[(number + i) % count].try_lock());
        let mut rich = others.filter(|other| !self.is_poor(other));
        rich.any(|mut other| other.free_one(&self.shared, step))
    }

    /// From `at` on, all that is held by then is gone. Called with the present second it works at
    /// once; a later call replaces one that still waits.
    pub fn flush_at(&self, at: Secs, now: Secs) {
        self.shared.flush_at(at, now);
    }

    #[must_use]
    pub fn totals(&self) -> Totals {
        let budget = &self.shared.budget;
        let segment_bytes = budget.line(Line::Segments);
        let mut totals = Totals {
            segment_bytes,
            segments: segment_bytes / self.shared.arena.segment_bytes() as u64,
            segments_total: self.reserve_bytes / self.shared.arena.segment_bytes() as u64,
            index_bytes: budget.line(Line::Index),
            buffer_bytes: budget.line(Line::Charges),
            ghost_bytes: budget.line(Line::Ghost),
            limit_bytes: budget.limit(),
            given_back_total: self.shared.arena.given_back(),
            ..Totals::default()
        };
        for partition in &self.partitions {
            let partition = partition.lock();
            totals.items += partition.items as u64;
            totals.item_bytes += partition.live_bytes;
            totals.add_counters(&partition.tally);
        }
        totals
    }

    pub fn reset_totals(&self) {
        for partition in &self.partitions {
            partition.lock().tally = Totals::default();
        }
    }

    /// Takes `bytes` of the budget for something beside items; they return with the charge. Items
    /// are evicted for them.
    ///
    /// # Errors
    /// The budget has no room for them.
    pub fn charge(&self, bytes: u64) -> Result<Charge, Refused> {
        let segment_bytes = self.shared.arena.segment_bytes() as u64;
        let tries = bytes / segment_bytes + u64::from(STEPS_MAX);
        for _ in 0..tries {
            if self.shared.take_bytes(Line::Charges, bytes) {
                return Ok(Charge { bytes, budget: Arc::clone(&self.shared.budget) });
            }
            let is_hopeless = bytes > self.shared.budget.limit() || !self.shared.evicts;
            if is_hopeless || self.give_back().is_none() {
                break;
            }
        }
        Err(Refused::OutOfMemory)
    }

    /// Raises or lowers the limit, within the reservation. Lowering gives nothing back by itself:
    /// [`Self::give_back`] does.
    pub fn set_limit(&self, bytes: u64) {
        self.shared.budget.set_limit(bytes.min(self.reserve_bytes));
    }

    /// Segments, index, ghost and charges. Units: bytes. Above the limit only after that fell.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.shared.budget.used()
    }

    pub fn admit(&self, admission: Admission) {
        self.shared.admit(admission);
    }

    /// Evicts the coldest segment and returns it to the kernel. Returns the bytes given back, None
    /// when nothing is left to give. Cost: 0.2 ms. Not to be called with a [`Slot`] in hand.
    pub fn give_back(&self) -> Option<u64> {
        if let Some(unused) = self.shared.arena.take_cached() {
            return Some(unused.release());
        }
        let first = self.turn.fetch_add(1, Relaxed);
        // What has little may need all of it for one large value on its way in.
        let coldest = self.retire_from(first, true).or_else(|| self.retire_from(first, false));
        // The pages go when the lock is free again.
        Some(coldest.or_else(|| self.shared.arena.take_cached())?.release())
    }

    fn retire_from(&self, first: usize, spares: bool) -> Option<arena::Segment> {
        let count = self.partitions.len();
        let mut partitions = (0..count).map(|i| &self.partitions[(first + i) % count]);
        partitions.find_map(|partition| {
            let mut partition = partition.try_lock_for(LOCK_WAIT)?;
            let is_spared = spares && self.is_poor(&partition);
            if is_spared { None } else { partition.retire_coldest(&self.shared, spares) }
        })
    }
}

/// Bytes of the budget in use by something beside items.
#[derive(Debug)]
pub struct Charge {
    bytes: u64,
    budget: Arc<Budget>,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.put_back(Line::Charges, self.bytes);
    }
}
