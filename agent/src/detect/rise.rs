//! How demand rose over the newest cells of one level, described by ratios that do not depend on
//! the size of the target or on the scale.
//!
//! - `drift`: the growth of the least-squares line ÷ the standard deviation that a random walk
//!   with increments like these would have reached. Increments are taken over an eighth of the
//!   stretch, so that noise between neighbours cancels. It is near 0 ± 1 for a random walk, 1 for
//!   a single jump, √m for m equal jumps, and at most √8 for a line.
//! - `given_back`: the deepest fall from an earlier peak ÷ the growth. 0 for a line.
//! - `largest_step`: the largest step between two cells ÷ the growth. 1 for a single jump.
//! - `steady`: the rise of the last third over the middle one ÷ that of the middle one over the
//!   first. 1 for a line, below for what levels off, above for what gains.
//! - `new_ground`: how far the newest quarter lies above all that was known before the stretch ÷
//!   the growth. At most 1; negative for a return to where demand was before.
//! - `past`: how much longer the target had been seen before the stretch ÷ the stretch.
//! - `beyond`: the growth, without its largest step, ÷ the highest rise that was taken back before.
//! - `slowing`: the slope of the cells before the stretch ÷ its own. 1 within a line, above for
//!   what levels off, about 0 where the growth set in with the stretch.
//! - `raised`: the mean slope of all that was seen before the stretch ÷ its own. About 0 where the
//!   target was flat until then, also over a pause that hides from `slowing` what was before it.
//! - `still`: the rise of the newest cells ÷ what the line would have them rise. 0 for what has
//!   stopped.
//!
//! Assumes that growth adds up: a fall by a restart within the stretch makes `given_back` large and
//! hides what lies on either side.

use super::cell::Cell;
use super::ladder::{LEVELS, Ladder, Track};
use super::season::Daily;

/// A stretch with gaps longer than this many times its cells is not looked at.
pub(super) const GAPS_MAX: f64 = 2.5;
/// Stretches that are looked at. Units: cells.
pub(super) const STRETCHES: [usize; 8] = [8, 10, 12, 16, 20, 24, 28, 32];
/// Below so many cells a stretch counts only if each cell holds [`DENSE`] readings.
const SHORT: usize = 12;
const DENSE: u32 = 8;
/// Novelty is asked of this many coarser levels.
const COARSER: usize = 4;

/// Units: bytes and seconds where not a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rise {
    pub level: usize,
    pub track: Track,
    pub cells: usize,
    pub span: f64,
    /// Where the line ends.
    pub now: f64,
    /// Mean of the last third.
    pub mean: f64,
    pub growth: f64,
    pub slope: f64,
    /// Slope of the middle values ÷ that of the followed ones.
    pub middle_too: f64,
    pub drift: f64,
    pub given_back: f64,
    pub largest_step: f64,
    pub steady: f64,
    pub new_ground: f64,
    pub past: f64,
    pub beyond: f64,
    pub slowing: f64,
    pub raised: f64,
    pub still: f64,
    /// Seconds at which the stretch begins, on the clock of the stamps.
    pub from: f64,
}

/// Whether the newest cells of a level lie densely enough for any stretch.
#[must_use]
pub(super) fn has_cells(ladder: &Ladder, level: usize) -> bool {
    let cells = ladder.level(level).cells();
    let newest = cells.split_last_chunk::<{ STRETCHES[0] }>();
    newest.is_some_and(|(_, newest)| {
        f64::from(newest[newest.len() - 1].index - newest[0].index)
            <= GAPS_MAX * newest.len() as f64
    })
}

impl Rise {
    /// The newest `count` cells of `level`, if they rise at all. Cost: a few ns if their ends do
    /// not, else about 0.2 µs.
    #[must_use]
    pub(super) fn of(ladder: &Ladder, level: usize, count: usize, track: Track) -> Option<Self> {
        let all = ladder.level(level).cells();
        let (before, cells) = all.split_at_checked(all.len().checked_sub(count)?)?;
        let (first, last) = (cells.first()?, cells.last()?);
        let length = f64::from(last.index - first.index);
        if track.of(last) <= track.of(first) || length > GAPS_MAX * count as f64 {
            return None;
        }
        let quarter = count / 4;
        let newest = &cells[count - quarter..];
        let lowest = newest.iter().map(|c| track.of(c)).fold(f32::MAX, f32::min);
        let highest = cells[..quarter].iter().map(|c| track.of(c)).fold(f32::MIN, f32::max);
        let sparse = || cells.iter().any(|cell| cell.readings < DENSE);
        if lowest <= highest || count < SHORT && sparse() {
            return None;
        }
        let line = Line::through(cells, track);
        let growth = line.slope * length;
        if growth <= 0.0 {
            return None;
        }
        let third = count / 3;
        let mean = |part: &[Cell]| {
            part.iter().map(|c| f64::from(track.of(c))).sum::<f64>() / part.len() as f64
        };
        let (m1, m2) = (mean(&cells[..third]), mean(&cells[third..count - third]));
        let m3 = mean(&cells[count - third..]);
        let width = Ladder::width(level);
        let from = f64::from(first.index) * width;
        let known = highest_known(ladder, level, before, from, track);
        let (fall, step) = fall_and_step(cells, track);
        let taken_back = (level..LEVELS.min(level + 2))
            .map(|level| ladder.level(level).taken_back(track))
            .fold(0.0, f32::max);
        let span = length * width;
        Some(Self {
            level,
            track,
            cells: count,
            span,
            now: line.at_end,
            mean: m3,
            growth,
            slope: line.slope / width,
            middle_too: line.slope_of_middle / line.slope,
            drift: growth / walk(cells, track).max(1.0),
            given_back: fall / growth,
            largest_step: step / growth,
            steady: (m3 - m2) / (m2 - m1).max(1e-9),
            new_ground: known.map_or(1.0, |known| (mean(newest) - known) / growth),
            past: ((from - ladder.first().secs()) / span).max(0.0),
            beyond: (growth - step).max(0.0) / f64::from(taken_back).max(1.0),
            slowing: slope_before(ladder, level, before, from, count, track) / line.slope,
            raised: slope_of_life(ladder, level, first, track) / line.slope,
            still: newest_rise(cells, track) / line.slope,
            from,
        })
    }
}

/// A growth from day to day as a rise: the ratios of a line where it says nothing of them.
impl Rise {
    #[must_use]
    pub(super) fn of_days(ladder: &Ladder, level: usize, daily: &Daily) -> Self {
        let span = daily.growth / daily.slope;
        let until = ladder.last().secs();
        Self {
            level,
            track: Track::Low,
            cells: 5,
            span,
            now: daily.now,
            mean: daily.now,
            growth: daily.growth,
            slope: daily.slope,
            middle_too: 1.0,
            drift: 2.0,
            given_back: 0.0,
            largest_step: 0.0,
            steady: 1.0,
            new_ground: 1.0,
            past: 1.0,
            beyond: 1.0,
            slowing: 1.0,
            raised: 1.0,
            still: 1.0,
            from: until - span,
        }
    }
}

/// The slope of at most `count` cells before the stretch, from end to end, or of the next level's
/// where fewer than half of that are left; 0 where it has no three. Units: bytes per cell.
fn slope_before(
    ladder: &Ladder,
    level: usize,
    before: &[Cell],
    from: f64,
    count: usize,
    track: Track,
) -> f64 {
    let slope = |cells: &[Cell]| match cells {
        [first, _, .., last] => {
            let rise = f64::from(track.of(last) - track.of(first));
            Some(rise / f64::from(last.index - first.index).max(1.0))
        }
        _ => None,
    };
    let enough = before.len() >= count / 2;
    let own = slope(&before[before.len().saturating_sub(count)..]).filter(|_| enough);
    own.or_else(|| {
        let coarser = level + 1;
        let cells = (coarser < LEVELS).then(|| ladder.level(coarser).cells())?;
        let width = Ladder::width(coarser);
        let ends = cells.partition_point(|cell| f64::from(cell.index + 1) * width <= from);
        let begins = ends.saturating_sub((count / 4).max(3));
        Some(slope(&cells[begins..ends])? * Ladder::width(level) / width)
    })
    .unwrap_or(0.0)
}

/// The mean slope from the first cell that is known, on any level, to `first`; 0 where there is
/// none before it. Units: bytes per cell.
fn slope_of_life(ladder: &Ladder, level: usize, first: &Cell, track: Track) -> f64 {
    let middle = |cell: &Cell, level| (f64::from(cell.index) + 0.5) * Ladder::width(level);
    let from = middle(first, level);
    let known = |level| ladder.level(level).cells().first().map(|cell| (cell, middle(cell, level)));
    let oldest = (level..LEVELS).filter_map(known).min_by(|a, b| a.1.total_cmp(&b.1));
    oldest.filter(|(_, at)| *at < from).map_or(0.0, |(cell, at)| {
        f64::from(track.of(first) - track.of(cell)) * Ladder::width(level) / (from - at)
    })
}

/// The slope of the newest eighth, at least three cells. Units: bytes per cell.
fn newest_rise(cells: &[Cell], track: Track) -> f64 {
    let newest = &cells[cells.len() - (cells.len() / 8 + 1).max(3)..];
    let (first, last) = (&newest[0], &newest[newest.len() - 1]);
    f64::from(track.of(last) - track.of(first)) / f64::from(last.index - first.index).max(1.0)
}

/// The least-squares line through the followed values.
struct Line {
    /// Bytes per cell.
    slope: f64,
    slope_of_middle: f64,
    at_end: f64,
}

impl Line {
    fn through(cells: &[Cell], track: Track) -> Self {
        let (x0, y0) = (cells[0].index, f64::from(track.of(&cells[0])));
        let n = cells.len() as f64;
        let (mut x, mut y, mut m, mut xx, mut xy, mut xm) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for cell in cells {
            let at = f64::from(cell.index - x0);
            let value = f64::from(track.of(cell)) - y0;
            let middle = f64::from(cell.middle) - y0;
            x += at;
            y += value;
            m += middle;
            xx += at * at;
            xy += at * value;
            xm += at * middle;
        }
        let variance = (xx - x * x / n).max(1e-9);
        let slope = (xy - x * y / n) / variance;
        let length = f64::from(cells[cells.len() - 1].index - x0);
        Self {
            slope,
            slope_of_middle: (xm - x * m / n) / variance,
            at_end: y0 + y / n + slope * (length - x / n),
        }
    }
}

/// What a random walk with these increments would have reached, as a standard deviation.
fn walk(cells: &[Cell], track: Track) -> f64 {
    let lag = (cells.len() / 8).max(1);
    let pairs = cells.iter().zip(&cells[lag..]);
    let squares: f64 = pairs.map(|(a, b)| f64::from(track.of(b) - track.of(a)).powi(2)).sum();
    let variance = squares / (cells.len() - lag) as f64 / lag as f64;
    (variance * cells.len() as f64).sqrt()
}

/// The deepest fall from an earlier peak, and the largest step up.
fn fall_and_step(cells: &[Cell], track: Track) -> (f64, f64) {
    let (mut peak, mut fall, mut step) = (f32::MIN, 0.0_f32, 0.0_f32);
    let mut last = track.of(&cells[0]);
    for cell in cells {
        let value = track.of(cell);
        peak = peak.max(value);
        fall = fall.max(peak - value);
        step = step.max(value - last);
        last = value;
    }
    (f64::from(fall), f64::from(step))
}

/// The highest value before the stretch, on its own level and the coarser ones; None if the stretch
/// is all there is.
fn highest_known(
    ladder: &Ladder,
    level: usize,
    before: &[Cell],
    from: f64,
    track: Track,
) -> Option<f64> {
    let coarser = (level + 1..LEVELS.min(level + COARSER)).flat_map(|level| {
        let ends_by = move |cell: &&Cell| f64::from(cell.index + 1) * Ladder::width(level) <= from;
        ladder.level(level).cells().iter().take_while(ends_by)
    });
    let values = before.iter().chain(coarser).map(|cell| track.of(cell));
    values.max_by(f32::total_cmp).map(f64::from)
}
