//! From evidence to a suspicion, and back: what has to stand for how long.
//!
//! Evidence must be held by several judgements and for a share of its span before it is a
//! suspicion. A suspicion falls at once when half of the growth is given back, and else when
//! evidence has been gone for a third of the time that it stood while demand no longer keeps half
//! of the slope. A fall from the limit is no giving back: that was a kill, and the leak lives on in
//! the next life.

use crate::clock::Stamp;
use crate::detect::{Ladder, Params, Rise};
use std::time::Duration;

/// A fall from above this share of the limit to below [`KILLED_TO`] of it is a kill.
const KILLED_FROM: f64 = 0.9;
const KILLED_TO: f64 = 0.5;
/// Evidence that pauses for this many cells of its level is another's.
const PAUSE_CELLS: f64 = 4.0;

/// By so many times the distance of low from middle may one reading lie lower by chance: for normal
/// noise that is three standard deviations.
const SCATTERS: f64 = 4.0;

/// Evidence that has not stood for long enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    first: Stamp,
    last: Stamp,
    times: u8,
}

impl Candidate {
    /// Takes in a rise; true once it has been held for long enough.
    pub(super) fn hold(held: &mut Option<Self>, params: &Params, rise: &Rise, now: Stamp) -> bool {
        let hold = (params.hold_share * rise.span).max(0.0);
        let pause = 5.0 * hold + PAUSE_CELLS * Ladder::width(rise.level) + 1.0;
        let fresh = Self { first: now, last: now, times: 0 };
        let known = held.filter(|known| now.since(known.last).as_secs_f64() <= pause);
        let mut candidate = known.unwrap_or(fresh);
        candidate.last = now;
        candidate.times = candidate.times.saturating_add(1);
        *held = Some(candidate);
        let stood = now.since(candidate.first).as_secs_f64();
        candidate.times >= params.confirm && stood >= hold
    }
}

/// A growth that is believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspicion {
    /// When the growth set in, by the last fit. Units: seconds on the boot clock.
    pub(super) onset: f64,
    /// When evidence was last seen.
    seen: Stamp,
    level: usize,
    /// Bytes per second, and bytes: the line when evidence was last seen.
    pub(super) slope: f64,
    pub(super) growth: f64,
    pub(super) floor: f64,
    pub(super) drift: f64,
    /// The strongest evidence there was, as log-odds.
    pub(super) weight: f64,
    /// Lives that ended at the limit since it is suspected.
    pub(super) kills: u32,
    /// The length of the last such life. Units: seconds.
    life: f64,
}

impl Suspicion {
    pub(super) fn new(rise: &Rise, weight: f64, now: Stamp) -> Self {
        Self {
            onset: rise.from,
            seen: now,
            level: rise.level,
            slope: rise.slope,
            growth: rise.growth,
            floor: rise.now,
            drift: rise.drift,
            weight,
            kills: 0,
            life: 0.0,
        }
    }

    /// More evidence. The line is that of the longest scale, or of what is as good as straight.
    pub(super) fn strengthen(&mut self, rise: &Rise, weight: f64, now: Stamp) {
        self.seen = now;
        self.weight = self.weight.max(weight);
        self.drift = self.drift.max(rise.drift);
        if rise.level >= self.level || rise.drift > 2.0 {
            self.level = rise.level;
            self.slope = rise.slope;
            self.growth = self.growth.max(rise.growth);
            self.floor = rise.now;
        }
    }

    /// Demand fell from `before` to `present` while the limit was at `reach`: was that a kill?
    pub(super) fn survive_kill(
        &mut self,
        before: f64,
        present: f64,
        reach: Option<f64>,
        now: Stamp,
    ) -> bool {
        let killed =
            reach.is_some_and(|reach| before >= KILLED_FROM * reach && present < KILLED_TO * reach);
        if killed {
            self.kills += 1;
            self.life = (now.secs() - self.onset).max(0.0);
            self.onset = now.secs();
            self.seen = now;
            self.floor = present;
        }
        killed
    }

    /// Whether it still stands, now that demand is at `present`.
    pub(super) fn stands(
        &mut self,
        params: &Params,
        ladder: &Ladder,
        present: f64,
        now: Stamp,
    ) -> bool {
        let stood = Duration::try_from_secs_f64((now.secs() - self.onset).max(0.0));
        let stood = stood.unwrap_or(Duration::MAX).mul_f64(params.clear_share);
        let cells = Duration::from_secs_f64(PAUSE_CELLS * Ladder::width(self.level));
        let life = Duration::try_from_secs_f64(2.0 * self.life).unwrap_or(Duration::MAX);
        let patience = stood.clamp(params.clear_min, params.clear_max).max(cells).max(life);
        let gone = now.since(self.seen);
        // After a kill the cells still hold the life before.
        let newest = ladder.level(self.level).cells().last().filter(|_| self.kills == 0);
        let low = newest.map_or(present, |cell| f64::from(cell.low));
        let scatter = ladder.scatter(self.level).map_or(0.0, f64::from);
        let kept = self.floor - 0.5 * self.growth - SCATTERS * scatter;
        let given_back = self.kills == 0 && present < kept;
        // A closed cell tells of its own time, which readings far apart leave behind the present.
        let width = Ladder::width(self.level);
        let middle = newest.map(|cell| (f64::from(cell.index) + 0.5) * width - self.seen.secs());
        let passed = middle.unwrap_or(gone.as_secs_f64()).max(0.0);
        let grows_on = low >= self.floor + 0.5 * self.slope * passed;
        if given_back || gone > patience && !grows_on {
            return false;
        }
        if gone > patience {
            // It grows on where the tests no longer see it: the line is carried to here.
            self.seen = now;
            self.floor = low;
        }
        true
    }

    /// How much the evidence of old counts now, 0.1…1: the less the longer it is gone.
    pub(super) fn freshness(&self, now: Stamp) -> f64 {
        let stood = (self.seen.secs() - self.onset).max(1.0);
        1.0 - (now.since(self.seen).as_secs_f64() / stood).min(0.9)
    }
}
