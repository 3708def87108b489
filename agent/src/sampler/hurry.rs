//! How soon a cgroup must be read again whatever its own pace: because a sense spoke of it, because
//! it is near its limit, because somebody in it is making room. Pure.

use crate::clock::Stamp;
use crate::units::{Bytes, Limit};
use std::time::Duration;

/// After a sense spoke, the cgroup is read at the shortest interval for so long.
const ROUSED_HOLDS: Duration = Duration::from_secs(2);
/// And then this often for as long as it is near its limit.
const NEAR_INTERVAL: Duration = Duration::from_millis(500);
/// Nearer than this share of the limit is near.
const NEAR_SHARE: u64 = 8;
/// v2 tells of no threshold of usage, so what is near is looked at: so often that a burst of this
/// much a second is seen before a quarter of the headroom is gone. Units: bytes per second.
const BURST: f64 = 104_857_600.0;
const LOOKED_AT_MAX: Duration = Duration::from_secs(1);

/// What is known of a cgroup's urgency.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hurry {
    pub limit: Limit,
    pub headroom: Option<Bytes>,
    /// When a sense last spoke of it.
    pub roused_at: Option<Stamp>,
    /// It is among those listened to, and the kernel tells of no thresholds.
    pub looked_at: bool,
    /// How often it is wanted by who asks its subscribers for memory.
    pub pressed: Option<Duration>,
}

impl Hurry {
    #[must_use]
    pub fn is_near(&self) -> bool {
        match (self.limit, self.headroom) {
            (Limit::At(limit), Some(left)) => left.0 <= limit.0 / NEAR_SHARE,
            _ => false,
        }
    }

    /// The longest interval to the next reading; None: there is no hurry.
    #[must_use]
    pub fn no_later(&self, shortest: Duration, now: Stamp) -> Option<Duration> {
        let roused = self.roused_at.and_then(|at| {
            let fresh = now.since(at) < ROUSED_HOLDS;
            if fresh { Some(shortest) } else { self.is_near().then_some(NEAR_INTERVAL) }
        });
        let looked_at = self.headroom.filter(|_| self.looked_at && self.is_near()).map(|left| {
            let fills_in = Duration::from_secs_f64((left.as_f64() / BURST).min(60.0));
            (fills_in / 4).min(LOOKED_AT_MAX)
        });
        let soonest = [roused, looked_at, self.pressed].into_iter().flatten().min()?;
        Some(soonest.max(shortest))
    }

    /// Whether the sense's word still matters.
    #[must_use]
    pub fn is_roused(&self, now: Stamp) -> bool {
        self.roused_at.is_some_and(|at| now.since(at) < ROUSED_HOLDS || self.is_near())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTEST: Duration = Duration::from_millis(100);

    fn left(mib: u64) -> Hurry {
        let limit = Limit::At(Bytes::mib(800));
        Hurry { limit, headroom: Some(Bytes::mib(mib)), ..Hurry::default() }
    }

    #[test]
    fn without_a_word_there_is_no_hurry_however_near_the_limit_is() {
        assert_eq!(left(1).no_later(SHORTEST, Stamp(0)), None);
    }

    #[test]
    fn after_a_word_it_is_read_fast_and_then_often_for_as_long_as_it_is_near() {
        let roused = |mib, at| {
            Hurry { roused_at: Some(Stamp(0)), ..left(mib) }
                .no_later(SHORTEST, Stamp(at))
                .map(|interval| interval.as_millis())
        };
        assert_eq!(roused(700, 1_999), Some(100));
        assert_eq!(roused(700, 2_000), None);
        assert_eq!(roused(100, 2_000), Some(500));
        assert_eq!(roused(101, 2_000), None);
        assert!(!Hurry { roused_at: Some(Stamp(0)), ..left(101) }.is_roused(Stamp(2_000)));
    }

    #[test]
    fn where_no_threshold_is_told_the_near_are_looked_at_before_a_burst_fills_a_quarter() {
        let looked_at = |mib| {
            Hurry { looked_at: true, ..left(mib) }
                .no_later(SHORTEST, Stamp(0))
                .map(|interval| interval.as_millis())
        };
        assert_eq!(looked_at(101), None);
        assert_eq!(looked_at(100), Some(250));
        assert_eq!(looked_at(10), Some(100));
        let large = Hurry {
            limit: Limit::At(Bytes::mib(80_000)),
            headroom: Some(Bytes::mib(8_000)),
            looked_at: true,
            ..Hurry::default()
        };
        assert_eq!(large.no_later(SHORTEST, Stamp(0)), Some(LOOKED_AT_MAX));
    }
}
