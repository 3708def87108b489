//! The agent's own CPU budget: when it is exceeded, the least urgent reading is thinned out first.
//!
//! Pure: is told how much CPU the sampler used over how long, answers by how much to stretch the
//! intervals of quiet targets.

use std::time::Duration;

/// Beyond this, stretching further saves nothing: quiet targets are at the longest interval.
const FACTOR_MAX: f64 = 64.0;
/// Raised in large steps and lowered in small ones, so that it settles instead of swinging.
const RAISE: f64 = 1.5;
const LOWER: f64 = 1.15;
/// Lowered only below this share of the budget.
const CALM: f64 = 0.7;

/// What changed, for the log and the health report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    Began,
    Ended,
    Unchanged,
}

#[derive(Clone, Copy, Debug)]
pub struct Shedder {
    budget: f64,
    factor: f64,
    last_share: f64,
}

impl Shedder {
    /// `budget` is a share of one core, 0…1.
    #[must_use]
    pub const fn new(budget: f64) -> Self {
        Self { budget, factor: 1.0, last_share: 0.0 }
    }

    #[must_use]
    pub const fn factor(&self) -> f64 {
        self.factor
    }

    /// Share of one core used in the last stretch that was observed.
    #[must_use]
    pub const fn last_share(&self) -> f64 {
        self.last_share
    }

    /// Takes the CPU time that `wall` of wall time cost.
    pub fn observe(&mut self, cpu: Duration, wall: Duration) -> Shed {
        if wall.is_zero() {
            return Shed::Unchanged;
        }
        self.last_share = cpu.as_secs_f64() / wall.as_secs_f64();
        let before = self.factor;
        if self.last_share > self.budget {
            self.factor = (self.factor * RAISE).min(FACTOR_MAX);
        } else if self.last_share < self.budget * CALM {
            self.factor = (self.factor / LOWER).max(1.0);
        }
        match (before > 1.0, self.factor > 1.0) {
            (false, true) => Shed::Began,
            (true, false) => Shed::Ended,
            _ => Shed::Unchanged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn shedding_begins_over_the_budget_and_ends_when_calm_returns() {
        let mut shedder = Shedder::new(0.02);
        assert_eq!(shedder.observe(Duration::from_millis(30), SECOND), Shed::Began);
        assert_eq!(shedder.factor(), 1.5);
        let mut ended = 0;
        for _ in 0..10 {
            ended += usize::from(shedder.observe(Duration::from_millis(1), SECOND) == Shed::Ended);
        }
        assert_eq!((ended, shedder.factor()), (1, 1.0));
    }

    #[test]
    fn a_load_inversely_proportional_to_the_factor_settles_at_the_budget() {
        let mut shedder = Shedder::new(0.02);
        for _ in 0..100 {
            let cpu = SECOND.mul_f64(0.2 / shedder.factor());
            shedder.observe(cpu, SECOND);
        }
        assert!((0.012..=0.021).contains(&shedder.last_share()), "{}", shedder.last_share());
    }
}
