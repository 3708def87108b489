//! How sure a share is.

use serde::Serialize;

/// A share and the bounds of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// Wilson's score interval (1927), z = 1.96. Assumes that the trials are independent; several
/// leaks in one machine's background are not quite. `None` of no trials.
#[must_use]
pub fn wilson(hits: usize, trials: usize) -> Option<Interval> {
    if trials == 0 {
        return None;
    }
    let z = 1.96_f64;
    let n = trials as f64;
    let share = hits as f64 / n;
    let weight = z * z / n;
    let middle = (share + weight / 2.0) / (1.0 + weight);
    let half = z * (share * (1.0 - share) / n + weight / (4.0 * n)).sqrt() / (1.0 + weight);
    Some(Interval { low: middle - half, high: middle + half })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_that_of_the_textbook() {
        // Newcombe 1998, table I: 81 of 263, and 0 of 20.
        let many = wilson(81, 263).expect("there are trials");
        assert!((many.low - 0.2553).abs() < 5e-4 && (many.high - 0.3662).abs() < 5e-4, "{many:?}");
        let none = wilson(0, 20).expect("there are trials");
        assert!(none.low.abs() < 1e-9 && (none.high - 0.1611).abs() < 5e-4, "{none:?}");
        assert_eq!(wilson(0, 0), None);
    }
}
