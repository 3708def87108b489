//! The past of one target on eight time scales at once, kept up reading by reading.
//!
//! ```text
//! readings ─► 1 s ─► 4 s ─► 16 s ─► 64 s ─► 4 min ─► 17 min ─► 68 min ─► 4.6 h     32 cells each
//! ```
//!
//! A level's newest 32 cells span 32 s to 6 days. A reading costs the closing of one cell on the
//! first level and on each further one a quarter of that, whatever the length of the past. Where
//! readings are farther apart than a level's cells, its cells have gaps and are not judged.

use super::cell::{Cell, Fold};
use super::season::{Daily, Season};
use super::taken_back::TakenBack;
use crate::clock::Stamp;
use crate::units::Bytes;

/// Cells that a level keeps.
pub const CELLS: usize = 32;
/// Cells of one level in one of the next.
const FACTOR: i64 = 4;
pub const LEVELS: usize = 8;

/// The level whose cells make up the hours.
const SEASON_LEVEL: usize = 5;

/// One time scale.
#[derive(Clone, Debug, Default)]
pub struct Level {
    /// Oldest first.
    cells: Vec<Cell>,
    open: Fold,
    open_index: i32,
    /// Rises of the low values and of the middle ones that were given back.
    taken_back: [TakenBack; 2],
}

impl Level {
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The highest rise of `track` that was given back. Units: bytes.
    #[must_use]
    pub const fn taken_back(&self, track: Track) -> f32 {
        self.taken_back[track as usize].highest()
    }

    /// The cell that is being filled.
    #[must_use]
    pub(crate) fn partial(&self) -> Option<Cell> {
        self.open.folded(self.open_index)
    }

    fn keep(&mut self, cell: Cell, width_s: f64) {
        let gap = self.cells.last().map_or(1, |last| cell.index.saturating_sub(last.index));
        let elapsed = f64::from(gap) * width_s;
        self.taken_back[Track::Low as usize].follow(cell.low, elapsed);
        self.taken_back[Track::Middle as usize].follow(cell.middle, elapsed);
        if self.cells.len() == CELLS {
            self.cells.remove(0);
        }
        self.cells.push(cell);
    }
}

/// Which of a cell's values is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    Low = 0,
    Middle = 1,
}

impl Track {
    #[must_use]
    pub const fn of(self, cell: &Cell) -> f32 {
        match self {
            Self::Low => cell.low,
            Self::Middle => cell.middle,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Ladder {
    levels: [Level; LEVELS],
    season: Season,
    /// The first and the newest reading.
    first: Stamp,
    last: Stamp,
    last_value: f32,
    /// The least by which two readings in a row differed: how finely demand is told.
    grain: f32,
    /// Bit k: a cell of level k was closed since that was last asked.
    closed: u8,
}

impl Ladder {
    #[must_use]
    pub fn starting(at: Stamp) -> Self {
        Self {
            levels: Default::default(),
            season: Season::default(),
            first: at,
            last: Stamp(i64::MIN),
            last_value: f32::NAN,
            grain: f32::MAX,
            closed: 0,
        }
    }

    #[must_use]
    pub const fn first(&self) -> Stamp {
        self.first
    }

    /// The newest reading; long ago if there is none.
    #[must_use]
    pub const fn last(&self) -> Stamp {
        self.last
    }

    /// How finely readings tell demand; 0 if that is not known. Units: bytes.
    #[must_use]
    pub fn grain(&self) -> f32 {
        if self.grain == f32::MAX { 0.0 } else { self.grain }
    }

    #[must_use]
    pub fn level(&self, level: usize) -> &Level {
        &self.levels[level]
    }

    /// Width of a level's cells. Units: seconds.
    #[must_use]
    pub fn width(level: usize) -> f64 {
        FACTOR.pow(level as u32) as f64
    }

    /// Growth from day to day, asked when a cell of `level` was closed; None on all but one.
    #[must_use]
    pub fn daily(&self, level: usize) -> Option<Daily> {
        (level == SEASON_LEVEL).then(|| self.season.daily())?
    }

    /// Takes in one reading. One that is older than the newest changes nothing.
    pub fn add(&mut self, at: Stamp, demand: Bytes) {
        let value = demand.0 as f32;
        let step = (value - self.last_value).abs();
        if step > 0.0 {
            self.grain = self.grain.min(step);
        }
        self.last_value = value;
        self.add_values(at, [value; 3]);
    }

    /// Takes in a value that held from `at` to `until`, with no more cells than it takes for the
    /// levels that look at such a span.
    pub(super) fn add_run(&mut self, at: Stamp, until: Stamp, values: [f32; 3]) {
        let step = (until.since(at).as_millis() as i64 / 8).max(250);
        let mut t = at;
        while t < until {
            self.add_values(t, values);
            t = Stamp(t.0 + step);
        }
        self.add_values(until, values);
    }

    fn add_values(&mut self, at: Stamp, [low, middle, high]: [f32; 3]) {
        if at < self.last {
            return;
        }
        self.last = at;
        let index = i32::try_from(at.0.div_euclid(1000)).unwrap_or(i32::MAX);
        self.feed(0, index, Cell { index, low, middle, high, readings: 1 });
    }

    /// Puts `part` into the cell `index` of `level`, closing the one before it.
    fn feed(&mut self, level: usize, index: i32, part: Cell) {
        let own = &mut self.levels[level];
        if own.open_index != index
            && let Some(cell) = own.open.folded(own.open_index)
        {
            own.open = Fold::default();
            own.keep(cell, Self::width(level));
            self.closed |= 1 << level;
            if level == SEASON_LEVEL {
                self.season.add(f64::from(cell.index) * Self::width(level), cell);
            }
            if level + 1 < LEVELS {
                self.feed(level + 1, cell.index.div_euclid(FACTOR as i32), cell);
            }
        }
        let own = &mut self.levels[level];
        own.open_index = index;
        own.open.add(part);
    }

    /// The levels on which a cell was closed since the last call, finest first.
    pub fn take_closed(&mut self) -> impl Iterator<Item = usize> + use<> {
        let closed = std::mem::take(&mut self.closed);
        (0..LEVELS).filter(move |level| closed & (1 << level) != 0)
    }

    /// How far the low value of the newest closed cell of `level` lies under its middle one.
    #[must_use]
    pub fn scatter(&self, level: usize) -> Option<f32> {
        self.levels[level].cells.last().map(|cell| cell.middle - cell.low)
    }

    /// Whether the low values of all cells differ by less than `least` bytes.
    #[must_use]
    pub fn is_flat(&self, least: f32) -> bool {
        let cells = self.levels.iter().flat_map(|level| &level.cells);
        let (low, high) = cells.fold((f32::MAX, f32::MIN), |(low, high), cell| {
            (low.min(cell.low), high.max(cell.middle))
        });
        high - low < least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(seconds: i64, of: impl Fn(i64) -> u64) -> Ladder {
        let mut ladder = Ladder::starting(Stamp(0));
        (0..seconds).for_each(|s| ladder.add(Stamp(s * 1000), Bytes(of(s))));
        ladder
    }

    #[test]
    fn each_level_holds_the_newest_cells_of_its_width() {
        let ladder = fed(1000, |s| s as u64);
        for level in 0..4 {
            let cells = ladder.level(level).cells();
            let width = Ladder::width(level) as i32;
            let expected = (999 / width) as usize;
            assert_eq!(cells.len(), expected.min(CELLS), "level {level}");
            assert_eq!(cells.last().unwrap().index, 999 / width - 1);
            assert!(cells.windows(2).all(|pair| pair[0].index + 1 == pair[1].index));
            assert!(cells.windows(2).all(|pair| pair[0].low < pair[1].low));
        }
        let second = ladder.level(1).cells().last().unwrap();
        assert_eq!((second.low, second.middle, second.high), (993.0, 993.5, 995.0));
    }

    #[test]
    fn closed_levels_are_told_once() {
        let mut ladder = fed(17, |_| 5);
        assert_eq!(ladder.take_closed().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(ladder.take_closed().count(), 0);
        ladder.add(Stamp(20_000), Bytes(5));
        assert_eq!(ladder.take_closed().collect::<Vec<_>>(), [0, 1]);
        ladder.add(Stamp(40_000), Bytes(5));
        ladder.add(Stamp(60_000), Bytes(5));
        assert_eq!(ladder.take_closed().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_gap_leaves_a_gap_and_an_older_reading_changes_nothing() {
        let mut ladder = fed(10, |_| 5);
        ladder.add(Stamp(600_000), Bytes(6));
        ladder.add(Stamp(601_000), Bytes(6));
        ladder.add(Stamp(300_000), Bytes(900));
        let cells = ladder.level(0).cells();
        assert_eq!(cells.last().unwrap().index, 600);
        assert_eq!(cells[cells.len() - 2].index, 9);
        assert_eq!(ladder.last(), Stamp(601_000));
    }

    #[test]
    fn flat_is_what_hardly_moves() {
        assert!(fed(100, |s| 1000 + (s % 3) as u64).is_flat(4.0));
        assert!(!fed(100, |s| 1000 + s as u64).is_flat(4.0));
    }

    #[test]
    fn the_grain_is_the_least_step() {
        assert_eq!(fed(100, |s| 1000 * (s as u64 / 7)).grain(), 1000.0);
        assert_eq!(fed(100, |_| 1000).grain(), 0.0);
    }
}
