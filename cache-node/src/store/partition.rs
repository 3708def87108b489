//! One partition: index, segments, queues and ghost of the keys whose hash falls to it.
//!
//! A plain structure; its owner holds the lock. What is here are the steps of which all operations
//! consist: find, append, point to, kill. See `room` for who must go, `pieces` for large items.

use super::arena::{Purpose, Segment};
use super::budget::Line;
use super::ghost::Ghost;
use super::index::{At, CHUNK_BYTES, Index, Place};
use super::item::Totals;
use super::pieces::Taking;
use super::record::{self, DEAD, FETCHED, HAS_CAS, HAS_END, HAS_FLAGS, Head, LARGE, NEVER};
use super::segments::{CLASSES, NONE, Queue, Segments, class_of};
use super::shared::Shared;
use crate::clock::Secs;

/// Buckets split after one insertion, at most.
const SPLITS_MAX: usize = 2;
/// One bucket is scrubbed for so many insertions.
const INSERTIONS_PER_SCRUB: u32 = 4;

/// A record to be written, with what counts from a segment's base still absolute.
#[derive(Clone, Copy, Debug)]
pub struct Draft {
    pub head: Head,
    /// 0: it is given the next.
    pub order: u64,
    pub accessed: Secs,
    /// None: where its history puts it.
    pub queue: Option<Queue>,
}

impl Draft {
    pub fn new(key_len: usize, value_len: usize, order: u64, accessed: Secs) -> Self {
        let head = Head {
            key_len,
            value_len,
            bits: 0,
            freq: 0,
            accessed: 0,
            order: 0,
            client_flags: 0,
            end: NEVER,
            cas: 0,
        };
        Self { head, order, accessed, queue: None }
    }

    pub fn with(mut self, client_flags: u32, end: u32, cas: Option<u64>) -> Self {
        self.head.client_flags = client_flags;
        self.head.end = end;
        self.head.cas = cas.unwrap_or(0);
        self.head.bits |= if client_flags == 0 { 0 } else { HAS_FLAGS };
        self.head.bits |= if end == NEVER { 0 } else { HAS_END };
        self.head.bits |= if cas.is_none() { 0 } else { HAS_CAS };
        self
    }
}

/// Aligned so that the locks of two partitions share no cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct Partition {
    pub index: Index,
    pub segs: Segments,
    pub ghost: Ghost,
    /// Where new items of each queue and class go; [`NONE`] if nothing is open.
    pub open: [[u32; CLASSES]; 2],
    /// Where merged items go.
    pub merging: u32,
    /// Large values on their way in.
    pub takings: Vec<Taking>,
    pub next_taking: u64,
    /// Counters only; see [`Self::items`] and [`Self::live_bytes`] for what is held.
    pub tally: Totals,
    pub items: usize,
    pub live_bytes: u64,
    /// The latest second that anybody mentioned.
    pub now: Secs,
    /// The segment whose records are being moved or dropped: it must not be freed meanwhile.
    pub emptying: u32,
    pub scratch: Vec<u8>,
    pub scrub_at: usize,
    insertions: u32,
    /// No item ends before it.
    pub soonest_end: u32,
    pub swept: u32,
}

impl Partition {
    pub fn new() -> Self {
        Self {
            index: Index::new(),
            segs: Segments::default(),
            ghost: Ghost::default(),
            open: [[NONE; CLASSES]; 2],
            merging: NONE,
            takings: Vec::new(),
            next_taking: 1,
            tally: Totals::default(),
            items: 0,
            live_bytes: 0,
            now: 0,
            emptying: NONE,
            scratch: Vec::new(),
            scrub_at: 0,
            insertions: 0,
            soonest_end: NEVER,
            swept: 0,
        }
    }

    /// The item of a key, whether it still counts or not.
    pub fn locate(&self, hash: u64, key: &[u8]) -> Option<(At, Place)> {
        let is_it = |place| self.segs.bytes(place).is_some_and(|at| record::has_key(at, key));
        let at = self.index.find(hash, is_it)?;
        Some((at, self.index.place(at)?))
    }

    /// Whether a record is beyond its end, or flushed.
    pub fn is_over(&self, shared: &Shared, place: Place, head: &Head) -> bool {
        let order = self.segs.of(place).map_or(0, |seg| seg.order_of(head));
        head.end <= self.now || order <= shared.flushed()
    }

    /// Where records of this queue and class can be appended now.
    pub fn target(&self, queue: Queue, class: usize, size: usize, order: u64) -> Option<u32> {
        let id = self.open[queue as usize][class];
        let seg = self.segs.get(id)?;
        (seg.room() >= size && seg.order_here(order).is_some()).then_some(id)
    }

    /// Opens another segment for this queue and class; None if no memory is to be had.
    pub fn open_target(
        &mut self,
        shared: &Shared,
        purpose: Purpose,
        (queue, class): (Queue, usize),
        order: u64,
    ) -> Option<u32> {
        let data = shared.arena.take(purpose)?;
        let id = self.segs.open(data, (queue, class), order, self.now, None)?;
        let before = std::mem::replace(&mut self.open[queue as usize][class], id);
        self.seal(before);
        Some(id)
    }

    /// Nothing more is appended to a segment: frees it if nothing in it lives.
    pub fn seal(&mut self, id: u32) {
        let Some(seg) = self.segs.get(id) else { return };
        if seg.live_bytes == 0 && seg.is_held() && id != self.emptying {
            drop(self.close(id));
        }
    }

    /// Forgets that a segment takes new items.
    pub fn stop_filling(&mut self, id: u32) {
        for open in self.open.iter_mut().flatten().chain([&mut self.merging]) {
            if *open == id {
                *open = NONE;
            }
        }
    }

    pub fn is_filling(&self, id: u32) -> bool {
        self.merging == id || self.open.iter().flatten().any(|open| *open == id)
    }

    /// Takes a segment out of use with all that is in it.
    pub fn close(&mut self, id: u32) -> Option<Segment> {
        self.stop_filling(id);
        let seg = self.segs.get(id)?;
        let (items, bytes) = (seg.live_items as usize, u64::from(seg.live_bytes));
        let data = self.segs.close(id)?;
        self.items = self.items.saturating_sub(items);
        self.live_bytes = self.live_bytes.saturating_sub(bytes);
        Some(data)
    }

    /// Writes a record but for its key and value into a segment that has room for it.
    pub fn append(&mut self, id: u32, draft: &Draft) -> Option<(Place, Head)> {
        let seg = self.segs.get_mut(id)?;
        let head = Head {
            order: seg.order_here(draft.order)?,
            accessed: seg.time_here(draft.accessed),
            ..draft.head
        };
        let (offset, bytes) = seg.extend(head.size())?;
        head.write(bytes);
        seg.live_bytes += head.size() as u32;
        seg.live_items += u32::from(!head.is_piece());
        seg.live_fetched += u32::from(!head.is_piece() && head.is(FETCHED));
        seg.larges += u32::from(head.is_piece() || head.is(LARGE));
        if !head.is_piece() {
            seg.first_end = seg.first_end.min(head.end);
            seg.first_order = seg.first_order.min(draft.order);
            self.soonest_end = self.soonest_end.min(head.end);
        }
        seg.last_end = seg.last_end.max(head.end);
        seg.last_order = seg.last_order.max(draft.order);
        self.live_bytes += head.size() as u64;
        self.items += usize::from(!head.is_piece());
        Some((Place::new(id, seg.life, offset), head))
    }

    /// Makes sure that the next [`Self::enter`] finds room in the index.
    pub fn prepare_index(&mut self, shared: &Shared) -> bool {
        if self.index.wants_units() {
            if !shared.take_bytes(Line::Index, CHUNK_BYTES) {
                return false;
            }
            self.index.add_units();
        }
        true
    }

    /// Puts a new item into the index.
    pub fn enter(&mut self, shared: &Shared, hash: u64, place: Place) {
        let segs = &self.segs;
        let done = self.index.insert(hash, place, |p| segs.is_stale(p));
        debug_assert!(done, "the index was prepared");
        for _ in 0..SPLITS_MAX {
            if !self.index.wants_growth(self.items) {
                break;
            }
            let takes = self.index.growth_takes_chunk();
            if takes && !shared.take_bytes(Line::Index, CHUNK_BYTES) {
                break;
            }
            self.index.grow(|p| {
                let bytes = segs.bytes(p)?;
                Some(shared.hash(Head::read(bytes)?.key(bytes)))
            });
        }
        self.insertions += 1;
        if self.insertions >= INSERTIONS_PER_SCRUB {
            self.insertions = 0;
            self.scrub(1);
        }
    }

    /// Drops what is stale from the next buckets. Returns whether that ended a pass.
    pub fn scrub(&mut self, buckets: usize) -> bool {
        let segs = &self.segs;
        for _ in 0..buckets {
            self.index.scrub(self.scrub_at, |p| segs.is_stale(p));
            self.scrub_at += 1;
            if self.scrub_at >= self.index.buckets() {
                self.scrub_at = 0;
                self.segs.passes += 1;
                return true;
            }
        }
        false
    }

    /// Notes that nothing refers to a record any more.
    pub fn kill(&mut self, place: Place) {
        let Some(head) = self.segs.head(place).filter(|head| !head.is(DEAD)) else { return };
        if let Some(bits) = self.segs.bytes_mut(place).and_then(|bytes| bytes.get_mut(1)) {
            *bits |= DEAD;
        }
        self.discount(place, &head);
        let id = place.segment();
        let is_empty = self.segs.get(id).is_some_and(|seg| seg.live_bytes == 0);
        if is_empty && id != self.emptying && !self.is_filling(id) {
            drop(self.close(id));
        }
    }

    /// Takes a record out of the tallies.
    pub fn discount(&mut self, place: Place, head: &Head) {
        let Some(seg) = self.segs.of_mut(place) else { return };
        let item = u32::from(!head.is_piece());
        seg.live_bytes = seg.live_bytes.saturating_sub(head.size() as u32);
        seg.live_items = seg.live_items.saturating_sub(item);
        seg.live_fetched = seg.live_fetched.saturating_sub(item * u32::from(head.is(FETCHED)));
        self.live_bytes = self.live_bytes.saturating_sub(head.size() as u64);
        self.items = self.items.saturating_sub(item as usize);
    }

    /// Takes an item out of the index and kills all its records.
    pub fn unlink(&mut self, at: At, place: Place) {
        self.index.remove(at);
        self.kill_pieces(place);
        self.kill(place);
    }

    /// Unlinks an item that is over, and counts it.
    pub fn unlink_over(&mut self, at: At, place: Place, head: &Head) {
        self.count_over(head);
        self.unlink(at, place);
    }

    /// Counts an item that is dropped for being over.
    pub fn count_over(&mut self, head: &Head) {
        self.tally.reclaimed_total += 1;
        if head.end <= self.now && !head.is(FETCHED) {
            self.tally.expired_unfetched_total += 1;
        }
    }

    /// The chain of an item that ends at `end`.
    pub fn class_of(&self, end: u32) -> usize {
        class_of(end, self.now)
    }
}
