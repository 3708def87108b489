//! Curves that bend once: flat until an onset, then a power of the time since.
//!
//! `demand(t) = base + rate · (t − onset)^power` for t after the onset, with powers 1 (a line), 1.5
//! and 2 (a leak that gains with its own effects). Every cell boundary is tried as the onset with
//! every power; base and rate follow by least squares. Nothing is chosen: each curve goes on into
//! the forecast with the weight that its residuals leave it.

use crate::detect::Cell;

pub(super) const POWERS: [f64; 3] = [1.0, 1.5, 2.0];
/// Cells after the onset that a curve needs at least.
const AFTER_ONSET_MIN: usize = 3;

/// One curve. Units: cells of time, bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bend {
    /// The cell at whose beginning the growth set in.
    pub(super) onset: f64,
    pub(super) power: f64,
    pub(super) base: f64,
    pub(super) rate: f64,
    /// Sum of squared residuals.
    pub(super) residual: f64,
    /// Sum of squares of the curve around its mean, at a rate of one.
    pub(super) leverage: f64,
}

impl Bend {
    pub(super) fn at(&self, t: f64) -> f64 {
        self.base + self.rate * power((t - self.onset).max(0.0), self.power)
    }

    /// When the curve reaches `demand`; now at the earliest is the caller's business.
    pub(super) fn reaches(&self, demand: f64) -> f64 {
        self.onset + ((demand - self.base).max(0.0) / self.rate).powf(1.0 / self.power)
    }
}

fn power(t: f64, power: f64) -> f64 {
    if power == 1.0 {
        t
    } else if power == 2.0 {
        t * t
    } else {
        t * t.sqrt()
    }
}

/// All curves through the middle values of `cells` that rise. `origin` is subtracted from them.
pub(super) fn bends(cells: &[Cell], origin: f64, mut take: impl FnMut(Bend)) {
    let n = cells.len() as f64;
    let value = |cell: &Cell| f64::from(cell.middle) - origin;
    let sum: f64 = cells.iter().map(value).sum();
    let squares: f64 = cells.iter().map(|cell| value(cell).powi(2)).sum();
    for first in 0..cells.len().saturating_sub(AFTER_ONSET_MIN) {
        let onset = f64::from(cells[first].index);
        for power_of in POWERS {
            let (mut p, mut pp, mut py) = (0.0, 0.0, 0.0);
            for cell in &cells[first..] {
                let risen = power(f64::from(cell.index) + 0.5 - onset, power_of);
                p += risen;
                pp += risen * risen;
                py += risen * value(cell);
            }
            let leverage = pp - p * p / n;
            let covariance = py - p * sum / n;
            let rate = covariance / leverage;
            if rate > 0.0 && rate.is_finite() {
                take(Bend {
                    onset,
                    power: power_of,
                    base: (sum - rate * p) / n,
                    rate,
                    residual: (squares - sum * sum / n - rate * covariance).max(0.0),
                    leverage,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(of: impl Fn(f64) -> f64) -> Vec<Cell> {
        let cell = |i: i32| {
            let value = of(f64::from(i) + 0.5) as f32;
            Cell { index: i, low: value, middle: value, high: value, readings: 1 }
        };
        (0..32).map(cell).collect()
    }

    fn best(cells: &[Cell]) -> Bend {
        let mut all = Vec::new();
        bends(cells, 0.0, |bend| all.push(bend));
        all.into_iter().min_by(|a, b| a.residual.total_cmp(&b.residual)).expect("it rises")
    }

    #[test]
    fn the_curve_with_the_least_residual_is_the_one_that_was_drawn() {
        let line = best(&cells(|t| 100.0 + 3.0 * (t - 12.0).max(0.0)));
        assert_eq!((line.onset, line.power), (12.0, 1.0));
        assert!((line.rate - 3.0).abs() < 1e-6 && (line.base - 100.0).abs() < 1e-4);
        let gaining = best(&cells(|t| 100.0 + 0.5 * (t - 8.0).max(0.0).powi(2)));
        assert_eq!((gaining.onset, gaining.power), (8.0, 2.0));
    }

    #[test]
    fn a_curve_reaches_what_it_is_at() {
        for power in POWERS {
            let bend =
                Bend { onset: 4.0, power, base: 10.0, rate: 2.0, residual: 0.0, leverage: 1.0 };
            assert!((bend.at(bend.reaches(500.0)) - 500.0).abs() < 1e-6);
            assert_eq!(bend.at(1.0), 10.0);
        }
    }

    #[test]
    fn what_falls_has_no_curve() {
        let mut count = 0;
        bends(&cells(|t| 100.0 - t), 0.0, |_| count += 1);
        assert_eq!(count, 0);
    }
}
