//! Logistic regression by Newton's method, with weighted examples and a little ridge.

use plimsoll::detect::evidence::FEATURES;
use std::collections::HashMap;

/// The features, and one more for the bias.
pub const SIZE: usize = FEATURES.len() + 1;
/// Holds weights back that the examples say nothing of. In units of the total weight of examples.
const RIDGE: f64 = 1e-4;
const ROUNDS: usize = 30;
/// Pairs that are compared at most: a leak's example with a healthy one.
const PAIRS_MAX: usize = 2_000_000;

/// One stretch of a series.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    pub features: [f64; FEATURES.len()],
    pub is_leak: bool,
    pub series: usize,
}

/// Weights of the features, the bias last.
#[derive(Clone, Copy, Debug)]
pub struct Fitted {
    pub weights: [f64; SIZE],
}

impl Fitted {
    #[must_use]
    pub fn log_odds(&self, example: &Example) -> f64 {
        dot(&self.weights, &extended(example))
    }
}

fn extended(example: &Example) -> [f64; SIZE] {
    std::array::from_fn(|i| example.features.get(i).copied().unwrap_or(1.0))
}

fn dot(a: &[f64; SIZE], b: &[f64; SIZE]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The weights that make the examples likeliest; both classes weigh the same, and within a class
/// every series does.
#[must_use]
pub fn fit(examples: &[Example]) -> Fitted {
    let shares = shares(examples);
    let mut weights = [0.0; SIZE];
    for _ in 0..ROUNDS {
        let mut gradient = [0.0; SIZE];
        let mut curvature = [[0.0; SIZE]; SIZE];
        for (example, share) in examples.iter().zip(&shares) {
            let x = extended(example);
            let chance = 1.0 / (1.0 + (-dot(&weights, &x)).exp());
            let miss = f64::from(u8::from(example.is_leak)) - chance;
            let spread = share * chance * (1.0 - chance);
            for i in 0..SIZE {
                gradient[i] += share * miss * x[i];
                for j in 0..SIZE {
                    curvature[i][j] += spread * x[i] * x[j];
                }
            }
        }
        for i in 0..SIZE {
            gradient[i] -= RIDGE * weights[i];
            curvature[i][i] += RIDGE;
        }
        for (weight, step) in weights.iter_mut().zip(solve(curvature, gradient)) {
            *weight += step;
        }
    }
    Fitted { weights }
}

/// What each example weighs: half for each class, of that the same for each series.
fn shares(examples: &[Example]) -> Vec<f64> {
    let mut counts: HashMap<(bool, usize), f64> = HashMap::new();
    for example in examples {
        *counts.entry((example.is_leak, example.series)).or_default() += 1.0;
    }
    let series = |is_leak| counts.keys().filter(|key| key.0 == is_leak).count().max(1) as f64;
    let of_class = [series(false), series(true)];
    let share =
        |e: &Example| 0.5 / of_class[usize::from(e.is_leak)] / counts[&(e.is_leak, e.series)];
    examples.iter().map(share).collect()
}

/// Solves a symmetric, positive system by elimination with pivots.
fn solve(mut matrix: [[f64; SIZE]; SIZE], mut right: [f64; SIZE]) -> [f64; SIZE] {
    for column in 0..SIZE {
        let pivot = (column..SIZE)
            .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))
            .unwrap_or(column);
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        for row in column + 1..SIZE {
            let factor = matrix[row][column] / matrix[column][column];
            let above = matrix[column];
            for (value, above) in matrix[row].iter_mut().zip(above).skip(column) {
                *value -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    for row in (0..SIZE).rev() {
        let known: f64 = (row + 1..SIZE).map(|i| matrix[row][i] * right[i]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right
}

/// In what share of pairs a leak's example weighs more than a healthy one: 1 when all leaks do, a
/// half by chance.
#[must_use]
pub fn separation(fitted: &Fitted, examples: &[Example]) -> f64 {
    let weighed = |is_leak: bool| {
        let of_class = examples.iter().filter(move |e| e.is_leak == is_leak);
        of_class.map(|e| fitted.log_odds(e)).collect::<Vec<f64>>()
    };
    let (mut healthy, leaks) = (weighed(false), weighed(true));
    healthy.sort_by(f64::total_cmp);
    let every = leaks.len().div_ceil(PAIRS_MAX / 64).max(1);
    let (mut below, mut pairs) = (0.0, 0.0);
    for leak in leaks.iter().step_by(every) {
        below += healthy.partition_point(|h| h < leak) as f64;
        pairs += healthy.len() as f64;
    }
    below / f64::max(pairs, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_weights_that_made_the_examples_come_back() {
        let truth: [f64; SIZE] = [1.5, -2.0, 0.0, 0.7, 0.0, 0.3, -0.5, 0.2];
        let mut random = Random::named("logistic");
        let examples: Vec<Example> = (0..40_000)
            .map(|series| {
                let features = std::array::from_fn(|_| random.between(-1.0, 1.0));
                let mut example = Example { features, is_leak: false, series };
                let odds = Fitted { weights: truth }.log_odds(&example);
                example.is_leak = random.chance(1.0 / (1.0 + (-odds).exp()));
                example
            })
            .collect();
        let found = fit(&examples);
        for (found, truth) in found.weights.iter().zip(truth).take(SIZE - 1) {
            assert!((found - truth).abs() < 0.15, "{:?}", found);
        }
        assert!(separation(&found, &examples) > 0.8);
    }
}
