//! The highest rise that a target has given back before: a turning-point filter.
//!
//! From the last trough demand is followed to its peak; once half of that rise is given back it
//! counts as taken back. Its largest single step is left out, so that a spike, which is all one
//! step, is not held against a slow growth. Old ones fade with a half-life of two weeks.
//!
//! A growth that is no higher than what was taken back before tells nothing: a sawtooth, a daily
//! cycle and a batch job all give back. Assumes that what comes back does so within the memory of
//! the filter; the first tooth of a sawtooth and the first day of a cycle cannot be told by it.

/// Half of what was taken back so long ago is forgotten. Units: seconds.
const HALF_LIFE: f64 = 14.0 * 86_400.0;

/// Units: bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct TakenBack {
    trough: f32,
    peak: f32,
    last: f32,
    /// The largest step since the trough.
    step: f32,
    highest: f32,
    started: bool,
}

impl TakenBack {
    /// Follows demand to `value`, `elapsed` seconds after the one before.
    pub(super) fn follow(&mut self, value: f32, elapsed: f64) {
        if !self.started {
            *self = Self { trough: value, peak: value, last: value, started: true, ..*self };
            return;
        }
        if self.highest > 0.0 {
            let faded = std::f64::consts::LN_2 * elapsed / HALF_LIFE;
            // Next to always a cell's width, which is nothing beside the half-life.
            let kept = if faded < 1e-3 { 1.0 - faded } else { (-faded).exp() };
            self.highest *= kept as f32;
        }
        self.step = self.step.max(value - self.last);
        self.last = value;
        self.peak = self.peak.max(value);
        let rise = self.peak - self.trough;
        let given_back = rise > 0.0 && self.peak - value >= 0.5 * rise;
        if given_back {
            self.highest = self.highest.max(rise - self.step);
        }
        if given_back || value < self.trough {
            (self.trough, self.peak, self.step) = (value, value, 0.0);
        }
    }

    /// The highest rise that was given back, without its largest step. Units: bytes.
    #[must_use]
    pub(super) const fn highest(&self) -> f32 {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(values: &[f32]) -> f32 {
        let mut filter = TakenBack::default();
        values.iter().for_each(|&value| filter.follow(value, 1.0));
        filter.highest().round()
    }

    #[test]
    fn a_rise_counts_once_half_of_it_is_given_back() {
        assert_eq!(followed(&[10.0, 20.0, 30.0, 40.0]), 0.0);
        assert_eq!(followed(&[10.0, 20.0, 30.0, 40.0, 31.0]), 0.0);
        assert_eq!(followed(&[10.0, 20.0, 30.0, 40.0, 25.0]), 20.0);
    }

    #[test]
    fn the_highest_of_many_is_kept_and_a_spike_does_not_count() {
        let teeth = [0.0, 10.0, 20.0, 30.0, 0.0, 5.0, 10.0, 0.0];
        assert_eq!(followed(&teeth), 20.0);
        assert_eq!(followed(&[1.0, 1.0, 900.0, 1.0, 1.0]), 0.0);
    }

    #[test]
    fn a_fall_below_where_it_began_takes_the_rise_back_too() {
        assert_eq!(followed(&[50.0, 60.0, 70.0, 20.0, 25.0, 30.0, 22.0]), 10.0);
    }

    #[test]
    fn what_was_long_ago_fades() {
        let mut filter = TakenBack::default();
        [0.0, 10.0, 20.0, 0.0].iter().for_each(|&v| filter.follow(v, 1.0));
        filter.follow(0.0, HALF_LIFE);
        assert_eq!(filter.highest().round(), 5.0);
    }
}
