//! How much a rise speaks for a leak.
//!
//! Two kinds of growth are told apart by how far away the limit is. What would reach it within a
//! few times its own length is weighed by [`weight`]; what creeps, far from any limit and for
//! hours, is asked by [`creeps`] to be steady instead of near.

use super::Params;
use super::ladder::Track;
use super::rise::Rise;

/// A rise slower than what came before it by this is one that levels off.
const SLOWING_MAX: f64 = 1.25;
/// A rise that came after no more than this share of its slope set in where it begins.
const SET_IN: f64 = 0.5;
/// A growth of up to this many times what was taken back before stands on teeth that were seen.
const TEETH_MAX: f64 = 8.0;
/// New ground by at least this share of the growth is new.
const NEW: f64 = 0.4;
/// Cells of a creeping growth.
const CREEP_CELLS_MIN: usize = 12;
/// The end of the straightest creeping growth lies beyond this many spans.
const CREEP_NEAR: f64 = 4.0;
/// Of a line's slope, the newest cells must keep this share.
const STILL_MIN: f64 = 0.5;
/// A growth of this share of what was reached.
const DOUBLED: f64 = 0.5;

/// What is weighed.
pub const FEATURES: [&str; 7] =
    ["drift", "past", "beyond", "new ground", "too near", "unsteady", "cells"];
/// The weights of [`features`]; fitted by `cargo xtask bench detection --fit`.
pub const WEIGHTS: [f64; 7] = [2.247, 0.649, 0.177, 5.051, -4.367, -0.770, 1.062];
/// The log-odds of a rise without any of them.
pub const BIAS: f64 = -10.008;

/// The log-odds that a rise is the sound of a leak rather than of a healthy target.
///
/// A logistic regression on windows of recorded series: healthy machines against leaks injected
/// into them, each series with equal weight, tested on series that it had not seen (decision 0007
/// has the data, the fit and how little each half differs). What counts, in this order: that the
/// newest quarter stands on new ground, that the end is not *too* near for what was seen of it (a
/// burst), that the growth is spread like a drift, that the target was known for long before, that
/// it is steady, that it has many cells, that it exceeds what was taken back before.
///
/// It is an ordering, and near a probability only where the mixture of series is that of the fit.
#[must_use]
pub fn weight(rise: &Rise, ends_in: f64) -> f64 {
    let weighed = features(rise, ends_in).into_iter().zip(WEIGHTS);
    weighed.map(|(feature, weight)| feature * weight).sum::<f64>() + BIAS
}

/// What is weighed of a rise, each bounded to where the recorded series have it.
#[must_use]
pub fn features(rise: &Rise, ends_in: f64) -> [f64; 7] {
    let spans = (ends_in / rise.span).max(0.05);
    // What has doubled is no burst, however near its end.
    let near_max =
        if rise.growth >= DOUBLED * rise.now && rise.new_ground >= NEW { 0.2 } else { 0.9 };
    [
        rise.drift.min(3.2),
        rise.past.clamp(0.1, 30.0).ln(),
        rise.beyond.clamp(0.5, 4.0).ln(),
        rise.new_ground.clamp(0.0, 1.0),
        (2.0 / spans).ln().clamp(0.0, near_max),
        rise.steady.clamp(0.2, 5.0).ln().abs(),
        (rise.cells as f64).ln(),
    ]
}

/// Whether a rise towards a limit that it would reach in `ends_in` seconds is evidence of a leak.
#[must_use]
pub fn heads_for_the_limit(params: &Params, rise: &Rise, ends_in: f64) -> bool {
    if rise.past < params.past_min {
        return grew_from_the_start(params, rise, ends_in);
    }
    may_head_for_the_limit(params, rise, ends_in) && weight(rise, ends_in) >= params.weight_min
}

/// It grew from the start, as every program does: only a straight line that has come most of the
/// way is believed.
fn grew_from_the_start(params: &Params, rise: &Rise, ends_in: f64) -> bool {
    let at_the_brink = ends_in <= params.brink.as_secs_f64() && ends_in <= rise.span / 2.0;
    let straight = params.straight_span_min.as_secs_f64()..=params.straight_span_max.as_secs_f64();
    let has_gone_on = straight.contains(&rise.span);
    let (cells, patience) = if at_the_brink {
        (params.cells_at_the_brink, params.patience_from_start)
    } else if has_gone_on {
        (params.cells_straight, params.patience_straight)
    } else {
        (params.cells_from_start, params.patience_from_start)
    };
    is_rise_of_note(params, rise, ends_in)
        && rise.cells >= cells
        && rise.drift >= params.drift_from_start
        && rise.given_back <= 0.1
        && (0.8..1.6).contains(&rise.steady)
        && rise.still >= STILL_MIN
        && rise.growth >= 0.05 * rise.mean
        && ends_in <= patience * rise.span
}

fn is_rise_of_note(params: &Params, rise: &Rise, ends_in: f64) -> bool {
    let too_little = rise.growth < params.growth_share_min * rise.mean;
    if rise.track != Track::Low || too_little || rise.slowing > SLOWING_MAX {
        return false;
    }
    let seen = rise.span * (1.0 + rise.past);
    let warming_up = params.warm_up.as_secs_f64() - seen;
    warming_up <= 0.0 || ends_in <= warming_up
}

/// Whether a rise of a target that was known before it is worth weighing: what passes here is also
/// what the weights are fitted on.
#[must_use]
pub fn may_head_for_the_limit(params: &Params, rise: &Rise, ends_in: f64) -> bool {
    if rise.past < params.past_min || !is_rise_of_note(params, rise, ends_in) {
        return false;
    }
    let patience_max = if rise.slowing.max(rise.raised) > SET_IN {
        // It may have grown from the start and only seems to have a quiet past.
        let earned = rise.span / params.patience_grown_over.as_secs_f64();
        let shown = rise.beyond <= TEETH_MAX;
        let least = if shown { params.patience_grown } else { params.patience_grown_min };
        earned.max(least).min(params.patience_grown)
    } else if rise.past >= params.past_long {
        params.patience_max
    } else {
        params.patience_young
    };
    // The farther the end, the less may speak against it.
    let given_back_max = if ends_in > 5.0 * rise.span { 0.25 } else { 0.6 };
    let patience =
        (rise.span / params.patience_grows_over.as_secs_f64()).max(1.5).min(patience_max);
    ends_in <= patience * rise.span
        && rise.drift >= 1.2
        && rise.new_ground >= 0.0
        && rise.beyond >= params.beyond_min
        && rise.given_back <= given_back_max
        && rise.largest_step <= 0.6
}

/// Whether a rise that ends far away, or nowhere, has gone on for long and steadily enough.
#[must_use]
pub fn creeps(params: &Params, rise: &Rise, ends_in: f64) -> bool {
    let slow = rise.span >= params.creep_span_min.as_secs_f64()
        && rise.growth >= params.creep_share_min * rise.mean
        && rise.largest_step <= 0.5
        && rise.steady >= 0.4
        && rise.cells >= CREEP_CELLS_MIN
        && rise.slowing <= SLOWING_MAX;
    let drifts = |by: f64, given_back: f64| {
        rise.drift >= params.creep_drift + by && rise.given_back <= given_back
    };
    let far = ends_in > params.creep_ends_beyond * rise.span;
    let new = rise.new_ground >= 0.3;
    let beyond_all = new && rise.beyond >= 0.3 && drifts(0.0, 0.3);
    // Of a target that is hardly known, what it did before tells little.
    let hardly_known = rise.past <= 2.0 && rise.new_ground >= -1.0 && drifts(0.2, 0.2);
    let straight = new
        && rise.span >= 3.0 * params.creep_span_min.as_secs_f64()
        && ends_in > CREEP_NEAR * rise.span
        && drifts(0.6, 0.1);
    slow && (far && (beyond_all || hardly_known) || straight)
}
