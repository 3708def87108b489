//! The forecast of a suspected growth, kept between judgements: fitted anew when a cell of its
//! level or of the one below was closed, counted down in between.

use super::Eta;
use super::suspicion::Suspicion;
use crate::clock::Stamp;
use crate::detect::ladder::{CELLS, LEVELS};
use crate::detect::{Cell, Ladder};
use crate::forecast::{Course, Scratch, forecast};

/// A growth is fitted on the level on which it is at most so many cells long.
const LENGTH_MAX: f64 = 31.0;

#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    at: Stamp,
    eta: Eta,
}

impl Outlook {
    /// What is left of it at `now`.
    pub(super) fn at(&self, now: Stamp) -> Eta {
        let passed = now.since(self.at).as_secs_f64();
        let left = |seconds: f64| (seconds - passed).max(0.0);
        Eta { p10: left(self.eta.p10), p50: left(self.eta.p50), p90: left(self.eta.p90) }
    }

    /// Fits the growth of `suspicion` on the levels that `closed` tells of, and notes onset and
    /// rate there; leaves `held` as it is where none of them is its own.
    pub(super) fn renew(
        held: &mut Option<Self>,
        suspicion: &mut Suspicion,
        ladder: &Ladder,
        closed: &[usize],
        reach: f64,
        now: Stamp,
        scratch: &mut Scratch,
    ) {
        let level = level_of(now.secs() - suspicion.onset);
        if held.is_some() && !closed.iter().any(|&k| k == level || k + 1 == level) {
            return;
        }
        let mut cells = [Cell::default(); CELLS];
        let own = ladder.level(level);
        let partial = own.partial();
        let kept = own.cells();
        let skipped = (kept.len() + usize::from(partial.is_some())).saturating_sub(CELLS);
        let mut count = 0;
        // After a kill only the new life counts: the cells before it end at the limit.
        let begins = |cell: &Cell| f64::from(cell.index) * Ladder::width(level);
        let lived = |cell: &Cell| suspicion.kills == 0 || begins(cell) >= suspicion.onset;
        for cell in kept[skipped..].iter().copied().chain(partial).filter(lived) {
            cells[count] = cell;
            count += 1;
        }
        let course =
            Course { cells: &cells[..count], width: Ladder::width(level), now: now.secs(), reach };
        if let Some(found) = forecast(&course, scratch) {
            *held = Some(Self { at: now, eta: found.eta });
            if suspicion.kills == 0 {
                suspicion.onset = found.onset;
            }
            suspicion.slope = found.rate;
        }
    }
}

fn level_of(age: f64) -> usize {
    (0..LEVELS).find(|&k| age <= LENGTH_MAX * Ladder::width(k)).unwrap_or(LEVELS - 1)
}
