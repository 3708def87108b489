//! A straight line that explains most of the window and reaches the limit soon.

use super::alarm::{Alarm, Finding};
use super::line::Sliding;
use super::{HOUR, Pace, Rule};
use crate::events::Event;
use crate::series::{Point, Series};

#[derive(Debug)]
pub struct Ols {
    pub name: &'static str,
    pub window_h: f64,
    pub eta_h: f64,
}

const R2_MIN: f64 = 0.8;
/// So much of the window must have passed.
const COVERED: f64 = 0.8;

impl Rule for Ols {
    fn name(&self) -> &'static str {
        self.name
    }

    fn judge(&self, series: &Series) -> Vec<Event> {
        let points: Vec<Point> = series.points().collect();
        let window_s = self.window_h * HOUR;
        let mut alarm = Alarm::default();
        let mut pace = Pace::new();
        let Some(mut sliding) = Sliding::new(&points, window_s) else { return Vec::new() };
        for (at, point) in points.iter().enumerate() {
            let (fit, span_s) = sliding.step(at);
            if !pace.is_due(point.time_s) {
                continue;
            }
            let rising = fit
                .filter(|fit| span_s >= COVERED * window_s && fit.slope > 0.0 && fit.r2 > R2_MIN);
            let finding = rising.and_then(|fit| {
                let eta_s = ((point.limit - fit.now) / fit.slope).max(0.0);
                (eta_s < self.eta_h * HOUR).then(|| Finding::at(fit.slope, eta_s))
            });
            alarm.tell(point.time_s, finding);
        }
        alarm.into_events()
    }
}
