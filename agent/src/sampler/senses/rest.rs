//! How long a sense that has just spoken is not listened to. Pure.
//!
//! What wakes us is then read at a fast cadence anyway, so a sense that goes on speaking has
//! nothing to add; a cgroup full of page cache at its limit would speak a hundred times a second.

use crate::clock::Stamp;
use std::time::Duration;

/// After a first word.
pub const REST_MIN: Duration = Duration::from_millis(100);
/// After many words one upon the other: what a storm of one sense costs is two wakes a second.
pub const REST_MAX: Duration = Duration::from_millis(500);
/// After so much silence a word counts as a first one.
const CALM: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default)]
pub struct Rest {
    last: Option<(Stamp, Duration)>,
}

impl Rest {
    /// The sense spoke at `now`; it is listened to again at the returned instant.
    pub fn spoke(&mut self, now: Stamp) -> Stamp {
        let rest = match self.last {
            Some((at, rest)) if now.since(at) < CALM => (rest * 2).min(REST_MAX),
            _ => REST_MIN,
        };
        self.last = Some((now, rest));
        now.plus(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sense_that_goes_on_speaking_is_heard_twice_a_second() {
        let mut rest = Rest::default();
        let mut now = Stamp(0);
        let mut words = 0;
        while now < Stamp(10_000) {
            now = rest.spoke(now);
            words += 1;
        }
        assert!((20..=24).contains(&words), "{words}");
    }

    #[test]
    fn after_a_calm_the_next_word_is_a_first_one() {
        let mut rest = Rest::default();
        assert_eq!(rest.spoke(Stamp(0)), Stamp(100));
        assert_eq!(rest.spoke(Stamp(100)), Stamp(300));
        assert_eq!(rest.spoke(Stamp(6_000)), Stamp(6_100));
    }
}
