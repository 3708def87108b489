//! Keeps the history inside its budget: who gives up room when there is none.
//!
//! Room is taken, in this order, from the free cells, from the heap up to the budget, from the
//! closed series (oldest first, whole), and from the live ones. Of these each has a fair share,
//! [`SHARES`]: a series above its share pays for its own growth with its oldest block; one below it
//! is paid for by the next one above, which a clock hand finds. When none is above, the shares
//! shrink by one row: fine points first, then minutes down to about one hour of them, then hours,
//! and at last what is left. When room was found elsewhere for a while they grow back.
//! A block that goes before it was folded is folded first, into a piece of a minute or of an hour.

use super::pool::{NIL, Series};
use super::store::{History, name_bytes};

/// How many blocks a series may have in a tier; a block holds about 11 runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allotment {
    pub fine: u16,
    pub minute: u16,
    pub hour: u16,
}

const fn row(fine: u16, minute: u16, hour: u16) -> Allotment {
    Allotment { fine, minute, hour }
}

/// Fair shares, from plenty to nothing.
pub(super) const SHARES: [Allotment; 21] = [
    row(32, 160, 48),
    row(16, 160, 48),
    row(10, 160, 48),
    row(6, 160, 48),
    row(3, 160, 48),
    row(2, 160, 48),
    row(1, 80, 48),
    row(1, 40, 48),
    row(1, 20, 48),
    row(1, 10, 48),
    row(1, 6, 48),
    row(1, 6, 24),
    row(1, 6, 16),
    row(1, 6, 10),
    row(1, 6, 6),
    row(1, 6, 4),
    row(1, 6, 2),
    row(1, 3, 2),
    row(1, 1, 1),
    row(0, 1, 1),
    row(0, 0, 0),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    Fine,
    Minute,
    Hour,
}

impl History {
    /// Free cells that must be there before a reading is taken in: it takes one block per tier, one
    /// cell for the buckets, and as much again where an hour ends.
    const ROOM: usize = 8;

    /// Sees to it that there are free cells, at the expense of others or of `asking` itself.
    ///
    /// Cost: one comparison, nearly always.
    pub(super) fn make_room(&mut self, asking: u32) {
        while self.pool.free_cells() < Self::ROOM {
            if self.pool.grow() {
                self.ease(Self::ROOM);
                continue;
            }
            let before = self.pool.free_cells();
            if self.evict_oldest_closed() {
                self.ease(self.pool.free_cells().saturating_sub(before));
                continue;
            }
            if !self.squeeze(asking) {
                return;
            }
        }
    }

    /// Room was found without cutting live series; after enough of it, their shares grow.
    fn ease(&mut self, cells: usize) {
        self.slack += cells;
        if self.slack > 2 * self.index.len {
            self.slack = 0;
            self.level = self.level.saturating_sub(1);
        }
    }

    /// Takes a block from a series that is above its share. False if no series has any block.
    fn squeeze(&mut self, asking: u32) -> bool {
        self.slack = 0;
        loop {
            let shares = SHARES[self.level.min(SHARES.len() - 1)];
            if self.take_above(asking, shares) {
                return true;
            }
            for _ in 0..self.index.positions() {
                self.hand = (self.hand + 1) % self.index.positions();
                if self.take_above(self.index.at(self.hand), shares) {
                    return true;
                }
            }
            if self.level + 1 >= SHARES.len() {
                return false;
            }
            self.level += 1;
        }
    }

    fn take_above(&mut self, cell: u32, shares: Allotment) -> bool {
        let Some(tier) = self.above(cell, shares) else { return false };
        match tier {
            Blocks::Fine => self.drop_fine_block(cell, true),
            Blocks::Minute => self.drop_minute_block(cell, true),
            Blocks::Hour => self.drop_hour_block(cell, true),
        }
        true
    }

    fn above(&self, cell: u32, shares: Allotment) -> Option<Blocks> {
        let series = self.pool.series(cell)?;
        if series.fine.blocks > shares.fine {
            return Some(Blocks::Fine);
        }
        let buckets = self.pool.buckets(series.buckets)?;
        if buckets.minute.blocks > shares.minute {
            return Some(Blocks::Minute);
        }
        (buckets.hour.blocks > shares.hour).then_some(Blocks::Hour)
    }

    /// Drops the series that was closed first. False if there is none.
    pub(super) fn evict_oldest_closed(&mut self) -> bool {
        let cell = self.oldest_closed;
        if cell == NIL {
            return false;
        }
        self.unlink_closed(cell);
        self.remove(cell);
        self.evicted += 1;
        true
    }

    /// Drops a series whatever its state.
    pub(super) fn forget(&mut self, cell: u32) {
        if self.pool.series(cell).is_some_and(|series| !series.is(Series::OPEN)) {
            self.unlink_closed(cell);
        }
        self.remove(cell);
    }

    fn remove(&mut self, cell: u32) {
        let Some(series) = self.pool.series(cell) else { return };
        let (mut fine, buckets, target) = (series.fine, series.buckets, series.target.clone());
        self.names = self.names.saturating_sub(name_bytes(&target));
        self.index.remove(&self.pool, &target, cell);
        fine.clear(&mut self.pool);
        if let Some(buckets) = self.pool.buckets(buckets) {
            let (mut minute, mut hour) = (buckets.minute, buckets.hour);
            minute.clear(&mut self.pool);
            hour.clear(&mut self.pool);
        }
        self.pool.free(buckets);
        self.pool.free(cell);
    }

    pub(super) fn link_closed(&mut self, cell: u32) {
        let before = self.newest_closed;
        if let Some(series) = self.pool.series_mut(cell) {
            (series.older, series.newer) = (before, NIL);
        }
        match self.pool.series_mut(before) {
            Some(series) => series.newer = cell,
            None => self.oldest_closed = cell,
        }
        self.newest_closed = cell;
        self.closed += 1;
    }

    pub(super) fn unlink_closed(&mut self, cell: u32) {
        let Some(&Series { older, newer, .. }) = self.pool.series(cell) else { return };
        match self.pool.series_mut(older) {
            Some(series) => series.newer = newer,
            None => self.oldest_closed = newer,
        }
        match self.pool.series_mut(newer) {
            Some(series) => series.older = older,
            None => self.newest_closed = older,
        }
        self.closed -= 1;
    }
}
