//! The segments of one partition: what each holds, in which order they came, how often they lived.
//!
//! Pure bookkeeping. A segment is in one of two queues, small or main, from the moment it is
//! opened. Freed, its number begins a new life, which makes every place in it stale; a number rests
//! when so many of its lives may still be named in the index that lives could be confused.

use super::arena::Segment;
use super::index::{LIFE_MAX, Place, SEGMENTS_MAX};
use super::record::{Head, NEVER};
use crate::clock::Secs;

/// No segment.
pub const NONE: u32 = u32::MAX;
/// Chains by how long items still have: never ends, then up to each of [`CLASS_ENDS`], then more.
pub const CLASSES: usize = 5;
/// Units: seconds.
const CLASS_ENDS: [Secs; 3] = [64, 1_024, 16_384];
/// How far before a segment was opened its items can have been fetched. Units: seconds.
const ACCESSED_BEFORE: Secs = 1 << 23;
/// How far from a segment's first order the others may be, to both sides.
const ORDERS_BEFORE: u64 = 1 << 31;

/// S3-FIFO's queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    Small,
    Main,
}

impl Queue {
    pub const fn other(self) -> Self {
        match self {
            Self::Small => Self::Main,
            Self::Main => Self::Small,
        }
    }
}

/// The chain of an item that ends at `end`.
pub fn class_of(end: u32, now: Secs) -> usize {
    if end == NEVER {
        return 0;
    }
    let left = end.saturating_sub(now);
    1 + CLASS_ENDS.iter().filter(|most| left > **most).count()
}

/// One segment and its tallies; what each fetch needs comes first, in one cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Seg {
    data: Option<Segment>,
    /// How far it is written. Units: bytes.
    pub written: u32,
    pub life: u16,
    pub queue: Queue,
    pub class: u8,
    /// Fetches since it was opened.
    pub heat: u32,
    pub base_time: Secs,
    pub base_order: u64,
    pub live_items: u32,
    /// Live items that were fetched.
    pub live_fetched: u32,
    /// Records of live items and pieces. Units: bytes.
    pub live_bytes: u32,
    /// Heads and pieces of large items ever written.
    pub larges: u32,
    pub last_order: u64,
    /// No live item has a lower one.
    pub first_order: u64,
    /// No item ends before it.
    pub first_end: u32,
    /// All have ended at it.
    pub last_end: u32,
    older: u32,
    newer: u32,
    /// Lives ended in this and the last stretch of two scrubbing passes.
    lives: [u16; 2],
    stretch_began: u64,
}

impl Seg {
    fn blank() -> Self {
        Self {
            data: None,
            written: 0,
            life: 1,
            queue: Queue::Small,
            class: 0,
            live_items: 0,
            live_fetched: 0,
            live_bytes: 0,
            larges: 0,
            heat: 0,
            base_order: 0,
            last_order: 0,
            first_order: u64::MAX,
            base_time: 0,
            first_end: NEVER,
            last_end: 0,
            older: NONE,
            newer: NONE,
            lives: [0; 2],
            stretch_began: 0,
        }
    }

    pub fn is_held(&self) -> bool {
        self.data.is_some()
    }

    /// The bytes that are written.
    pub fn bytes(&self) -> &[u8] {
        let all = self.data.as_deref().unwrap_or_default();
        all.get(..self.written as usize).unwrap_or_default()
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let written = self.written as usize;
        self.data.as_deref_mut().and_then(|all| all.get_mut(..written)).unwrap_or_default()
    }

    /// What an order is written as here; None: too far from the base.
    pub fn order_here(&self, order: u64) -> Option<u32> {
        u32::try_from(order.checked_sub(self.base_order)?).ok()
    }

    pub fn time_here(&self, time: Secs) -> u32 {
        time.saturating_sub(self.base_time)
    }

    pub fn order_of(&self, head: &Head) -> u64 {
        self.base_order + u64::from(head.order)
    }

    pub fn accessed(&self, head: &Head) -> Secs {
        self.base_time.saturating_add(head.accessed)
    }

    /// Appends `len` bytes and shows them; None if they do not fit.
    pub fn extend(&mut self, len: usize) -> Option<(usize, &mut [u8])> {
        let data = self.data.as_mut()?;
        let from = self.written as usize;
        let to = from.checked_add(len)?;
        data.get(from..to)?;
        data.note_written(to);
        self.written = to as u32;
        Some((from, data.get_mut(from..to)?))
    }

    pub fn room(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.len() - self.written as usize)
    }
}

/// Oldest and newest of a queue.
#[derive(Clone, Copy, Debug)]
struct Ends {
    oldest: u32,
    newest: u32,
    count: usize,
}

#[derive(Debug)]
pub struct Segments {
    table: Vec<Seg>,
    idle: Vec<u32>,
    /// Numbers that rest until the index is scrubbed.
    resting: Vec<u32>,
    queues: [Ends; 2],
    /// Scrubbing passes over the index that are complete.
    pub passes: u64,
}

impl Default for Segments {
    fn default() -> Self {
        let queues = [Ends { oldest: NONE, newest: NONE, count: 0 }; 2];
        Self { table: Vec::new(), idle: Vec::new(), resting: Vec::new(), queues, passes: 0 }
    }
}

impl Segments {
    pub fn count(&self, queue: Queue) -> usize {
        self.queues[queue as usize].count
    }

    pub fn oldest(&self, queue: Queue) -> Option<u32> {
        let oldest = self.queues[queue as usize].oldest;
        (oldest != NONE).then_some(oldest)
    }

    /// The next younger one in the same queue.
    pub fn after(&self, id: u32) -> Option<u32> {
        self.get(id).map(|seg| seg.newer).filter(|newer| *newer != NONE)
    }

    /// Numbers and segments of all that are held.
    pub fn held(&self) -> impl Iterator<Item = (u32, &Seg)> + Clone {
        (0..).zip(&self.table).filter(|(_, seg)| seg.is_held())
    }

    pub fn get(&self, id: u32) -> Option<&Seg> {
        self.table.get(id as usize)
    }

    pub fn get_mut(&mut self, id: u32) -> Option<&mut Seg> {
        self.table.get_mut(id as usize)
    }

    pub fn is_stale(&self, place: Place) -> bool {
        self.get(place.segment()).is_none_or(|seg| seg.life != place.life())
    }

    /// The segment a place is in, unless that began another life.
    pub fn of(&self, place: Place) -> Option<&Seg> {
        self.get(place.segment()).filter(|seg| seg.life == place.life())
    }

    pub fn of_mut(&mut self, place: Place) -> Option<&mut Seg> {
        self.get_mut(place.segment()).filter(|seg| seg.life == place.life())
    }

    /// What is written from a place on.
    pub fn bytes(&self, place: Place) -> Option<&[u8]> {
        self.of(place)?.bytes().get(place.offset()..)
    }

    pub fn bytes_mut(&mut self, place: Place) -> Option<&mut [u8]> {
        self.of_mut(place)?.bytes_mut().get_mut(place.offset()..)
    }

    pub fn head(&self, place: Place) -> Option<Head> {
        Head::read(self.bytes(place)?)
    }

    /// Whether a number is left for one more.
    fn take_number(&mut self) -> Option<u32> {
        if let Some(id) = self.idle.pop() {
            return Some(id);
        }
        let passes = self.passes;
        let rested = |id: &u32| self.table[*id as usize].stretch_began + 2 <= passes;
        if let Some(at) = self.resting.iter().position(rested) {
            let id = self.resting.swap_remove(at);
            self.table[id as usize].lives = [0; 2];
            return Some(id);
        }
        let next = u32::try_from(self.table.len()).ok().filter(|next| *next < SEGMENTS_MAX)?;
        self.table.push(Seg::blank());
        Some(next)
    }

    /// Puts a segment into use, as the newest of its queue, or just before (older than) `before`.
    pub fn open(
        &mut self,
        data: Segment,
        (queue, class): (Queue, usize),
        order: u64,
        now: Secs,
        before: Option<u32>,
    ) -> Option<u32> {
        let id = self.take_number()?;
        let seg = self.get_mut(id)?;
        let fresh = Seg::blank();
        *seg = Seg {
            data: Some(data),
            queue,
            class: class as u8,
            base_order: order.saturating_sub(ORDERS_BEFORE),
            base_time: now.saturating_sub(ACCESSED_BEFORE),
            life: seg.life,
            lives: seg.lives,
            stretch_began: seg.stretch_began,
            ..fresh
        };
        self.link(id, queue, before);
        Some(id)
    }

    fn link(&mut self, id: u32, queue: Queue, before: Option<u32>) {
        let newer = before.unwrap_or(NONE);
        let ends = self.queues[queue as usize];
        let older = match before.and_then(|b| self.get(b)) {
            Some(seg) => seg.older,
            None => ends.newest,
        };
        let seg = &mut self.table[id as usize];
        (seg.older, seg.newer) = (older, newer);
        let ends = &mut self.queues[queue as usize];
        ends.count += 1;
        match self.table.get_mut(older as usize) {
            Some(seg) => seg.newer = id,
            None => ends.oldest = id,
        }
        match self.table.get_mut(newer as usize) {
            Some(seg) => seg.older = id,
            None => ends.newest = id,
        }
    }

    /// Takes a segment out of use. All places in it are stale from now on.
    pub fn close(&mut self, id: u32) -> Option<Segment> {
        let passes = self.passes;
        let seg = self.get_mut(id)?;
        let data = seg.data.take()?;
        let (older, newer, queue) = (seg.older, seg.newer, seg.queue);
        seg.life = seg.life % LIFE_MAX + 1;
        seg.written = 0;
        if passes >= seg.stretch_began + 2 {
            // What the last stretch left in the index has been found by a whole pass since.
            seg.lives = [seg.lives[1], 0];
            seg.stretch_began = passes;
        }
        seg.lives[1] += 1;
        let is_worn = seg.lives[0] + seg.lives[1] >= LIFE_MAX - 1;
        let list = if is_worn { &mut self.resting } else { &mut self.idle };
        list.push(id);
        let ends = &mut self.queues[queue as usize];
        ends.count -= 1;
        match self.table.get_mut(older as usize) {
            Some(seg) => seg.newer = newer,
            None => ends.oldest = newer,
        }
        match self.table.get_mut(newer as usize) {
            Some(seg) => seg.older = older,
            None => ends.newest = older,
        }
        Some(data)
    }
}

#[cfg(test)]
mod tests {
    use super::super::arena::{Arena, Purpose};
    use super::super::budget::Budget;
    use super::*;
    use std::sync::Arc;

    fn arena() -> Arena {
        Arena::new(64 << 10, 4096, Arc::new(Budget::new(1 << 20))).unwrap()
    }

    fn open(segments: &mut Segments, arena: &Arena, before: Option<u32>) -> u32 {
        let data = arena.take(Purpose::Move).unwrap();
        segments.open(data, (Queue::Main, 0), 1, 1, before).unwrap()
    }

    fn order(segments: &Segments) -> Vec<u32> {
        std::iter::successors(segments.oldest(Queue::Main), |id| segments.after(*id)).collect()
    }

    #[test]
    fn a_queue_keeps_its_order() {
        let (arena, mut segments) = (arena(), Segments::default());
        for _ in 0..3 {
            open(&mut segments, &arena, None);
        }
        open(&mut segments, &arena, Some(0));
        open(&mut segments, &arena, Some(2));
        assert_eq!(order(&segments), [3, 0, 1, 4, 2]);
        for (closed, left) in [(3, vec![0, 1, 4, 2]), (2, vec![0, 1, 4]), (1, vec![0, 4])] {
            assert!(segments.close(closed).is_some());
            assert_eq!(order(&segments), left);
        }
        assert!(segments.close(1).is_none(), "it is closed");
        assert_eq!(segments.count(Queue::Main), 2);
    }

    #[test]
    fn a_freed_segment_leaves_stale_places_and_a_worn_number_rests() {
        let (arena, mut segments) = (arena(), Segments::default());
        let id = open(&mut segments, &arena, None);
        let place = Place::new(id, 1, 0);
        assert!(!segments.is_stale(place));
        drop(segments.close(id));
        assert!(segments.is_stale(place));
        for life in 2..LIFE_MAX {
            let next = open(&mut segments, &arena, None);
            assert_eq!(next, id, "life {life}");
            drop(segments.close(id));
            assert!(segments.is_stale(place));
        }
        assert_eq!(open(&mut segments, &arena, None), 1, "the first number is worn out");
        segments.passes = 2;
        assert_eq!(open(&mut segments, &arena, None), id, "scrubbed twice, it serves again");
    }

    #[test]
    fn classes_are_by_what_is_left() {
        let classes = [NEVER, 10, 164, 165, 1_124, 1_125, 16_484, 16_485, NEVER - 1];
        assert_eq!(classes.map(|end| class_of(end, 100)), [0, 1, 1, 2, 2, 3, 3, 4, 4]);
    }
}
