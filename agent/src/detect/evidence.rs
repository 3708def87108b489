//! How much a rise speaks for a leak.
//!
//! Two kinds of growth are told apart by how far away the limit is. What would reach it within a
//! few times its own length is weighed by [`weight`]; what creeps, far from any limit and for
//! hours, is asked by [`creeps`] to be steady instead of near.

use super::Params;
use super::ladder::Track;
use super::rise::Rise;

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
    let spans = (ends_in / rise.span).max(0.05);
    2.247 * rise.drift.min(3.2)
        + 0.649 * rise.past.clamp(0.1, 30.0).ln()
        + 0.177 * rise.beyond.clamp(0.5, 4.0).ln()
        + 5.051 * rise.new_ground.clamp(0.0, 1.0)
        - 4.367 * (2.0 / spans).ln().clamp(0.0, 0.9)
        - 0.770 * rise.steady.clamp(0.2, 5.0).ln().abs()
        + 1.062 * (rise.cells as f64).ln()
        - 10.008
}

/// Whether a rise towards a limit that it would reach in `ends_in` seconds is evidence of a leak.
#[must_use]
pub fn heads_for_the_limit(params: &Params, rise: &Rise, ends_in: f64) -> bool {
    if rise.track != Track::Low || rise.growth < params.growth_share_min * rise.mean {
        return false;
    }
    if rise.past < params.past_min {
        // It grew from the start, as every program does: only a straight line that has come half
        // of the way is believed.
        return rise.cells >= params.cells_from_start
            && rise.drift >= params.drift_from_start
            && rise.given_back <= 0.1
            && (0.7..1.6).contains(&rise.steady)
            && rise.growth >= 0.05 * rise.mean
            && ends_in <= params.patience_from_start * rise.span;
    }
    let known_for_long = rise.past >= params.past_long;
    let patience = (rise.span / params.patience_grows_over.as_secs_f64())
        .clamp(1.5, if known_for_long { params.patience_max } else { params.patience_young });
    ends_in <= patience * rise.span
        && rise.drift >= 1.2
        && rise.new_ground >= 0.0
        && rise.beyond >= params.beyond_min
        && rise.given_back <= 0.6
        && rise.largest_step <= 0.6
        && weight(rise, ends_in) >= params.weight_min
}

/// Whether a rise that ends far away, or nowhere, has gone on for long and steadily enough.
#[must_use]
pub fn creeps(params: &Params, rise: &Rise, ends_in: f64) -> bool {
    rise.span >= params.creep_span_min.as_secs_f64()
        && ends_in > params.creep_ends_beyond * rise.span
        && rise.growth >= params.creep_share_min * rise.mean
        && rise.largest_step <= 0.5
        && (rise.new_ground >= 0.3 && rise.drift >= params.creep_drift && rise.given_back <= 0.3
            || rise.drift >= params.creep_drift + 0.2 && rise.given_back <= 0.2)
}
