//! How long until demand reaches the limit: an 80 % interval that knows what it does not know.
//!
//! The growth since its onset is fitted by every curve of [`bend`]. A curve's weight is
//! `(residual ÷ least residual)^(−n·ρ/2)`, the likelihood of independent normal residuals among
//! which only the share ρ of the n cells counts, because neighbours depend on each other. Each
//! curve says when it reaches the limit, with a spread from the error of its rate; the interval is
//! that of the weighted mixture. So what is uncertain about the onset, about whether the growth
//! gains, and about the rate is in it; a change of what the program does next is not.
//!
//! The limit is reached by the highest reading, not by the middle one: the goal is put lower by how
//! far the highest of a cell lies above its middle in most of the newer cells.
//!
//! ρ and the least residual were set so that four fifths of the ends of known leaks fall into the
//! interval (decision 0007). It lies for limits that move and for growth by few jumps.

mod bend;

use crate::detect::Cell;
use crate::verdict::Eta;
use bend::{Bend, bends};

/// Ten years: what stands for "no end in sight". Units: seconds.
pub const ETA_MAX_S: f64 = 10.0 * 365.25 * 86_400.0;

/// The share of the cells that counts as independent.
const INDEPENDENT: f64 = 0.7;
/// Residuals are not believed to be smaller than this share of the goal.
const RESIDUAL_MIN: f64 = 0.004;
/// By how much a curved one's residual counts higher than a line's.
const CURVED: [f64; 3] = [1.0, 1.05, 1.1];
/// Of the newer cells, this share has its highest reading no farther above the middle one.
const PEAKS: f64 = 0.85;
/// What no curve knows of: added to both ends, on a logarithmic scale.
const UNKNOWN: f64 = 0.13;
/// The shortest time left that is told. Units: cells.
const NOW: f64 = 0.25;
/// A normal distribution in three points: standard scores and weights.
const SPREAD: [(f64, f64); 3] = [(-1.2, 0.3), (0.0, 0.4), (1.2, 0.3)];
/// A curve that is this much less likely than the best, as a logarithm, is left out.
const UNLIKELY: f64 = -7.0;

/// What is known of a growth.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// Cells of one level, oldest first, from before the onset if there are any.
    pub cells: &'a [Cell],
    /// Their width. Units: seconds.
    pub width: f64,
    /// Units: seconds, on the clock of the cells.
    pub now: f64,
    /// The demand at which the limit is reached. Units: bytes.
    pub reach: f64,
}

/// When the limit is reached, and since when and how fast demand grows by the likeliest curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    pub eta: Eta,
    /// Units: seconds, on the clock of the cells.
    pub onset: f64,
    /// At the present end. Units: bytes per second.
    pub rate: f64,
}

/// Buffers that are kept between forecasts.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    bends: Vec<Bend>,
    /// Time left and its weight.
    ends: Vec<(f64, f64)>,
    peaks: Vec<f32>,
}

/// Looks ahead; None where nothing rises. Cost: 10 µs for 32 cells.
#[must_use]
pub fn forecast(course: &Course<'_>, scratch: &mut Scratch) -> Option<Forecast> {
    let cells = course.cells;
    let newest = cells.last().filter(|_| cells.len() >= 5)?;
    let Scratch { bends: curves, ends, peaks } = scratch;
    let peak = peak_above_middle(&cells[cells.len() / 2..], peaks);
    let origin = f64::from(newest.middle);
    let goal = course.reach - peak - origin;
    curves.clear();
    bends(cells, origin, |bend| curves.push(bend));
    let count = cells.len() as f64;
    let least = count * (RESIDUAL_MIN * course.reach).powi(2);
    let residual = |bend: &Bend| {
        let curved = bend::POWERS.iter().position(|p| *p == bend.power).unwrap_or(0);
        (bend.residual + least) * CURVED[curved]
    };
    let best = curves.iter().min_by(|a, b| residual(a).total_cmp(&residual(b)))?;
    let now = course.now / course.width;
    ends.clear();
    for bend in &*curves {
        let log = -0.5 * count * INDEPENDENT * (residual(bend) / residual(best)).ln();
        if log < UNLIKELY {
            continue;
        }
        let end = bend.reaches(goal);
        let left = (end - now).max(NOW);
        let rate_error =
            (residual(bend) / (count * INDEPENDENT) / bend.leverage).sqrt() / bend.rate;
        let error = (rate_error * (end - bend.onset) / bend.power / left).clamp(0.0, 2.0);
        let weight = log.exp();
        ends.extend(SPREAD.iter().map(|(z, share)| (left * (z * error).exp(), weight * share)));
    }
    ends.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let quantile = |share: f64| {
        let total: f64 = ends.iter().map(|end| end.1).sum();
        let mut passed = 0.0;
        let at = ends.iter().find(|(_, weight)| {
            passed += weight;
            passed >= share * total
        });
        at.or(ends.last()).map_or(f64::INFINITY, |end| end.0)
    };
    let seconds = |cells: f64| (cells * course.width).clamp(0.0, ETA_MAX_S);
    let eta = Eta {
        p10: seconds(quantile(0.1) * (-UNKNOWN).exp()),
        p50: seconds(quantile(0.5)),
        p90: seconds(quantile(0.9) * UNKNOWN.exp()),
    };
    Some(Forecast {
        eta,
        onset: best.onset * course.width,
        rate: (best.at(now) - best.at(now - 1.0)) / course.width,
    })
}

/// How far the highest reading of a cell lies above its middle, not counting by how much demand
/// rises within half a cell. Units: bytes.
fn peak_above_middle(newer: &[Cell], peaks: &mut Vec<f32>) -> f64 {
    let (first, last) = (&newer[0], &newer[newer.len() - 1]);
    let length = (last.index - first.index).max(1) as f32;
    let risen = 0.5 * ((last.middle - first.middle) / length).max(0.0);
    peaks.clear();
    peaks.extend(newer.iter().map(|cell| (cell.high - cell.middle - risen).max(0.0)));
    peaks.sort_unstable_by(f32::total_cmp);
    f64::from(peaks[((peaks.len() - 1) as f64 * PEAKS) as usize])
}

#[cfg(test)]
mod tests;
