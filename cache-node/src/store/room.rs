//! Who must go when room is wanted: S3-FIFO by the segment.
//!
//! A segment is emptied in one walk over its records: what is dropped needs no visit to the index,
//! since a freed segment makes all places in it stale; what stays is appended elsewhere. In order:
//! what is over as a whole, what holds mostly dead records, then the oldest of the small queue, if
//! that has more than its tenth, or of main.
//! Source: Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023.

use super::arena::{Purpose, Segment};
use super::budget::Line;
use super::ghost::Ghost;
use super::index::Place;
use super::item::{Evictions, Seen};
use super::partition::{Draft, Partition};
use super::pieces::Taking;
use super::record::{DEAD, FETCHED, FREQ_MAX, Head, LARGE, NEVER};
use super::segments::{NONE, Queue, Seg};
use super::shared::Shared;
use super::slot::view;

/// Share of the small queue, as in the paper.
const SMALL_PERCENT: usize = 10;
/// Fetches in the small queue that lead to main, as in the paper.
const FETCHES_TO_MAIN: u8 = 2;
/// An item fetched this lately counts as evicted while active. Units: seconds.
const ACTIVE_WITHIN: u32 = 60;
/// A segment with less alive is merged rather than that another is evicted.
const MERGE_PERCENT: u64 = 50;
/// The same when nothing may be evicted.
const MERGE_PERCENT_KEEPING: u64 = 95;
/// A segment with less alive is given back before others.
const HOLLOW_PERCENT: u64 = 25;
/// Of so many oldest segments of main the coldest is given back.
const COLDEST_OF: usize = 4;

/// What becomes of the live records of a segment that is emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// What was fetched often goes to main, the rest is remembered in the ghost.
    Small { at_least: u8 },
    /// What was fetched this often has another round.
    Main { at_least: u8 },
    /// All stays.
    Merge,
    /// All goes.
    Drop,
}

impl Partition {
    /// Frees a segment. `step` rises while room for one item is sought, and fewer are spared.
    pub fn free_one(&mut self, shared: &Shared, step: u8) -> bool {
        self.drop_abandoned();
        if let Some(id) = self.over_as_a_whole(shared) {
            return self.empty(shared, id, Rule::Drop).is_some();
        }
        let percent = if shared.evicts { MERGE_PERCENT } else { MERGE_PERCENT_KEEPING };
        if let Some(id) = self.emptiest(shared, percent)
            && self.empty(shared, id, Rule::Merge).is_some()
        {
            return true;
        }
        if !shared.evicts {
            return false;
        }
        let Some((id, queue)) = self.next_victim() else { return false };
        let rule = match queue {
            Queue::Small => Rule::Small { at_least: FETCHES_TO_MAIN + step },
            Queue::Main => Rule::Main { at_least: 1 + step },
        };
        self.empty(shared, id, rule).is_some()
    }

    /// The oldest segment of the queue whose turn it is, but for those where values come in.
    fn next_victim(&mut self) -> Option<(u32, Queue)> {
        let (small, main) = (self.segs.count(Queue::Small), self.segs.count(Queue::Main));
        let first =
            if small * 100 > (small + main) * SMALL_PERCENT { Queue::Small } else { Queue::Main };
        let queues = [first, first.other()];
        for queue in queues {
            let Some(oldest) = self.segs.oldest(queue) else { continue };
            let found = if self.spares(oldest) {
                self.queue_from(oldest).find(|id| !self.holds_incoming(*id))
            } else {
                Some(oldest)
            };
            if let Some(id) = found {
                return Some((id, queue));
            }
        }
        queues.into_iter().find_map(|queue| Some((self.segs.oldest(queue)?, queue)))
    }

    /// A segment and the younger ones of its queue.
    fn queue_from(&self, id: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(id), |id| self.segs.after(*id))
    }

    /// A segment of which all items have ended or are flushed.
    pub fn over_as_a_whole(&mut self, shared: &Shared) -> Option<u32> {
        let flushed = shared.flushed();
        for queue in [Queue::Small, Queue::Main] {
            let oldest = self.segs.oldest(queue);
            // A value on its way in gets its order when it is whole.
            let is_open = |seg: &Seg| seg.larges > 0 && !self.takings.is_empty();
            let is_flushed =
                |seg: &Seg| seg.last_order <= flushed && seg.written > 0 && !is_open(seg);
            if let Some(id) = oldest.filter(|id| self.segs.get(*id).is_some_and(is_flushed)) {
                return Some(id);
            }
        }
        if self.soonest_end > self.now {
            return None;
        }
        let mut soonest = NEVER;
        let mut found = None;
        for (id, seg) in self.segs.held().filter(|(_, seg)| seg.written > 0) {
            soonest = soonest.min(seg.first_end);
            if seg.last_end <= self.now {
                found = Some(id);
            }
        }
        if found.is_none() {
            // Others that hold something over are swept when calm; do not look again at once.
            self.soonest_end = soonest.max(self.now + 1);
        }
        found
    }

    /// The segment with the least alive, if that is below `percent` of it.
    pub fn emptiest(&self, shared: &Shared, percent: u64) -> Option<u32> {
        let whole = shared.arena.segment_bytes() as u64;
        let is_candidate = |id: u32, seg: &Seg| {
            u64::from(seg.live_bytes) * 100 < whole * percent && !self.is_filling(id)
        };
        let candidates = self.segs.held().filter(|(id, seg)| is_candidate(*id, seg));
        candidates.min_by_key(|(_, seg)| seg.live_bytes).map(|(id, _)| id)
    }

    /// The segment that is missed least, taken out at once; its items are not looked at. None also
    /// if values come in everywhere and `spares` them.
    pub fn retire_coldest(&mut self, shared: &Shared, spares: bool) -> Option<Segment> {
        self.drop_abandoned();
        let over = self.over_as_a_whole(shared);
        let hollow = |it: &mut Self| {
            let id = it.emptiest(shared, HOLLOW_PERCENT)?;
            if it.spares(id) { None } else { Some(id) }
        };
        let coldest = |it: &mut Self| it.coldest().filter(|id| !spares || !it.holds_incoming(*id));
        let id = over.or_else(|| hollow(self)).or_else(|| coldest(self))?;
        self.retire(shared, id)
    }

    /// Whether a segment is better left alone because a value on its way in has pieces there.
    fn holds_incoming(&self, id: u32) -> bool {
        let is_here = |value: &Taking| value.pieces.iter().any(|place| place.segment() == id);
        self.segs.get(id).is_some_and(|seg| seg.larges > 0)
            && self.takings.iter().any(|value| value.is_spared() && is_here(value))
    }

    /// The same, if it was its turn to go. That counts as a move of what is there: who sends slowly
    /// does not keep his room for ever.
    fn spares(&mut self, id: u32) -> bool {
        let spares = self.holds_incoming(id);
        if spares {
            let is_here = |value: &Taking| value.pieces.iter().any(|place| place.segment() == id);
            let values = self.takings.iter_mut().filter(|value| is_here(value));
            values.for_each(|value| value.moves += 1);
        }
        spares
    }

    /// Puts the coldest segment to another use at once.
    pub fn recycle(
        &mut self,
        shared: &Shared,
        (queue, class): (Queue, usize),
        order: u64,
    ) -> Option<u32> {
        let data = self.retire_coldest(shared, false)?;
        let id = self.segs.open(data, (queue, class), order, self.now, None)?;
        let before = std::mem::replace(&mut self.open[queue as usize][class], id);
        self.seal(before);
        Some(id)
    }

    fn coldest(&mut self) -> Option<u32> {
        let (id, queue) = self.next_victim()?;
        if queue == Queue::Small {
            return Some(id);
        }
        let heat = |id: &u32| self.segs.get(*id).map_or(0, |seg| seg.heat);
        let free = self.queue_from(id).filter(|id| !self.holds_incoming(*id));
        free.take(COLDEST_OF).min_by_key(heat).or(Some(id))
    }

    fn retire(&mut self, shared: &Shared, id: u32) -> Option<Segment> {
        let seg = self.segs.get(id)?;
        if seg.larges > 0 || shared.evictions().is_some() {
            // What refers to pieces elsewhere, or is referred to, must be seen to; and so must
            // what somebody wants to be told of.
            return self.empty(shared, id, Rule::Drop);
        }
        let (items, fetched) = (u64::from(seg.live_items), u64::from(seg.live_fetched));
        let is_over = seg.last_end <= self.now || seg.last_order <= shared.flushed();
        if is_over {
            self.tally.reclaimed_total += items;
            self.tally.expired_unfetched_total += items.saturating_sub(fetched);
        } else {
            self.tally.evictions_total += items;
            self.tally.evicted_unfetched_total += items.saturating_sub(fetched);
        }
        self.close(id)
    }

    /// Drops or moves all that lives in a segment, and takes it out of use. None if something
    /// could not be moved and the rule is to drop nothing.
    pub fn empty(&mut self, shared: &Shared, id: u32, rule: Rule) -> Option<Segment> {
        self.stop_filling(id);
        self.emptying = id;
        let mut offset = 0;
        let mut is_done = true;
        while let Some((place, head)) = self.record_at(id, offset) {
            offset += head.size();
            if !head.is(DEAD) && !self.settle(shared, place, &head, rule) {
                is_done = false;
                break;
            }
        }
        self.emptying = NONE;
        if rule == Rule::Merge {
            self.tally.compactions_total += u64::from(is_done);
        }
        if is_done { self.close(id) } else { None }
    }

    pub fn record_at(&self, id: u32, offset: usize) -> Option<(Place, Head)> {
        let seg = self.segs.get(id)?;
        let head = Head::read(seg.bytes().get(offset..)?)?;
        Some((Place::new(id, seg.life, offset), head))
    }

    /// Moves or drops one live record. False: it had to stay and could not be moved.
    fn settle(&mut self, shared: &Shared, place: Place, head: &Head, rule: Rule) -> bool {
        if head.is_piece() {
            return self.settle_piece(shared, place, head, rule);
        }
        let Some(bytes) = self.segs.bytes(place) else { return true };
        let hash = shared.hash(head.key(bytes));
        if self.is_over(shared, place, head) {
            self.count_over(head);
            return self.forget(place, head);
        }
        let (stays, queue, freq) = match rule {
            Rule::Small { at_least } => (head.freq >= at_least.min(FREQ_MAX), Queue::Main, 0),
            Rule::Main { at_least } => {
                (head.freq >= at_least, Queue::Main, head.freq.saturating_sub(1))
            }
            Rule::Merge => (true, self.queue_of(place), head.freq),
            Rule::Drop => (false, Queue::Main, 0),
        };
        if stays {
            let moved = self.relocate(shared, place, &Head { freq, ..*head }, queue, rule);
            if let Some(moved) = moved {
                if let Some(at) = self.index.find(hash, |p| p == place) {
                    self.index.replace(at, moved);
                }
                self.kill(place);
                return true;
            }
            if rule == Rule::Merge {
                return false;
            }
        }
        if matches!(rule, Rule::Small { .. }) {
            self.remember(shared, hash);
        }
        self.count_evicted(shared, place, head);
        self.forget(place, head)
    }

    fn queue_of(&self, place: Place) -> Queue {
        self.segs.of(place).map_or(Queue::Main, |seg| seg.queue)
    }

    /// Lets go of a live item whose segment is about to be freed, which leaves a stale slot.
    fn forget(&mut self, place: Place, head: &Head) -> bool {
        if head.is(LARGE) {
            self.kill_pieces(place);
        }
        self.kill(place);
        true
    }

    fn count_evicted(&mut self, shared: &Shared, place: Place, head: &Head) {
        if let Some(evictions) = shared.evictions() {
            self.tell_evicted(evictions, place, head);
        }
        self.tally.evictions_total += 1;
        self.tally.evicted_unfetched_total += u64::from(!head.is(FETCHED));
        let accessed = self.segs.of(place).map_or(0, |seg| seg.accessed(head));
        let is_active = head.is(FETCHED) && accessed.saturating_add(ACTIVE_WITHIN) >= self.now;
        self.tally.evicted_active_total += u64::from(is_active);
    }

    #[cold]
    fn tell_evicted(&self, evictions: &dyn Evictions, place: Place, head: &Head) {
        if let (Some(bytes), Some(item)) = (self.segs.bytes(place), view(self, place, head)) {
            let size_bytes = head.size() - head.value_len + item.len();
            evictions.evicted(&Seen { key: head.key(bytes), item, size_bytes }, self.now);
        }
    }

    /// A piece shares the fate of its owner.
    fn settle_piece(&mut self, shared: &Shared, place: Place, head: &Head, rule: Rule) -> bool {
        let hash = head.cas;
        let Some((at, owner, number)) = self.owner(hash, place) else {
            let Some((taking, number)) = self.taking_of(hash, place) else {
                self.kill(place);
                return true;
            };
            return self.settle_taking(shared, (place, head), (taking, number), rule);
        };
        let Some(of) = self.segs.head(owner) else { return true };
        if self.is_over(shared, owner, &of) {
            self.unlink_over(at, owner, &of);
            return true;
        }
        let stays = match rule {
            Rule::Small { at_least } | Rule::Main { at_least } => of.freq >= at_least,
            Rule::Merge => true,
            Rule::Drop => false,
        };
        if stays {
            let queue = self.queue_of(place);
            if let Some(moved) = self.relocate(shared, place, head, queue, rule) {
                self.repoint_piece(owner, number, moved);
                self.kill(place);
                return true;
            }
            if rule == Rule::Merge {
                return false;
            }
        }
        self.count_evicted(shared, owner, &of);
        self.unlink(at, owner);
        true
    }

    /// A piece of a value that is on its way in. Its own next piece may be what room is wanted for,
    /// so it is moved on some times before the value is given up. A slow one is, in the end.
    fn settle_taking(
        &mut self,
        shared: &Shared,
        (place, head): (Place, &Head),
        (taking, number): (usize, usize),
        rule: Rule,
    ) -> bool {
        let is_spared = self.takings[taking].is_spared();
        if rule == Rule::Merge || is_spared && rule != Rule::Drop {
            let queue = self.queue_of(place);
            if let Some(moved) = self.relocate(shared, place, head, queue, rule) {
                let value = &mut self.takings[taking];
                value.pieces[number] = moved;
                value.moves += usize::from(rule != Rule::Merge);
                self.kill(place);
                return true;
            }
            if rule == Rule::Merge {
                return false;
            }
        }
        self.drop_taking(taking);
        true
    }

    /// Copies a record to where its queue is filled. The old one stays as it is.
    fn relocate(
        &mut self,
        shared: &Shared,
        place: Place,
        head: &Head,
        queue: Queue,
        rule: Rule,
    ) -> Option<Place> {
        let seg = self.segs.of(place)?;
        let (order, accessed) = (seg.order_of(head), seg.accessed(head));
        let class = usize::from(seg.class);
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(self.segs.bytes(place)?.get(..head.size())?);
        let target = if rule == Rule::Merge {
            self.merge_target(shared, place.segment(), head.size(), order)
        } else {
            self.target(queue, class, head.size(), order)
                .or_else(|| self.open_target(shared, Purpose::Move, (queue, class), order))
        };
        let draft = Draft { head: *head, order, accessed, queue: None };
        let moved = target.and_then(|id| self.append(id, &draft));
        if let Some((to, new)) = moved
            && let Some(bytes) = self.segs.bytes_mut(to)
        {
            let from = new.value_at() - new.key_len;
            bytes[from..new.size()].copy_from_slice(&scratch[from..new.size()]);
        }
        self.scratch = scratch;
        moved.map(|(to, _)| to)
    }

    /// Where the records of a segment that is merged go: a segment at its place in the queue.
    fn merge_target(&mut self, shared: &Shared, from: u32, size: usize, order: u64) -> Option<u32> {
        let source = self.segs.get(from)?;
        let (queue, class) = (source.queue, source.class);
        if let Some(seg) = self.segs.get(self.merging)
            && (seg.queue, seg.class) == (queue, class)
            && seg.room() >= size
            && seg.order_here(order).is_some()
        {
            return Some(self.merging);
        }
        let data = shared.arena.take(Purpose::Move)?;
        let kind = (queue, usize::from(class));
        let id = self.segs.open(data, kind, order, self.now, Some(from))?;
        let before = std::mem::replace(&mut self.merging, id);
        self.seal(before);
        Some(id)
    }

    /// Notes the hash of an evicted key.
    fn remember(&mut self, shared: &Shared, hash: u64) {
        if self.ghost.is_off(self.items) {
            let (have, want) = (self.ghost.bytes(), Ghost::bytes_for(self.items));
            if want <= have || shared.take_bytes(Line::Ghost, want - have) {
                if want < have {
                    shared.budget.put_back(Line::Ghost, have - want);
                }
                self.ghost.resize(self.items);
            }
        }
        self.ghost.add(hash);
    }
}
