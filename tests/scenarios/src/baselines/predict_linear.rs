//! Prometheus' `predict_linear(used[window], ahead) > limit`: a line through the window's samples,
//! however few, extended.

use super::alarm::{Alarm, Finding};
use super::line::Sliding;
use super::{HOUR, Pace, Rule};
use crate::events::Event;
use crate::series::{Point, Series};

#[derive(Debug)]
pub struct PredictLinear {
    pub name: &'static str,
    pub window_h: f64,
    pub ahead_h: f64,
}

impl Rule for PredictLinear {
    fn name(&self) -> &'static str {
        self.name
    }

    fn judge(&self, series: &Series) -> Vec<Event> {
        let points: Vec<Point> = series.points().collect();
        let mut alarm = Alarm::default();
        let mut pace = Pace::new();
        let Some(mut sliding) = Sliding::new(&points, self.window_h * HOUR) else {
            return Vec::new();
        };
        for (at, point) in points.iter().enumerate() {
            let (fit, _) = sliding.step(at);
            if !pace.is_due(point.time_s) {
                continue;
            }
            let over = fit.filter(|fit| fit.now + fit.slope * self.ahead_h * HOUR > point.limit);
            let finding = over.map(|fit| {
                let eta_s = (point.limit - fit.now) / fit.slope;
                // A line that falls from above the limit is over it now.
                Finding::at(fit.slope, if fit.slope > 0.0 { eta_s.max(0.0) } else { 0.0 })
            });
            alarm.tell(point.time_s, finding);
        }
        alarm.into_events()
    }
}
