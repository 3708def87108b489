//! Closing minutes and hours: folds what is over into the next tier, drops what is past keeping.
//!
//! A bucket is closed by the first reading after its end, or with its series. It may be written in
//! several pieces (where runs are too many to fold at once, or a block had to go early); a
//! [`super::Window`] puts the pieces of one minute or hour together again.

use super::budget::SHARES;
use super::codec::Run;
use super::fold::{constant, fold};
use super::pool::{Buckets, Cell, NIL, Pool};
use super::store::History;
use super::track::Track;

pub(super) const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
/// How long buckets are kept, counted back from the newest.
pub(super) const MINUTES_KEPT: i64 = 24 * HOUR;
pub(super) const HOURS_KEPT: i64 = 14 * 24 * HOUR;

pub(super) const fn floor(at: i64, period: i64) -> i64 {
    at.div_euclid(period) * period
}

impl History {
    /// Folds all minutes that end by `at`, the time of a new reading. If it is not `joined`, the
    /// minute open until now is closed with what it covers, and one begins at `at`.
    pub(super) fn close_minutes(&mut self, cell: u32, at: i64, joined: bool) {
        let Some(series) = self.pool.series_mut(cell) else { return };
        if series.fine.is_empty() {
            series.minute_from = at;
            series.minute_end = floor(at, MINUTE) + MINUTE;
            return;
        }
        let (fine, end) = (series.fine, series.minute_end);
        let held = if joined { at } else { fine.until.max(fine.at + 1) };
        if held >= end {
            self.fold_fine(cell, end, held);
            let whole = floor(held, MINUTE);
            self.hold(cell, end, whole);
            self.begin_minute(cell, whole);
        } else if joined && fine.unfolded >= Self::FOLD_MAX {
            self.fold_fine(cell, fine.at, held);
            self.begin_minute(cell, fine.at);
        }
        if !joined {
            self.fold_fine(cell, held, held);
            self.begin_minute(cell, at);
        }
    }

    /// Folds everything up to `at`, the end of the series.
    pub(super) fn close_tiers(&mut self, cell: u32, at: i64) {
        let Some(series) = self.pool.series(cell) else { return };
        if series.fine.is_empty() {
            return;
        }
        let gap = at - series.fine.until;
        let joined = (0..=super::store::gap_max(series.usual)).contains(&gap);
        let until = series.fine.until;
        // A series is over as a gap begins: its last value held until then, or was just read once.
        if let Some(series) = self.pool.series_mut(cell) {
            series.fine.until = if joined { at } else { until };
        }
        self.close_minutes(cell, if joined { at } else { until }, false);
        if let Some(series) = self.pool.series_mut(cell) {
            series.fine.until = until;
        }
        self.fold_minutes(cell, i64::MAX);
    }

    fn begin_minute(&mut self, cell: u32, from: i64) {
        let Some(series) = self.pool.series_mut(cell) else { return };
        series.minute_from = from;
        series.minute_end = floor(from, MINUTE) + MINUTE;
        series.fine.unfolded = 0;
        let buckets = series.buckets;
        let Some(buckets) = self.pool.buckets_mut(buckets) else { return };
        if floor(buckets.hour_from, HOUR) < floor(from, HOUR) {
            self.fold_minutes(cell, from);
            self.set_hour_from(cell, from);
        }
    }

    /// Adds whole minutes and hours in which the newest value held throughout.
    fn hold(&mut self, cell: u32, from: i64, to: i64) {
        let Some(series) = self.pool.series(cell) else { return };
        let values = constant(series.fine.values);
        let run = |at, until| Run { at, until, values, joined: true };
        let next_hour = floor(from + HOUR - 1, HOUR);
        let last_hour = floor(to, HOUR);
        if last_hour <= next_hour {
            if from < next_hour.min(to) {
                self.add_minute(cell, run(from, next_hour.min(to)));
            }
            if to > next_hour {
                self.begin_minute(cell, next_hour);
                self.add_minute(cell, run(next_hour, to));
            }
            return;
        }
        if from < next_hour {
            self.add_minute(cell, run(from, next_hour));
        }
        self.begin_minute(cell, next_hour);
        self.add_minute(cell, run(next_hour, last_hour));
        self.add_hour(cell, run(next_hour, last_hour));
        self.set_hour_from(cell, last_hour);
        if last_hour < to {
            self.add_minute(cell, run(last_hour, to));
        }
    }

    /// Folds the fine runs before `end` that are not folded yet; the newest held until `held`.
    fn fold_fine(&mut self, cell: u32, end: i64, held: i64) {
        if let Some(run) = self.folded_fine(cell, end, held) {
            self.add_minute(cell, run);
        }
    }

    fn folded_fine(&mut self, cell: u32, end: i64, held: i64) -> Option<Run<7>> {
        let series = self.pool.series(cell)?;
        let from = series.minute_from;
        let mut span: Option<(i64, i64)> = None;
        self.shares.clear();
        let mut runs = series.fine.runs_from(&self.pool, from).peekable();
        while let Some(run) = runs.next() {
            // No gap lies between unfolded runs: what precedes one is folded when it ends.
            let until = runs.peek().map_or(held, |next| next.at);
            let (at, until) = (run.at.max(from), until.min(end));
            if until > at && self.shares.len() < Self::SHARES_MAX {
                span = Some((span.map_or(at, |span| span.0), until));
                let ms = u32::try_from(until - at).unwrap_or(u32::MAX);
                self.shares.push((constant(run.values), ms));
            }
            if run.at >= end {
                break;
            }
        }
        let (at, until) = span?;
        Some(Run { at, until, values: fold(&self.shares, &mut self.atoms)?, joined: true })
    }

    fn add_minute(&mut self, cell: u32, run: Run<7>) {
        let Some(id) = self.buckets_cell(cell, run.at) else {
            self.trimmed += 1;
            return;
        };
        let Some(buckets) = self.pool.buckets(id) else { return };
        let mut minute = buckets.minute;
        self.trimmed += minute.append_merging(&mut self.pool, run);
        age(&mut minute, &mut self.pool, run.until - MINUTES_KEPT);
        if let Some(buckets) = self.pool.buckets_mut(id) {
            buckets.minute = minute;
        }
        if minute.unfolded >= Self::FOLD_MAX {
            self.fold_minutes(cell, run.until);
            self.set_hour_from(cell, run.until);
        }
    }

    /// The cell of a series' buckets, made at its first minute.
    fn buckets_cell(&mut self, cell: u32, from: i64) -> Option<u32> {
        let id = self.pool.series(cell)?.buckets;
        if id != NIL {
            return Some(id);
        }
        let empty = Buckets { minute: Track::EMPTY, hour: Track::EMPTY, hour_from: from };
        let id = self.pool.put(Cell::Buckets(empty))?;
        self.pool.series_mut(cell)?.buckets = id;
        Some(id)
    }

    fn set_hour_from(&mut self, cell: u32, from: i64) {
        let Some(id) = self.pool.series(cell).map(|series| series.buckets) else { return };
        if let Some(buckets) = self.pool.buckets_mut(id) {
            buckets.hour_from = from;
            buckets.minute.unfolded = 0;
        }
    }

    /// Folds the minutes before `end` that are not folded yet into one bucket of the hour.
    fn fold_minutes(&mut self, cell: u32, end: i64) {
        if let Some(run) = self.folded_minutes(cell, end) {
            self.add_hour(cell, run);
            self.set_hour_from(cell, run.until);
        }
    }

    fn folded_minutes(&mut self, cell: u32, end: i64) -> Option<Run<7>> {
        let buckets = self.pool.buckets(self.pool.series(cell)?.buckets)?;
        let from = buckets.hour_from;
        let mut span: Option<(i64, i64)> = None;
        self.shares.clear();
        for run in buckets.minute.runs_from(&self.pool, from) {
            let (at, until) = (run.at.max(from), run.until.min(end));
            if until > at && self.shares.len() < Self::SHARES_MAX {
                span = Some((span.map_or(at, |span| span.0), until));
                let ms = u32::try_from(until - at).unwrap_or(u32::MAX);
                self.shares.push((run.values, ms));
            }
        }
        let (at, until) = span?;
        Some(Run { at, until, values: fold(&self.shares, &mut self.atoms)?, joined: true })
    }

    fn add_hour(&mut self, cell: u32, run: Run<7>) {
        let Some(id) = self.pool.series(cell).map(|series| series.buckets) else { return };
        let Some(buckets) = self.pool.buckets(id) else { return };
        let mut hour = buckets.hour;
        self.trimmed += hour.append_merging(&mut self.pool, run);
        age(&mut hour, &mut self.pool, run.until - HOURS_KEPT);
        if let Some(buckets) = self.pool.buckets_mut(id) {
            buckets.hour = hour;
        }
    }

    /// Drops the oldest fine block if there are more than a series may ever have.
    pub(super) fn age_fine(&mut self, cell: u32) {
        let blocks = self.pool.series(cell).map_or(0, |series| series.fine.blocks);
        if blocks > SHARES[0].fine {
            self.drop_fine_block(cell, false);
        }
    }

    /// Drops the oldest fine block. If it was not folded yet, all runs but the newest are folded
    /// into a piece of their minute.
    pub(super) fn drop_fine_block(&mut self, cell: u32, trimmed: bool) {
        let Some(series) = self.pool.series(cell) else { return };
        let mut fine = series.fine;
        let next = fine.second_at(&self.pool);
        let unfolded = series.minute_from < next;
        let piece = if unfolded { self.folded_fine(cell, fine.at, fine.at) } else { None };
        let runs = fine.drop_head(&mut self.pool);
        fine.unfolded = if unfolded { 0 } else { fine.unfolded };
        self.trimmed += if trimmed { runs } else { 0 };
        let Some(series) = self.pool.series_mut(cell) else { return };
        if unfolded {
            series.minute_from = fine.at;
        }
        series.fine = fine;
        if let Some(piece) = piece {
            self.add_minute(cell, piece);
        }
    }

    /// Drops the oldest block of minutes. If it was not folded yet, all but the newest become a
    /// piece of their hour.
    pub(super) fn drop_minute_block(&mut self, cell: u32, trimmed: bool) {
        let Some(id) = self.pool.series(cell).map(|series| series.buckets) else { return };
        let Some(buckets) = self.pool.buckets(id) else { return };
        let mut minute = buckets.minute;
        let next = minute.second_at(&self.pool);
        let unfolded = buckets.hour_from < next;
        let piece = if unfolded { self.folded_minutes(cell, minute.at) } else { None };
        let runs = minute.drop_head(&mut self.pool);
        minute.unfolded = if unfolded { 0 } else { minute.unfolded };
        self.trimmed += if trimmed { runs } else { 0 };
        let Some(buckets) = self.pool.buckets_mut(id) else { return };
        if unfolded {
            buckets.hour_from = minute.at;
        }
        buckets.minute = minute;
        if let Some(piece) = piece {
            self.add_hour(cell, piece);
        }
    }

    pub(super) fn drop_hour_block(&mut self, cell: u32, trimmed: bool) {
        let Some(id) = self.pool.series(cell).map(|series| series.buckets) else { return };
        let Some(buckets) = self.pool.buckets(id) else { return };
        let mut hour = buckets.hour;
        let runs = hour.drop_head(&mut self.pool);
        self.trimmed += if trimmed { runs } else { 0 };
        if let Some(buckets) = self.pool.buckets_mut(id) {
            buckets.hour = hour;
        }
    }
}

/// Frees the blocks that end before `oldest`.
fn age(track: &mut Track<7>, pool: &mut Pool, oldest: i64) {
    while track.blocks > 0 && track.second_at(pool) < oldest {
        track.drop_head(pool);
    }
}
