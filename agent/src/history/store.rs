//! The history of all targets: opening, reading in, closing. Folding is in `tiers`, the budget in
//! `budget`.
//!
//! Does no IO, reads no clock, logs nothing, cannot fail: what cannot be kept is counted.

use super::codec::{Run, STAMP_MAX};
use super::fold::{ATOMS, Atom, Share};
use super::index::Index;
use super::pool::{Cell, NIL, Pool, Series};
use super::track::Track;
use super::window::{Split, Window};
use crate::clock::Stamp;
use crate::target::Target;
use crate::units::Bytes;

/// Names a series. Valid while its target is open; the id of an evicted series names nothing (it
/// carries a generation), so that a stale id is ignored and counted rather than mixed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(pub u32);

impl SeriesId {
    /// What [`History::open`] returns where nothing could be kept. Its window is empty.
    pub const NONE: Self = Self(u32::MAX);
}

#[derive(Clone, Debug)]
pub struct HistoryParams {
    /// All heap that the history may hold, its index and names included. Default of the agent:
    /// 16 MiB, for at most 29,500 targets, kept ones that have ended included (550 bytes each).
    pub ram_budget: Bytes,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct HistoryStats {
    /// Open and closed series.
    pub series: usize,
    /// Of them, closed ones.
    pub closed: usize,
    /// Heap held. Never shrinks: freed cells are used again.
    pub bytes: Bytes,
    pub budget: Bytes,
    /// Points and buckets dropped before their time for want of room.
    pub trimmed_points_total: u64,
    /// Closed series dropped, oldest first, to make room.
    pub evicted_series_total: u64,
    /// Targets opened that could not be kept, for there was no room and nothing to evict.
    pub refused_series_total: u64,
    /// Readings that lay before the one before them, and were dropped.
    pub backward_readings_total: u64,
    /// Readings for an id that names no open series.
    pub stray_readings_total: u64,
}

#[derive(Debug)]
pub struct History {
    pub(super) pool: Pool,
    pub(super) index: Index,
    pub(super) budget: Bytes,
    pub(super) names: usize,
    pub(super) names_max: usize,
    /// Bits of an id that are the cell's number; the rest is the generation.
    cell_bits: u32,
    generation: u32,
    /// Ends of the list of closed series.
    pub(super) oldest_closed: u32,
    pub(super) newest_closed: u32,
    pub(super) closed: usize,
    /// Room for folding.
    pub(super) shares: Vec<Share>,
    pub(super) atoms: Box<[Atom]>,
    /// How far live series are cut back: a row of the budget's table, and where its hand stands.
    pub(super) level: usize,
    pub(super) hand: usize,
    pub(super) slack: usize,
    pub(super) trimmed: u64,
    pub(super) evicted: u64,
    refused: u64,
    backward: u64,
    stray: u64,
}

impl History {
    /// At most this many runs are folded at once; more are folded into several pieces.
    pub(super) const FOLD_MAX: u8 = 240;
    pub(super) const SHARES_MAX: usize = 256;

    #[must_use]
    pub fn new(params: HistoryParams) -> Self {
        let budget = params.ram_budget;
        let total = usize::try_from(budget.0).unwrap_or(usize::MAX).min(1 << 36);
        let scratch = Self::SHARES_MAX * (size_of::<Share>() + ATOMS * size_of::<Atom>());
        let names_max = total / 16;
        // Per cell: itself, at most 4 bytes of index (a quarter are series), its part of the spine.
        let cells = total.saturating_sub(names_max + scratch) / 133;
        Self {
            pool: Pool::new(cells),
            index: Index::new(cells / 4),
            budget,
            names: 0,
            names_max,
            cell_bits: usize::BITS - cells.leading_zeros(),
            generation: 0,
            oldest_closed: NIL,
            newest_closed: NIL,
            closed: 0,
            shares: Vec::with_capacity(if cells == 0 { 0 } else { Self::SHARES_MAX }),
            atoms: vec![(0, 0); if cells == 0 { 0 } else { ATOMS * Self::SHARES_MAX }].into(),
            level: 0,
            hand: 0,
            slack: 0,
            trimmed: 0,
            evicted: 0,
            refused: 0,
            backward: 0,
            stray: 0,
        }
    }

    /// Begins or continues the series of `target`. A target that was closed and is still kept goes
    /// on where it ended, with a gap. [`SeriesId::NONE`] if there is no room for another.
    ///
    /// Cost: below 1 µs.
    pub fn open(&mut self, target: &Target, now: Stamp) -> SeriesId {
        if let Some(cell) = self.index.find(&self.pool, target) {
            if !self.pool.series(cell).is_some_and(|series| series.is(Series::FORMER)) {
                self.reopen(cell);
                return self.id_of(cell);
            }
            self.forget(cell);
            self.evicted += 1;
        }
        let now = now.0.clamp(-STAMP_MAX, STAMP_MAX);
        let Some(cell) = self.begin(target, now) else {
            self.refused += 1;
            return SeriesId::NONE;
        };
        self.id_of(cell)
    }

    pub(super) fn reopen(&mut self, cell: u32) {
        let Some(series) = self.pool.series_mut(cell) else { return };
        if !series.is(Series::OPEN) {
            series.set(Series::OPEN | Series::TURNED, true);
            self.unlink_closed(cell);
        }
    }

    pub(super) fn begin(&mut self, target: &Target, now: i64) -> Option<u32> {
        let name = name_bytes(target);
        if name > self.names_max {
            return None;
        }
        while self.index.len >= self.index.max || self.names + name > self.names_max {
            if !self.evict_oldest_closed() {
                return None;
            }
        }
        self.make_room(NIL);
        self.generation = self.generation.wrapping_add(1);
        let cell = self.pool.put(Cell::Series(Series {
            fine: Track::EMPTY,
            minute_end: i64::MIN,
            usual: 0,
            flags: Series::OPEN | Series::BREAK,
            snapshot: 0,
            minute_from: now,
            target: target.clone(),
            buckets: NIL,
            generation: self.generation,
            older: NIL,
            newer: NIL,
            flushed_at: i64::MIN,
        }))?;
        self.index.insert(target, cell);
        self.names += name;
        Some(cell)
    }

    #[must_use]
    pub fn find(&self, target: &Target) -> Option<SeriesId> {
        self.index.find(&self.pool, target).map(|cell| self.id_of(cell))
    }

    /// Adds a reading. Readings must come in the order of time; an earlier one is dropped and
    /// counted, as is one for a series that is not open.
    ///
    /// A reading equal to the one before it only prolongs the newest run, unless the gap between
    /// them is longer than three times the usual interval and two minutes: what happened in a gap
    /// is not known, so a run ends at the last reading before it and another begins after it.
    ///
    /// Cost: ≈10 ns if nothing changed, below 100 ns amortised if something did.
    pub fn push(&mut self, id: SeriesId, at: Stamp, split: Split) {
        let at = at.0.clamp(-STAMP_MAX, STAMP_MAX);
        let cell = self.cell_of(id);
        let generation = id.0 >> self.cell_bits;
        let mask = u32::MAX >> self.cell_bits;
        let Some(series) = self
            .pool
            .series_mut(cell)
            .filter(|s| s.generation & mask == generation && s.is(Series::OPEN))
        else {
            self.stray += 1;
            return;
        };
        let values = split.units();
        let fine = &mut series.fine;
        if fine.is_empty() {
            self.push_changed(cell, at, values, false);
            return;
        }
        let gap = at - fine.until;
        if gap < 0 {
            self.backward += 1;
            return;
        }
        let joined = gap <= gap_max(series.usual) && series.flags & Series::BREAK == 0;
        series.usual = usual(series.usual, gap);
        if joined && at < series.minute_end && values == fine.values {
            fine.until = at;
            return;
        }
        self.push_changed(cell, at, values, joined);
    }

    /// The rest of [`Self::push`]: something changed, a minute is over, or there was a gap.
    pub(super) fn push_changed(&mut self, cell: u32, at: i64, values: [u32; 5], joined: bool) {
        self.make_room(cell);
        self.close_minutes(cell, at, joined);
        let Some(series) = self.pool.series_mut(cell) else { return };
        series.set(Series::BREAK | Series::SILENT, false);
        if joined && values == series.fine.values {
            series.fine.until = at;
            return;
        }
        let mut fine = series.fine;
        self.trimmed += fine.append(&mut self.pool, Run { at, until: at, values, joined });
        if let Some(series) = self.pool.series_mut(cell) {
            series.fine = fine;
        }
        self.age_fine(cell);
    }

    /// Ends a series: its open minute and hour are closed with what they cover. It is kept as
    /// evidence until its room is needed; then the series that was closed first goes first.
    pub fn close(&mut self, id: SeriesId, at: Stamp) {
        let cell = self.cell_of(id);
        let at = at.0.clamp(-STAMP_MAX, STAMP_MAX);
        let generation = id.0 >> self.cell_bits;
        let mask = u32::MAX >> self.cell_bits;
        let open = self
            .pool
            .series(cell)
            .is_some_and(|s| s.generation & mask == generation && s.is(Series::OPEN));
        if open {
            self.close_cell(cell, at);
        }
    }

    pub(super) fn close_cell(&mut self, cell: u32, at: i64) {
        self.make_room(cell);
        self.close_tiers(cell, at);
        let Some(series) = self.pool.series_mut(cell) else { return };
        series.minute_from = at.max(series.fine.until).max(series.minute_from);
        if !series.fine.is_empty() {
            series.minute_from = series.minute_from.max(series.fine.at + 1);
        }
        series.set(Series::OPEN | Series::SILENT, false);
        series.set(Series::TURNED | Series::BREAK, true);
        self.link_closed(cell);
    }

    #[must_use]
    pub fn window(&self, id: SeriesId) -> Window<'_> {
        let cell = self.cell_of(id);
        let series = self.pool.series(cell).filter(|_| self.id_of(cell) == id);
        Window::new(&self.pool, series)
    }

    /// All series in no particular order: id, target and, if it has ended, when.
    pub fn iter(&self) -> impl Iterator<Item = (SeriesId, &Target, Option<Stamp>)> {
        (0..self.index.positions()).filter_map(|position| {
            let cell = self.index.at(position);
            let series = self.pool.series(cell)?;
            let ended = Stamp(series.minute_from.max(series.fine.until));
            let ended = (!series.is(Series::OPEN)).then_some(ended);
            Some((self.id_of(cell), &series.target, ended))
        })
    }

    #[must_use]
    pub fn stats(&self) -> HistoryStats {
        let scratch = self.shares.capacity() * size_of::<Share>() + size_of_val(&*self.atoms);
        let bytes = self.pool.bytes() + self.index.bytes() + scratch + self.names;
        HistoryStats {
            series: self.index.len,
            closed: self.closed,
            bytes: Bytes(bytes as u64),
            budget: self.budget,
            trimmed_points_total: self.trimmed,
            evicted_series_total: self.evicted,
            refused_series_total: self.refused,
            backward_readings_total: self.backward,
            stray_readings_total: self.stray,
        }
    }

    pub(super) const fn cell_of(&self, id: SeriesId) -> u32 {
        id.0 & ((1 << self.cell_bits) - 1)
    }

    pub(super) fn id_of(&self, cell: u32) -> SeriesId {
        let generation = self.pool.series(cell).map_or(u32::MAX, |series| series.generation);
        SeriesId(generation << self.cell_bits | cell & ((1 << self.cell_bits) - 1))
    }
}

/// The longest time between two readings across which the first is taken to hold.
pub(super) fn gap_max(usual: u32) -> i64 {
    (3 * i64::from(usual)).max(120_000)
}

/// A running mean of the interval, moved by a quarter; one long gap moves it little.
fn usual(usual: u32, gap: i64) -> u32 {
    if usual == 0 {
        return u32::try_from(gap).unwrap_or(u32::MAX).min(120_000);
    }
    let gap = gap.min(gap_max(usual).max(4 * i64::from(usual)));
    u32::try_from((3 * i64::from(usual) + gap) / 4).unwrap_or(u32::MAX)
}

/// Heap of a target's name: the shared string with its two counts, as the allocator rounds it.
pub(super) fn name_bytes(target: &Target) -> usize {
    match target {
        Target::Workload(name) | Target::Cgroup(name) => (16 + name.len()).next_multiple_of(16),
        Target::Node | Target::Process(_) => 0,
    }
}
