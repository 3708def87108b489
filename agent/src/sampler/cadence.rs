//! How soon a target is read again: the nearer its limit, the sooner. Pure.

use crate::config::Sampling;
use crate::units::Bytes;
use std::time::Duration;

/// A target is read at least this many times before its forecast end.
const READINGS_BEFORE_THE_END: f64 = 100.0;
/// A target that grew since its last reading is not left alone for longer than this.
const GROWING_INTERVAL_MAX: Duration = Duration::from_secs(2);
/// What counts as having grown between two readings.
pub const GROWN: Bytes = Bytes::kib(64);
/// Where a target that was never read before begins.
pub const FIRST_INTERVAL: Duration = Duration::from_secs(1);

/// What one reading told about a target's hurry.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The interval that led to this reading.
    pub previous: Duration,
    /// Since the reading before.
    pub elapsed: Duration,
    pub grown: Bytes,
    /// It gave back more than a growing one would have to take.
    pub shrunk: bool,
    /// What may still be taken before the limit or the node's end.
    pub headroom: Option<Bytes>,
    /// The early end of the forecast.
    pub eta_p10: Option<Duration>,
    pub suspect: bool,
    /// 1 unless the agent is over its CPU budget.
    pub shed_factor: f64,
    /// Whatever its own pace, it is wanted this soon.
    pub no_later: Option<Duration>,
}

/// The interval to the next reading.
///
/// Growing and suspect targets get the time to their limit ÷ 100; a quiet one is left alone for
/// twice as long each time, up to the longest interval, or a twelfth of it while its memory goes up
/// and down. Shedding stretches only what neither grows nor is suspect.
#[must_use]
pub fn next_interval(limits: &Sampling, pace: &Pace) -> Duration {
    if let Some(forced) = limits.interval {
        return stretch(forced, pace.shed_factor, limits.interval_max.max(forced));
    }
    // Read out of turn, because a sense spoke: too soon after the last time to tell anything.
    let again = pace.elapsed < limits.interval_min / 2 && pace.grown <= GROWN && !pace.shrunk;
    let own = if again { pace.previous } else { own_interval(limits, pace) };
    pace.no_later.map_or(own, |soon| own.min(soon))
}

fn own_interval(limits: &Sampling, pace: &Pace) -> Duration {
    let growing = pace.grown > GROWN;
    let doubled = pace.previous.max(FIRST_INTERVAL) * 2;
    if !growing && !pace.suspect {
        let restless = limits.interval_max / 12;
        let calm = if pace.shrunk { doubled.min(restless) } else { doubled };
        return stretch(calm, pace.shed_factor, limits.interval_max);
    }
    let by_pace = time_to_fill(pace).map(|left| left.div_f64(READINGS_BEFORE_THE_END));
    let by_forecast = pace.eta_p10.map(|eta| eta.div_f64(READINGS_BEFORE_THE_END));
    [by_pace, by_forecast, Some(GROWING_INTERVAL_MAX.max(doubled.min(limits.interval_max / 12)))]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(GROWING_INTERVAL_MAX)
        .clamp(limits.interval_min, limits.interval_max)
}

/// How long the headroom lasts if the target goes on as between the last two readings.
fn time_to_fill(pace: &Pace) -> Option<Duration> {
    if pace.grown <= GROWN {
        return None;
    }
    let share = pace.headroom?.as_f64() / pace.grown.as_f64();
    Duration::try_from_secs_f64(pace.elapsed.as_secs_f64() * share).ok()
}

fn stretch(interval: Duration, factor: f64, most: Duration) -> Duration {
    Duration::try_from_secs_f64(interval.as_secs_f64() * factor).unwrap_or(most).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const QUIET: Pace = Pace {
        previous: Duration::from_secs(1),
        elapsed: Duration::from_secs(1),
        grown: Bytes::ZERO,
        shrunk: false,
        headroom: None,
        eta_p10: None,
        suspect: false,
        shed_factor: 1.0,
        no_later: None,
    };

    fn interval(pace: Pace) -> Duration {
        next_interval(&Config::default().sampling, &pace)
    }

    #[test]
    fn a_quiet_target_is_left_alone_for_ever_longer_up_to_a_minute() {
        let mut previous = Duration::ZERO;
        let seconds: Vec<u64> = (0..8)
            .map(|_| {
                previous = interval(Pace { previous, ..QUIET });
                previous.as_secs()
            })
            .collect();
        assert_eq!(seconds, [2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_reading_out_of_turn_makes_no_runaway_a_quiet_one() {
        let previous = Duration::from_millis(100);
        let again = Pace { previous, elapsed: Duration::from_millis(20), ..QUIET };
        assert_eq!(interval(again), previous);
    }

    #[test]
    fn a_runaway_is_read_a_hundred_times_before_its_limit_but_never_more_often_than_allowed() {
        let runaway = Pace { grown: Bytes::mib(10), headroom: Some(Bytes::mib(1000)), ..QUIET };
        assert_eq!(interval(runaway), Duration::from_secs(1));
        let at_the_brink = Pace { headroom: Some(Bytes::mib(1)), ..runaway };
        assert_eq!(interval(at_the_brink), Duration::from_millis(100));
    }

    #[test]
    fn the_forecast_shortens_the_interval_of_a_suspect_that_rests() {
        let resting = Pace { suspect: true, eta_p10: Some(Duration::from_secs(20)), ..QUIET };
        assert_eq!(interval(resting), Duration::from_millis(200));
    }

    #[test]
    fn a_target_that_saws_is_not_left_alone_for_longer_than_five_seconds() {
        let falling = Pace { previous: Duration::from_secs(4), shrunk: true, ..QUIET };
        assert_eq!(interval(falling), Duration::from_secs(5));
    }

    #[test]
    fn shedding_stretches_the_quiet_and_spares_the_growing() {
        let quiet = Pace { shed_factor: 4.0, ..QUIET };
        assert_eq!(interval(quiet), Duration::from_secs(8));
        let growing = Pace { shed_factor: 4.0, grown: Bytes::mib(1), ..QUIET };
        assert_eq!(interval(growing), interval(Pace { shed_factor: 1.0, ..growing }));
    }

    #[test]
    fn who_is_wanted_sooner_comes_sooner_and_nobody_comes_later_for_it() {
        let wanted = Pace { no_later: Some(Duration::from_millis(500)), ..QUIET };
        assert_eq!(interval(wanted), Duration::from_millis(500));
        let runaway = Pace { grown: Bytes::mib(9), headroom: Some(Bytes::mib(1)), ..wanted };
        assert_eq!(interval(runaway), Duration::from_millis(100));
    }

    #[test]
    fn a_forced_interval_holds_whatever_the_urgency() {
        let mut sampling = Config::default().sampling;
        sampling.interval = Some(Duration::from_secs(1));
        let growing = Pace { grown: Bytes::mib(100), headroom: Some(Bytes::mib(1)), ..QUIET };
        assert_eq!(next_interval(&sampling, &growing), Duration::from_secs(1));
    }
}
