//! What changed, as records. Pure: reads the history, marks what is written, does no IO.

use crate::history::codec::{Run, Scrap, zigzag};
use crate::history::pool::{NIL, Pool, Series};
use crate::history::store::{History, gap_max};
use crate::history::track::Track;

pub(super) const FULL: u8 = 1;
pub(super) const RUNS: u8 = 2;
pub(super) const CLOSED: u8 = 3;
pub(super) const REOPENED: u8 = 4;
pub(super) const SILENT: u8 = 5;

/// A frame is ended when it has this many bytes; a record may exceed it by some 40 KiB.
pub(super) const FRAME_SOFT_MAX: usize = 256 << 10;

/// Writes one record after the other behind whatever `out` holds. All times are told as distance
/// from `now`, so that they are short.
pub(super) struct Records<'a> {
    pub out: &'a mut Vec<u8>,
    pub now: i64,
}

impl Records<'_> {
    /// What every frame begins with.
    pub(super) fn times(&mut self, wall_minus_boot: i64) {
        self.varint(zigzag(self.now));
        self.varint(zigzag(wall_minus_boot));
    }

    fn varint(&mut self, value: u64) {
        let mut scrap = Scrap::new();
        scrap.varint(value);
        self.out.extend_from_slice(scrap.as_bytes());
    }

    fn stamp(&mut self, at: i64) {
        self.varint(zigzag(self.now.saturating_sub(at)));
    }

    fn head(&mut self, record: u8, cell: u32) {
        self.out.push(record);
        self.varint(u64::from(cell));
    }

    /// The start of a run behind `before`, and how long it lasted.
    fn run<const N: usize>(&mut self, before: &Run<N>, run: &Run<N>) {
        let mut scrap = Scrap::new();
        scrap.span(run.at - before.until);
        scrap.values(&before.values, &run.values, run.joined);
        self.out.extend_from_slice(scrap.as_bytes());
        let mut scrap = Scrap::new();
        scrap.span(run.until - run.at);
        self.out.extend_from_slice(scrap.as_bytes());
    }

    fn track<const N: usize>(&mut self, pool: &Pool, track: &Track<N>) {
        self.varint(track.runs(pool).count() as u64);
        let mut before = None;
        for run in track.runs(pool) {
            let first = Run { at: run.at, until: run.at, values: [0; N], joined: false };
            if before.is_none() {
                self.stamp(run.at);
            }
            self.run(before.as_ref().unwrap_or(&first), &run);
            before = Some(run);
        }
    }

    /// Everything about one series.
    fn full(&mut self, pool: &Pool, cell: u32, series: &Series) {
        self.head(FULL, cell);
        let target = series.target.to_string();
        self.varint(target.len() as u64);
        self.out.extend_from_slice(target.as_bytes());
        self.out.push(series.flags);
        self.varint(u64::from(series.usual));
        self.stamp(series.minute_from);
        self.track(pool, &series.fine);
        let buckets = pool.buckets(series.buckets);
        self.out.push(u8::from(buckets.is_some()));
        if let Some(buckets) = buckets {
            self.stamp(buckets.hour_from);
            self.track(pool, &buckets.minute);
            self.track(pool, &buckets.hour);
        }
    }

    /// The runs behind the one that the log knows to be the newest. False if that one is gone.
    fn runs(&mut self, pool: &Pool, cell: u32, series: &Series) -> bool {
        let mut runs = series.fine.runs_from(pool, series.flushed_at);
        let Some(mut before) = runs.find(|run| run.at == series.flushed_at) else { return false };
        self.head(RUNS, cell);
        self.varint(u64::from(series.usual.div_ceil(1000)));
        self.stamp(before.until);
        self.varint(runs.clone().count() as u64);
        for run in runs {
            self.run(&before, &run);
            before = run;
        }
        true
    }
}

impl History {
    /// Writes what changed since it was last called, for the series from `position` on, until the
    /// frame is long enough. Returns the position to go on from, None when all are written.
    ///
    /// An open series without a record is unchanged and was read lately: its newest value holds
    /// until the frame's `now`. Cost: about 30 ns per series, 200 ns per changed one.
    pub(super) fn encode_changes(
        &mut self,
        records: &mut Records<'_>,
        mut position: usize,
        snapshot: u8,
    ) -> Option<usize> {
        while position < self.index.positions() {
            if records.out.len() > FRAME_SOFT_MAX {
                return Some(position);
            }
            let cell = self.index.at(position);
            if cell != NIL {
                self.encode_change(records, cell, snapshot);
            }
            position += 1;
        }
        None
    }

    fn encode_change(&mut self, records: &mut Records<'_>, cell: u32, snapshot: u8) {
        let Some(series) = self.pool.series(cell) else { return };
        let changed = !series.fine.is_empty() && series.fine.at != series.flushed_at;
        let silent = series.is(Series::OPEN)
            && !series.is(Series::SILENT)
            && records.now.saturating_sub(series.fine.until) > gap_max(series.usual);
        let turned = series.is(Series::TURNED);
        if !changed && !silent && !turned && series.is(Series::DEFINED) {
            return;
        }
        let open = series.is(Series::OPEN);
        if turned && open && series.is(Series::DEFINED) {
            records.head(REOPENED, cell);
        }
        if !series.is(Series::DEFINED) || changed && !records.runs(&self.pool, cell, series) {
            records.full(&self.pool, cell, series);
            self.mark(cell, snapshot);
            return;
        }
        if turned && !open {
            records.head(CLOSED, cell);
            records.stamp(series.minute_from);
        }
        if silent {
            records.head(SILENT, cell);
            records.stamp(series.fine.until);
        }
        let Some(series) = self.pool.series_mut(cell) else { return };
        series.flushed_at = series.fine.at;
        series.set(Series::TURNED, false);
        series.set(Series::SILENT, series.is(Series::SILENT) || silent);
    }

    /// Writes whole series that snapshot number `snapshot` does not have yet, from `position` on,
    /// until the frame is long enough. Returns where to go on, None when it has all.
    pub(super) fn encode_snapshot(
        &mut self,
        records: &mut Records<'_>,
        mut position: usize,
        snapshot: u8,
    ) -> Option<usize> {
        while position < self.index.positions() {
            if records.out.len() > FRAME_SOFT_MAX {
                return Some(position);
            }
            let cell = self.index.at(position);
            if let Some(series) = self.pool.series(cell).filter(|s| s.snapshot != snapshot) {
                records.full(&self.pool, cell, series);
                self.mark(cell, snapshot);
            }
            position += 1;
        }
        // A removal may have moved a series to a position that was passed already.
        (0..self.index.positions()).find(|&position| {
            self.pool.series(self.index.at(position)).is_some_and(|s| s.snapshot != snapshot)
        })
    }

    fn mark(&mut self, cell: u32, snapshot: u8) {
        let Some(series) = self.pool.series_mut(cell) else { return };
        series.flushed_at = if series.fine.is_empty() { i64::MIN } else { series.fine.at };
        series.snapshot = snapshot;
        series.set(Series::DEFINED, true);
        series.set(Series::TURNED, false);
    }
}
