//! Series that do not leak: every alarm counts against the detector.

use crate::events::{ByEntity, leak_times, oom_times};
use crate::series::Series;
use serde::Serialize;

/// Alarms closer than this are one episode. Units: seconds.
const MERGE_S: f64 = 6.0 * 3600.0;
const DAY: f64 = 86_400.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Silence {
    pub series: usize,
    pub days: f64,
    pub leak_episodes: usize,
    pub oom_episodes: usize,
    pub series_with_leak: usize,
    pub series_with_oom: usize,
    /// Names of those with a leak or OOM alarm.
    pub hit: Vec<String>,
}

impl Silence {
    #[must_use]
    pub fn leaks_per_day(&self) -> f64 {
        self.leak_episodes as f64 / self.days
    }

    #[must_use]
    pub fn ooms_per_day(&self) -> f64 {
        self.oom_episodes as f64 / self.days
    }
}

/// How many episodes a series of instants makes. Shape: ascending. Units: seconds.
#[must_use]
pub fn episodes(times: &[f64]) -> usize {
    let parted = times.windows(2).filter(|pair| pair[1] - pair[0] > MERGE_S).count();
    parted + usize::from(!times.is_empty())
}

pub fn silence<'a>(all: impl IntoIterator<Item = &'a Series>, events: &ByEntity) -> Silence {
    let mut silence = Silence::default();
    for series in all {
        let events = events.get(&series.name).map_or(&[][..], Vec::as_slice);
        let (leaks, ooms) = (episodes(&leak_times(events)), episodes(&oom_times(events)));
        silence.series += 1;
        silence.days += series.span_s() / DAY;
        silence.leak_episodes += leaks;
        silence.oom_episodes += ooms;
        silence.series_with_leak += usize::from(leaks > 0);
        silence.series_with_oom += usize::from(ooms > 0);
        if leaks + ooms > 0 {
            silence.hit.push(series.name.clone());
        }
    }
    silence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_within_six_hours_of_the_last_are_one_episode() {
        let hour = 3600.0;
        assert_eq!(episodes(&[]), 0);
        assert_eq!(episodes(&[0.0, 5.0 * hour, 11.0 * hour]), 1);
        assert_eq!(episodes(&[0.0, 6.1 * hour, 7.0 * hour, 20.0 * hour]), 3);
    }
}
