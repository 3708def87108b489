//! More than 90 % of the limit for 5 minutes: the alert that everybody has.

use super::Rule;
use super::alarm::{Alarm, Finding};
use crate::events::Event;
use crate::series::Series;

#[derive(Debug)]
pub struct Threshold;

const SHARE: f64 = 0.9;
const FOR_S: f64 = 300.0;

impl Rule for Threshold {
    fn name(&self) -> &'static str {
        "used > 90 % for 5 min"
    }

    fn judge(&self, series: &Series) -> Vec<Event> {
        let mut alarm = Alarm::default();
        let mut since_s = None;
        for point in series.points() {
            let is_over = point.used > SHARE * point.limit;
            since_s = is_over.then(|| since_s.unwrap_or(point.time_s));
            let stands = since_s.is_some_and(|since_s| point.time_s - since_s >= FOR_S);
            let finding = stands.then_some(Finding { rate_bytes_per_s: None, eta_s: None });
            alarm.tell(point.time_s, finding);
        }
        alarm.into_events()
    }
}
