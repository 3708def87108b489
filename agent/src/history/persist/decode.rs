//! Records back into a history. The bytes are foreign: whatever makes no sense is passed over or
//! ends the frame, and nothing panics or grows beyond the history's own budget.

use super::encode::{CLOSED, FULL, REOPENED, RUNS, SILENT};
use crate::history::codec::{Reader, Run, STAMP_MAX};
use crate::history::pool::{Buckets, Cell, NIL, Pool, Series};
use crate::history::store::{History, SeriesId};
use crate::history::tiers::{HOUR, MINUTE, floor};
use crate::history::track::Track;
use crate::target::Target;
use rustc_hash::FxHashMap;

const NAME_MAX: usize = 8192;

/// A history being read back.
pub(super) struct Replay {
    pub history: History,
    /// Added to every stamp: zero within one boot.
    pub shift: i64,
    /// The boot is another one: its processes are gone.
    pub rebooted: bool,
    /// Cell numbers of the log to series here.
    series: FxHashMap<u32, SeriesId>,
    now: i64,
}

impl Replay {
    pub(super) fn new(history: History, shift: i64, rebooted: bool) -> Self {
        Self { history, shift, rebooted, series: FxHashMap::default(), now: 0 }
    }

    /// Applies one frame's records. None if they end early or make no sense at some place; what
    /// came before it stays.
    pub(super) fn apply(&mut self, payload: &[u8]) -> Option<()> {
        let mut reader = Reader::new(payload);
        let (now, _) = times(&mut reader)?;
        self.now = now;
        while !reader.is_empty() {
            let record = reader.byte()?;
            let logged = u32::try_from(reader.varint()?).ok()?;
            let cell = self.cell(logged);
            match record {
                FULL => self.full(&mut reader, logged)?,
                RUNS => self.runs(&mut reader, cell)?,
                CLOSED => {
                    let at = self.stamp(&mut reader)?;
                    if self.is_open(cell) {
                        self.history.close_cell(cell, at);
                    }
                }
                REOPENED => self.history.reopen(cell),
                SILENT => {
                    let until = self.stamp(&mut reader)?;
                    self.prolong(cell, until);
                    if let Some(series) = self.history.pool.series_mut(cell) {
                        series.set(Series::SILENT, true);
                    }
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// Prolongs what was alive until the last frame, then suspends every series: it goes on when
    /// its target is opened again.
    pub(super) fn finish(mut self) -> History {
        let now = (self.now + self.shift).clamp(-STAMP_MAX, STAMP_MAX);
        for logged in self.logged() {
            let cell = self.cell(logged);
            if self.is_open(cell) {
                self.finish_series(cell, now);
            }
        }
        self.history
    }

    /// In the order of the log's cells, so that two readings of one file come out alike.
    fn logged(&self) -> Vec<u32> {
        let mut logged: Vec<u32> = self.series.keys().copied().collect();
        logged.sort_unstable();
        logged
    }

    /// The cell of a series that is still here, else NIL.
    fn cell(&self, logged: u32) -> u32 {
        let Some(&id) = self.series.get(&logged) else { return NIL };
        let cell = self.history.cell_of(id);
        if self.history.id_of(cell) == id { cell } else { NIL }
    }

    fn finish_series(&mut self, cell: u32, now: i64) {
        let Some(series) = self.history.pool.series(cell) else { return };
        let process = matches!(series.target, Target::Process(_));
        if !series.is(Series::SILENT) {
            self.prolong(cell, now);
        }
        let history = &mut self.history;
        if process && self.rebooted {
            history.close_cell(cell, now);
            return;
        }
        if let Some(series) = history.pool.series_mut(cell) {
            series.set(Series::OPEN | Series::SILENT, false);
        }
        history.link_closed(cell);
    }

    fn stamp(&self, reader: &mut Reader<'_>) -> Option<i64> {
        let at = self.now.checked_sub(reader.signed()?)?.checked_add(self.shift)?;
        Some(at.clamp(-STAMP_MAX, STAMP_MAX))
    }

    fn is_open(&self, cell: u32) -> bool {
        self.history.pool.series(cell).is_some_and(|series| series.is(Series::OPEN))
    }

    fn prolong(&mut self, cell: u32, until: i64) {
        if let Some(series) = self.history.pool.series(cell)
            && !series.fine.is_empty()
            && series.fine.until < until
            && series.is(Series::OPEN)
            && !series.is(Series::BREAK)
        {
            let values = series.fine.values;
            self.history.push_changed(cell, until, values, true);
        }
    }

    fn runs(&mut self, reader: &mut Reader<'_>, cell: u32) -> Option<()> {
        let usual = u32::try_from(reader.varint()?.checked_mul(1000)?).ok()?;
        let until = self.stamp(reader)?;
        let count = reader.varint()?;
        self.prolong(cell, until);
        let series = self.history.pool.series_mut(cell);
        let mut before = Run { at: until, until, values: [0; 5], joined: true };
        if let Some(series) = series {
            series.usual = usual;
            before.values = series.fine.values;
        }
        for _ in 0..count {
            let run = read_run(reader, &before)?;
            let series = self.history.pool.series(cell);
            if series.is_some_and(|s| s.is(Series::OPEN) && s.fine.until <= run.at) {
                self.history.push_changed(cell, run.at, run.values, run.joined);
                self.prolong(cell, run.until);
            }
            before = run;
        }
        Some(())
    }

    fn full(&mut self, reader: &mut Reader<'_>, logged: u32) -> Option<()> {
        let len = usize::try_from(reader.varint()?).ok().filter(|&len| len <= NAME_MAX)?;
        let target: Target = std::str::from_utf8(reader.take(len)?).ok()?.parse().ok()?;
        let flags = reader.byte()?;
        let usual = u32::try_from(reader.varint()?).ok()?;
        let minute_from = self.stamp(reader)?;
        if let Some(cell) = self.history.index.find(&self.history.pool, &target) {
            self.history.forget(cell);
        }
        self.series.remove(&logged);
        // A refused series is still read to its end, into nothing.
        let cell = self.history.begin(&target, minute_from).unwrap_or(NIL);
        self.track::<5>(reader, |history, run| {
            history.make_room(cell);
            let Some(mut fine) = history.pool.series(cell).map(|series| series.fine) else {
                return;
            };
            fine.append(&mut history.pool, run);
            if let Some(series) = history.pool.series_mut(cell) {
                series.fine = fine;
            }
        })?;
        if reader.byte()? != 0 {
            let hour_from = self.stamp(reader)?;
            self.buckets(reader, cell, hour_from)?;
        }
        self.settle(cell, flags, usual, minute_from);
        if cell != NIL {
            self.series.insert(logged, self.history.id_of(cell));
        }
        if self.series.len() > 4 * self.history.index.max {
            let history = &self.history;
            self.series.retain(|_, id| history.id_of(history.cell_of(*id)) == *id);
        }
        Some(())
    }

    fn buckets(&mut self, reader: &mut Reader<'_>, cell: u32, hour_from: i64) -> Option<()> {
        self.history.make_room(cell);
        let empty = Buckets { minute: Track::EMPTY, hour: Track::EMPTY, hour_from };
        if self.history.pool.series(cell).is_some()
            && let Some(id) = self.history.pool.put(Cell::Buckets(empty))
            && let Some(series) = self.history.pool.series_mut(cell)
        {
            series.buckets = id;
        }
        let id = self.history.pool.series(cell).map_or(NIL, |series| series.buckets);
        self.track::<7>(reader, |history, run| {
            history.make_room(cell);
            let Some(mut minute) = history.pool.buckets(id).map(|b| b.minute) else { return };
            minute.append_merging(&mut history.pool, run);
            if let Some(buckets) = history.pool.buckets_mut(id) {
                buckets.minute = minute;
            }
        })?;
        self.track::<7>(reader, |history, run| {
            history.make_room(cell);
            let Some(mut hour) = history.pool.buckets(id).map(|b| b.hour) else { return };
            hour.append_merging(&mut history.pool, run);
            if let Some(buckets) = history.pool.buckets_mut(id) {
                buckets.hour = hour;
            }
        })
    }

    fn track<const N: usize>(
        &mut self,
        reader: &mut Reader<'_>,
        mut append: impl FnMut(&mut History, Run<N>),
    ) -> Option<()> {
        let count = reader.varint()?;
        if count == 0 {
            return Some(());
        }
        let at = self.stamp(reader)?;
        let mut before = Run { at, until: at, values: [0; N], joined: false };
        for _ in 0..count {
            before = read_run(reader, &before)?;
            append(&mut self.history, before);
        }
        Some(())
    }

    /// Gives a series that was read in full its state, forced into what a live one could have.
    fn settle(&mut self, cell: u32, flags: u8, usual: u32, minute_from: i64) {
        let rebooted = self.rebooted;
        let Some(series) = self.history.pool.series_mut(cell) else { return };
        let keep = Series::OPEN | Series::BREAK | Series::SILENT | Series::FORMER;
        series.flags = flags & keep;
        if rebooted && matches!(series.target, Target::Process(_)) {
            series.set(Series::FORMER, true);
        }
        series.usual = usual;
        let (until, open) = (series.fine.until, series.is(Series::OPEN));
        let latest = if open { until } else { STAMP_MAX };
        let earliest = if open { until - MINUTE } else { until };
        if !series.fine.is_empty() {
            series.minute_from = minute_from.clamp(earliest, latest);
            series.minute_end = floor(series.minute_from, MINUTE) + MINUTE;
        }
        let (from, id) = (series.minute_from, series.buckets);
        if let Some(buckets) = self.history.pool.buckets_mut(id) {
            buckets.hour_from = buckets.hour_from.clamp(from - HOUR, from);
        }
        self.count_unfolded(cell);
        if !open {
            self.history.link_closed(cell);
        }
    }

    fn count_unfolded(&mut self, cell: u32) {
        fn since<const N: usize>(pool: &Pool, track: &Track<N>, from: i64) -> u8 {
            let count = track.runs_from(pool, from).filter(|run| run.until >= from).count();
            u8::try_from(count).unwrap_or(u8::MAX)
        }
        let pool = &mut self.history.pool;
        let Some(series) = pool.series(cell) else { return };
        let (fine, id) = (since(pool, &series.fine, series.minute_from), series.buckets);
        let minute = pool.buckets(id).map(|b| since(pool, &b.minute, b.hour_from));
        if let Some(series) = pool.series_mut(cell) {
            series.fine.unfolded = fine;
        }
        if let (Some(buckets), Some(minute)) = (pool.buckets_mut(id), minute) {
            buckets.minute.unfolded = minute;
        }
    }
}

/// When the frame was written, on the boot clock, and by how much wall time was ahead of it.
pub(super) fn times(reader: &mut Reader<'_>) -> Option<(i64, i64)> {
    let in_range = |ms: &i64| (-STAMP_MAX..=STAMP_MAX).contains(ms);
    Some((reader.signed().filter(in_range)?, reader.signed().filter(in_range)?))
}

fn read_run<const N: usize>(reader: &mut Reader<'_>, before: &Run<N>) -> Option<Run<N>> {
    let at = before.until.checked_add(reader.span()?).filter(|at| *at <= STAMP_MAX)?;
    let (values, joined) = reader.values(&before.values)?;
    let until = at.checked_add(reader.span()?).filter(|until| *until <= STAMP_MAX)?;
    Some(Run { at, until, values, joined })
}
