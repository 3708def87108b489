//! Is there a sustained, unbounded upward trend? Looks at one target's past on eight time scales.
//!
//! ```text
//! readings ─► Ladder: cells of 1 s … 4.6 h ─► Rise: the newest 8 … 32 cells of a level, in ratios
//!                                          ─► evidence: heads for the limit, or creeps
//! ```
//!
//! Pure: does no IO, reads no clock, logs nothing, cannot fail. It does not decide what to do about
//! a rise: the forecast says how long is left, the verdict whether evidence has stood for long
//! enough. What is judged is *demand*, what reclaim cannot take back by dropping clean pages: page
//! cache never makes a finding, and a leak that is being swapped out still does.
//!
//! [`ladder`] keeps the past, [`cell`] says how readings are folded, [`rise`] what is measured,
//! [`evidence`] what speaks for a leak, [`taken_back`] what speaks against it, [`season`] looks
//! under a daily cycle, [`lives`] finds leaks that end in restarts.
//! `docs/detection.md` has the whole argument with figures.

pub mod cell;
mod demand;
pub mod evidence;
pub mod ladder;
pub mod lives;
mod params;
mod refill;
pub mod rise;
pub mod season;
#[cfg(test)]
pub(crate) mod synthetic;
pub mod taken_back;

pub use cell::Cell;
pub use demand::demand;
pub use ladder::{Ladder, Track};
pub use params::Params;
pub use refill::refill;
pub use rise::Rise;

/// Where readings are coarse, growth by fewer steps than this may be rounding.
const GRAINS_MIN: f64 = 3.0;

/// The strongest evidence on one level, if there is any. `reach` is the demand at which the limit
/// is reached; without a limit only creeping growth is evidence.
///
/// Cost: 0.1 µs where nothing rises, 2 to 4 µs where much does.
#[must_use]
pub fn find(params: &Params, ladder: &Ladder, level: usize, reach: Option<f64>) -> Option<Rise> {
    if !rise::has_cells(ladder, level) {
        return daily(params, ladder, level, params.growth_min.as_f64());
    }
    let creeping = params.creep_span_min.as_secs_f64();
    let least = params.growth_min.as_f64().max(GRAINS_MIN * f64::from(ladder.grain()));
    let mut found: Option<Rise> = None;
    for count in rise::STRETCHES {
        let long = count as f64 * Ladder::width(level) > creeping / rise::GAPS_MAX;
        let tracks = if long { &[Track::Low, Track::Middle][..] } else { &[Track::Low] };
        for &track in tracks {
            let Some(rise) = Rise::of(ladder, level, count, track) else { continue };
            let ends_in = ends_in(&rise, reach);
            let enough = rise.growth >= least && rise.middle_too >= 0.2;
            let speaks = enough
                && rise.steady > 0.2
                && (evidence::creeps(params, &rise, ends_in)
                    || evidence::heads_for_the_limit(params, &rise, ends_in));
            if speaks && found.is_none_or(|best| rise.drift > best.drift) {
                found = Some(rise);
            }
        }
    }
    found.or_else(|| daily(params, ladder, level, least))
}

/// The rises of the newest stretches of a level, in their low values: what [`find`] looks at.
pub fn rises(ladder: &Ladder, level: usize) -> impl Iterator<Item = Rise> + '_ {
    let counts = rise::has_cells(ladder, level).then_some(rise::STRETCHES);
    counts.into_iter().flatten().filter_map(move |n| Rise::of(ladder, level, n, Track::Low))
}

/// Growth from day to day as a rise over three days.
fn daily(params: &Params, ladder: &Ladder, level: usize, least: f64) -> Option<Rise> {
    let daily = ladder.daily(level)?;
    let enough = daily.growth >= least && daily.growth >= params.daily_share_min * daily.now;
    enough.then(|| Rise::of_days(ladder, level, &daily))
}

/// When the line would reach `reach`. Units: seconds; infinite without a limit.
#[must_use]
pub fn ends_in(rise: &Rise, reach: Option<f64>) -> f64 {
    reach.map_or(f64::INFINITY, |reach| (reach - rise.now).max(0.0) / rise.slope)
}

#[cfg(test)]
mod tests;
