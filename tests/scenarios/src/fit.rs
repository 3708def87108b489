//! Fits the weights of the detector's evidence to recorded series of known truth.
//!
//! Every stretch that the detector would weigh, on every level of every series, is an example:
//! of a leak between a tenth and 55 % of an injected leak's life, of a healthy target everywhere
//! on machines without a leak and before the onset. All series of a class weigh the same together
//! as those of the other, whatever their length. A logistic regression with a little ridge, by
//! Newton's method. To see what the fit is worth beyond its own series, it is made on each half of
//! them and scored on the other.

mod logistic;

use crate::series::Series;
use crate::sets::{Question, Set};
use crate::truth::Leak;
use logistic::{Example, Fitted, SIZE, fit, separation};
use plimsoll::clock::Stamp;
use plimsoll::detect::evidence::{BIAS, FEATURES, WEIGHTS, features, may_head_for_the_limit};
use plimsoll::detect::{Ladder, Params, demand, ends_in, rises};
use plimsoll::history::Split;
use plimsoll::units::Bytes;
use std::fmt::Write;

/// The share of a leak's life in which it is to be told from health.
const TO_TELL: std::ops::Range<f64> = 0.1..0.55;

/// Markdown: the fitted weights beside the detector's, and how well each half tells the other.
#[must_use]
pub fn report(sets: &[Set]) -> String {
    let params = Params::default();
    let mut examples = Vec::new();
    let mut series = 0;
    for set in sets.iter().filter(|set| set.question != Question::Drift) {
        for one in &set.series {
            let leak = set.truths.get(&one.name).and_then(|truth| truth.leak.as_ref());
            series += 1;
            examples.extend(examples_of(&params, one, leak, series));
        }
    }
    let halves: Vec<Vec<Example>> = (0..2)
        .map(|half| examples.iter().filter(|e| e.series % 2 == half).copied().collect())
        .collect();
    let all = fit(&examples);
    let crossed = [(0, 1), (1, 0)].map(|(on, against)| {
        let half = fit(&halves[on]);
        (half, separation(&half, &halves[against]))
    });
    let own = Fitted { weights: std::array::from_fn(|i| *WEIGHTS.get(i).unwrap_or(&BIAS)) };
    let leaks = examples.iter().filter(|e| e.is_leak).count();
    let mut text = format!(
        "{} stretches of {series} series, {leaks} of them of leaks\n\n| weight | the detector's | \
         fitted | on one half | on the other |\n|---|---|---|---|---|\n",
        examples.len(),
    );
    for i in 0..SIZE {
        let name = FEATURES.get(i).copied().unwrap_or("bias");
        let _ = writeln!(
            text,
            "| {name} | {:.3} | {:.3} | {:.3} | {:.3} |",
            own.weights[i], all.weights[i], crossed[0].0.weights[i], crossed[1].0.weights[i],
        );
    }
    let _ = writeln!(
        text,
        "| a leak weighs more than a healthy stretch (share of pairs) | {:.3} | {:.3} | {:.3} | \
         {:.3} |",
        separation(&own, &examples),
        separation(&all, &examples),
        crossed[0].1,
        crossed[1].1,
    );
    text
}

/// What the detector would weigh of a series. Shape: one example for each stretch of each level,
/// whenever a cell of the level is complete.
fn examples_of(
    params: &Params,
    series: &Series,
    leak: Option<&Leak>,
    number: usize,
) -> Vec<Example> {
    let mut ladder: Option<Ladder> = None;
    let mut examples = Vec::new();
    let parts = series.parts.file.iter().copied().map(Some).chain(std::iter::repeat(None));
    for (point, file) in series.points().zip(parts) {
        if point.used <= 0.0 {
            continue;
        }
        let is_leak = match leak {
            Some(leak) if point.time_s >= leak.onset_s => {
                let lived = (point.time_s - leak.onset_s) / leak.life_s();
                if !TO_TELL.contains(&lived) {
                    continue_after(&mut ladder, point.time_s, series, point.used, file);
                    continue;
                }
                true
            }
            _ => false,
        };
        let held = continue_after(&mut ladder, point.time_s, series, point.used, file);
        let Some(ladder) = &mut ladder else { continue };
        let reach = held + (point.limit - point.used) + file.unwrap_or(0.0).min(point.used);
        let reach = reach.is_finite().then_some(reach);
        let closed: Vec<usize> = ladder.take_closed().collect();
        for rise in closed.iter().flat_map(|&level| rises(ladder, level)) {
            let ends_in = ends_in(&rise, reach);
            let worth = rise.growth >= params.growth_min.as_f64() && rise.steady > 0.2;
            if worth && may_head_for_the_limit(params, &rise, ends_in) {
                let features = features(&rise, ends_in);
                examples.push(Example { features, is_leak, series: number });
            }
        }
    }
    examples
}

/// Puts a reading on the ladder. Returns the demand. Units: bytes.
fn continue_after(
    ladder: &mut Option<Ladder>,
    time_s: f64,
    series: &Series,
    used: f64,
    file: Option<f64>,
) -> f64 {
    let bytes = |value: f64| Bytes(value.max(0.0) as u64);
    let split = Split { used: bytes(used), file: bytes(file.unwrap_or(0.0)), ..Split::default() };
    let at = Stamp(((time_s - series.ends().0) * 1000.0) as i64 + 86_400_000);
    let held = demand(&split);
    ladder.get_or_insert_with(|| Ladder::starting(at)).add(at, held);
    held.as_f64()
}
