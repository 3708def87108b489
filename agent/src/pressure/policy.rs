//! How short memory is in a scope, how much should come back, and by when. Pure.
//!
//! ```text
//! keep(level)  = limit × share(level), at most CAP(level)           10 %, 5 %, 2.5 % by default
//! level        = worst level of which one holds:
//!                  headroom ≤ keep(level)
//!                  headroom ÷ slope ≤ PACE(level)                    20 s, 6 s, 2 s
//!                  forecast ≤ FORECAST(level)                        300 s, 60 s (p10), 10 s (p50)
//!                  stalls ≥ STALL(level), headroom ≤ limit ÷ 4       10 % some, 5 %, 20 % full
//! gap          = keep(low) × 1.25 + slope × 3 s − headroom
//! want         = gap × PORTION(level)                                ¼, ½, 1
//! deadline     = deadline × 4, × 2, × 1; at most half of the time that is left
//! ```
//!
//! A level rises at once. It falls after it was held for three seconds, and only where it would
//! still fall if every bound were a quarter wider. Less headroom never gives a lower level nor a
//! smaller want. What `want` becomes for each subscriber is [`super::share`]'s affair, what is
//! under way already [`super::ledger`]'s.

use crate::units::Bytes;
use crate::verdict::Eta;
use plimsoll_pressure::Level;
use std::time::Duration;

/// A level that was reached holds for at least this long.
pub const HOLD: Duration = Duration::from_secs(3);
/// How much wider the bounds are on the way down.
const EASE: f64 = 1.25;
/// Growth for which room is asked beside the room that should be kept.
const AHEAD_S: f64 = 3.0;
/// The shortest deadline there is: a heartbeat has to fit in.
const DEADLINE_MIN: Duration = Duration::from_millis(200);
/// Less is not worth a word.
const WANT_MIN: Bytes = Bytes::mib(1);
/// Stalls count only below this share of the limit: elsewhere they have other reasons.
const STALL_SHARE: f64 = 0.25;

/// What can be set; see `pressure.*` in the configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// Headroom as a share of the limit below which a level begins: low, medium, critical.
    pub shares: [f64; 3],
    /// Time that a subscriber has at `critical`.
    pub deadline: Duration,
}

/// Bounds of one level beside its share.
#[derive(Clone, Copy, Debug)]
struct Bound {
    level: Level,
    /// On large machines a share of the limit is more room than anybody needs.
    cap: Bytes,
    pace_s: f64,
    forecast_s: f64,
    portion: f64,
    deadline_factor: u32,
}

const BOUNDS: [Bound; 3] = [
    Bound {
        level: Level::Low,
        cap: Bytes::mib(2048),
        pace_s: 20.0,
        forecast_s: 300.0,
        portion: 0.25,
        deadline_factor: 4,
    },
    Bound {
        level: Level::Medium,
        cap: Bytes::mib(1024),
        pace_s: 6.0,
        forecast_s: 60.0,
        portion: 0.5,
        deadline_factor: 2,
    },
    Bound {
        level: Level::Critical,
        cap: Bytes::mib(512),
        pace_s: 2.0,
        forecast_s: 10.0,
        portion: 1.0,
        deadline_factor: 1,
    },
];

/// Everything that a decision about one scope rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Strain {
    pub limit: Bytes,
    /// Limit − what reclaim cannot free.
    pub headroom: Bytes,
    /// How fast the headroom shrinks. Units: bytes per second; never negative.
    pub slope: f64,
    /// The forecast, counted down to now; None: nothing is foretold.
    pub eta: Option<Eta>,
    /// Share of the last ten seconds in which some task waited. Units: percent.
    pub psi_some: Option<f64>,
    /// Likewise, all tasks.
    pub psi_full: Option<f64>,
}

/// The level there was, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub level: Level,
    pub held: Duration,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    pub level: Level,
    /// Wanted back in all, what is under way included.
    pub want: Bytes,
    pub deadline: Duration,
    /// Until the kernel kills, by the earlier of pace and forecast.
    pub left: Option<Duration>,
}

/// Decides about one scope.
#[must_use]
pub fn judge(params: &Params, strain: &Strain, before: Held) -> Demand {
    let raw = reached(params, strain, 1.0);
    let level = if raw >= before.level {
        raw
    } else if before.held < HOLD {
        before.level
    } else {
        reached(params, strain, EASE).min(before.level)
    };
    let left = time_left(strain);
    let Some(bound) = BOUNDS.iter().find(|bound| bound.level == level) else {
        return Demand { left, ..Demand::default() };
    };
    let deadline = params.deadline * bound.deadline_factor;
    let deadline = left.map_or(deadline, |left| deadline.min(left / 2)).max(DEADLINE_MIN);
    Demand { level, want: want(params, strain, bound), deadline, left }
}

/// The worst level whose bounds, made wider by `ease`, are met.
fn reached(params: &Params, strain: &Strain, ease: f64) -> Level {
    let is_met = |(bound, share): (&Bound, f64)| {
        let forecast =
            strain.eta.map(|e| if bound.level == Level::Critical { e.p50 } else { e.p10 });
        strain.headroom.as_f64() <= keep(strain.limit, share, bound.cap) * ease
            || pace(strain).is_some_and(|left| left <= bound.pace_s * ease)
            || forecast.is_some_and(|left| left <= bound.forecast_s * ease)
            || is_stalled(strain, bound.level, ease)
    };
    let met = BOUNDS.iter().zip(params.shares).filter(|&(bound, share)| is_met((bound, share)));
    met.map(|(bound, _)| bound.level).max().unwrap_or_default()
}

fn want(params: &Params, strain: &Strain, bound: &Bound) -> Bytes {
    let low = keep(strain.limit, params.shares[0], BOUNDS[0].cap);
    let gap = low * EASE + strain.slope.max(0.0) * AHEAD_S - strain.headroom.as_f64();
    // Whoever waits for memory has too little of it, whatever the count says.
    let waits = bound.level >= Level::Medium && is_stalled(strain, Level::Medium, EASE);
    let gap = if waits { gap.max(low / 4.0) } else { gap };
    let want = Bytes((gap.max(0.0) * bound.portion) as u64);
    if is_worth(want, strain.limit) { want } else { Bytes::ZERO }
}

/// Whether so little is worth a word.
#[must_use]
pub fn is_worth(want: Bytes, limit: Bytes) -> bool {
    want > Bytes::ZERO && want >= WANT_MIN.min(Bytes(limit.0 / 64))
}

/// Headroom that should be kept at a level. Units: bytes.
fn keep(limit: Bytes, share: f64, cap: Bytes) -> f64 {
    (limit.as_f64() * share).min(cap.as_f64())
}

/// How long the headroom lasts if it goes on shrinking as it does. Units: seconds.
fn pace(strain: &Strain) -> Option<f64> {
    (strain.slope > 0.0).then(|| strain.headroom.as_f64() / strain.slope)
}

fn time_left(strain: &Strain) -> Option<Duration> {
    let soonest = [pace(strain), strain.eta.map(|eta| eta.p10)].into_iter().flatten();
    let soonest = soonest.min_by(f64::total_cmp)?;
    Duration::try_from_secs_f64(soonest.max(0.0)).ok()
}

fn is_stalled(strain: &Strain, level: Level, ease: f64) -> bool {
    let near = strain.headroom.as_f64() <= strain.limit.as_f64() * STALL_SHARE;
    let (share, most) = match level {
        Level::None => return false,
        Level::Low => (strain.psi_some, 10.0),
        Level::Medium => (strain.psi_full, 5.0),
        Level::Critical => (strain.psi_full, 20.0),
    };
    near && share.is_some_and(|percent| percent * ease >= most)
}

#[cfg(test)]
mod tests;
