//! What is done when calm: drops what is over, merges, scrubs and shrinks the index.
//!
//! In bounded pieces, each under the lock of one partition.

use super::Store;
use super::budget::Line;
use super::partition::Partition;
use super::record::{DEAD, NEVER};
use super::room::Rule;
use super::segments::Seg;
use super::shared::Shared;
use crate::clock::Secs;
use std::sync::atomic::Ordering::Relaxed;

/// Segments that are over, dropped in one piece of work.
const DROPS_MAX: usize = 4;
/// Buckets scrubbed in one piece of work.
const SCRUBS: usize = 64;
/// Buckets merged in one piece of work.
const SHRINKS_MAX: usize = 64;
/// A segment with less alive is merged when calm.
const CALM_MERGE_PERCENT: u64 = 60;
/// Segments that must gain by it before merging is worth the while.
const MERGE_FROM: usize = 2;

impl Store {
    /// A bounded piece of what is done when calm: drops what has expired, compacts, tidies the
    /// index. Returns whether there is more to do.
    pub fn maintain(&self, now: Secs) -> bool {
        self.shared.notice(now);
        for _ in 0..self.partitions.len() {
            let next = self.turn.fetch_add(1, Relaxed) % self.partitions.len();
            let mut partition = self.partitions[next].lock();
            partition.now = now;
            if partition.tidy(&self.shared) {
                return true;
            }
        }
        false
    }
}

impl Partition {
    /// One piece of work; false if there is none.
    fn tidy(&mut self, shared: &Shared) -> bool {
        self.drop_abandoned();
        let mut worked = false;
        for _ in 0..DROPS_MAX {
            let Some(id) = self.over_as_a_whole(shared) else { break };
            drop(self.empty(shared, id, Rule::Drop));
            worked = true;
        }
        self.close_dead();
        worked = worked || self.sweep(shared);
        worked = worked || self.merge_calmly(shared);
        self.scrub(SCRUBS);
        worked | self.shrink_index(shared)
    }

    /// Segments that are being filled and hold nothing any more are free for others.
    fn close_dead(&mut self) {
        for id in self.open.into_iter().flatten().chain([self.merging]) {
            let is_dead = |seg: &Seg| seg.is_held() && seg.written > 0 && seg.live_bytes == 0;
            if self.segs.get(id).is_some_and(is_dead) {
                drop(self.close(id));
            }
        }
    }

    /// The next segment that may hold something that is over.
    fn next_to_sweep(&self, shared: &Shared) -> Option<u32> {
        let (now, flushed) = (self.now, shared.flushed());
        let holds_some = self.segs.held().filter(|(_, seg)| {
            seg.live_items > 0 && (seg.first_end <= now || seg.first_order <= flushed)
        });
        let mut ids = holds_some.map(|(id, _)| id);
        ids.clone().find(|id| *id > self.swept).or_else(|| ids.next())
    }

    /// Drops what is over from the next segment that holds some.
    fn sweep(&mut self, shared: &Shared) -> bool {
        let Some(id) = self.next_to_sweep(shared) else { return false };
        self.swept = id;
        let mut offset = 0;
        let (mut first_end, mut first_order) = (NEVER, u64::MAX);
        self.emptying = id;
        while let Some((place, head)) = self.record_at(id, offset) {
            offset += head.size();
            if head.is(DEAD) || head.is_piece() {
                continue;
            }
            if !self.is_over(shared, place, &head) {
                let order = self.segs.get(id).map_or(0, |seg| seg.order_of(&head));
                first_end = first_end.min(head.end);
                first_order = first_order.min(order);
                continue;
            }
            let Some(hash) = self.segs.bytes(place).map(|bytes| shared.hash(head.key(bytes)))
            else {
                continue;
            };
            if let Some(at) = self.index.find(hash, |held| held == place) {
                self.unlink_over(at, place, &head);
            }
        }
        self.emptying = super::segments::NONE;
        if let Some(seg) = self.segs.get_mut(id) {
            seg.first_end = first_end;
            seg.first_order = first_order;
            if seg.live_bytes == 0 && !self.is_filling(id) {
                drop(self.close(id));
            }
        }
        true
    }

    /// Merges one segment, if that frees whole ones.
    fn merge_calmly(&mut self, shared: &Shared) -> bool {
        let whole = shared.arena.segment_bytes();
        let hollow = |live: u32| whole - (live as usize).min(whole);
        let is_worth = |live: u32| (live as usize) * 100 < whole * CALM_MERGE_PERCENT as usize;
        let gain: usize = self
            .segs
            .held()
            .filter(|(id, seg)| !self.is_filling(*id) && is_worth(seg.live_bytes))
            .map(|(_, seg)| hollow(seg.live_bytes))
            .sum();
        if gain < MERGE_FROM * whole {
            return false;
        }
        let Some(id) = self.emptiest(shared, CALM_MERGE_PERCENT) else { return false };
        self.empty(shared, id, Rule::Merge).is_some()
    }

    fn shrink_index(&mut self, shared: &Shared) -> bool {
        for _ in 0..SHRINKS_MAX {
            if !self.index.wants_shrinking(self.items) {
                return false;
            }
            let segs = &self.segs;
            let Some(freed) = self.index.shrink(|place| segs.is_stale(place)) else {
                return false;
            };
            if freed > 0 {
                shared.budget.put_back(Line::Index, freed);
            }
        }
        true
    }
}
