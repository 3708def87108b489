//! How long until demand has grown by the headroom: an 80 % interval around a straight line.
//!
//! The middle is headroom ÷ Sen's slope. Its spread, on a logarithmic scale because the time left
//! is a ratio and cannot be negative, adds in squares:
//! - the interval of the slope,
//! - the noise of the level, as the time the line needs to cross it,
//! - extrapolation: `extrapolation_spread` for each e-fold by which the time left exceeds what was
//!   seen. This one is a judgement about memory, not statistics: trends change.
//!
//! Where growth gains, the early end follows the recent slope. Where the slope's low end is not
//! above zero there is no late end: p90 is [`ETA_MAX_S`]. It lies for what is not a line: growth by
//! jumps that are large against the headroom, and limits that move.

use crate::detect::{Params, Trend};
use crate::units::Bytes;
use crate::verdict::Eta;

/// Ten years: what stands for "no end in sight". Units: seconds.
pub const ETA_MAX_S: f64 = 10.0 * 365.25 * 86_400.0;

/// A slope with its 80 % interval and what it rests on. Units: bytes and seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    pub slope: f64,
    pub slope_low: f64,
    pub slope_high: f64,
    pub noise: f64,
    pub span: f64,
}

impl From<&Trend> for Course {
    fn from(trend: &Trend) -> Self {
        Self {
            slope: trend.slope,
            slope_low: trend.slope_low,
            slope_high: trend.slope_high.max(trend.slope_recent),
            noise: trend.noise,
            span: trend.span,
        }
    }
}

/// Time until demand has grown by `headroom`; None if it is not growing. Units: seconds.
#[must_use]
pub fn forecast(params: &Params, course: &Course, headroom: Bytes) -> Option<Eta> {
    if course.slope <= 0.0 || !course.slope.is_finite() {
        return None;
    }
    let cap = |seconds: f64| seconds.clamp(0.0, ETA_MAX_S);
    let left = headroom.as_f64() / course.slope;
    let crossing = course.noise / (course.slope * left.max(1e-3));
    let beyond = params.extrapolation_spread * (1.0 + left / course.span.max(1e-3)).ln();
    let spread = |ratio: f64| {
        let slope = ratio.max(1.0).ln();
        (slope * slope + crossing.min(2.0).powi(2) + beyond * beyond).sqrt()
    };
    let early = spread(course.slope_high / course.slope);
    let p90 = if course.slope_low > 0.0 {
        left * spread(course.slope / course.slope_low).exp()
    } else {
        ETA_MAX_S
    };
    Some(Eta { p10: cap(left * (-early).exp()), p50: cap(left), p90: cap(p90) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Course =
        Course { slope: 1024.0, slope_low: 1000.0, slope_high: 1050.0, noise: 0.0, span: 3600.0 };

    fn left(course: &Course, headroom: u64) -> Eta {
        forecast(&Params::default(), course, Bytes(headroom)).expect("the course rises")
    }

    #[test]
    fn the_middle_is_headroom_over_slope_and_the_interval_encloses_it() {
        let eta = left(&LINE, 1024 * 3600);
        assert_eq!(eta.p50, 3600.0);
        assert!((2850.0..2950.0).contains(&eta.p10), "{eta:?}");
        assert!((4400.0..4500.0).contains(&eta.p90), "{eta:?}");
    }

    #[test]
    fn looking_farther_ahead_widens_the_interval() {
        let relative = |eta: Eta| (eta.p90 - eta.p10) / eta.p50;
        let (near, far) = (left(&LINE, 1024 * 360), left(&LINE, 1024 * 360_000));
        assert!(relative(far) > 3.0 * relative(near), "{near:?} {far:?}");
    }

    #[test]
    fn a_slope_that_may_be_zero_has_no_late_end_and_a_falling_one_no_forecast() {
        let unsure = Course { slope_low: -1.0, ..LINE };
        assert_eq!(left(&unsure, 1 << 20).p90, ETA_MAX_S);
        let falling = Course { slope: -5.0, ..LINE };
        assert_eq!(forecast(&Params::default(), &falling, Bytes::mib(1)), None);
    }

    #[test]
    fn no_headroom_means_now() {
        assert_eq!(left(&LINE, 0).p50, 0.0);
    }

    #[test]
    fn growth_that_gains_pulls_the_early_end_in() {
        let gaining = Course { slope_high: 2048.0, ..LINE };
        assert!(left(&gaining, 1024 * 3600).p10 < 1900.0);
    }
}
