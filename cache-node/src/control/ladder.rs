//! Up at once, down step by step: the level with hysteresis. Pure; `now` is handed in.

use super::signal::Level;
use std::time::Duration;

/// How long each level must have been needless before the next lower one is tried.
const fn dwell(level: Level) -> Duration {
    match level {
        Level::Critical => Duration::from_secs(1),
        Level::Medium => Duration::from_secs(2),
        Level::Low | Level::None => Duration::from_secs(5),
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Ladder {
    level: Level,
    /// Since when the level is more than what is needed.
    calm_since: Option<Duration>,
}

impl Ladder {
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Moves to `enter` at once if it is worse; down one step when `stay`, never better than
    /// `enter`, has been lower for long enough. Returns the level from now on.
    pub fn step(&mut self, now: Duration, enter: Level, stay: Level) -> Level {
        if enter > self.level {
            self.level = enter;
        }
        if stay.max(enter) >= self.level {
            self.calm_since = None;
            return self.level;
        }
        let since = *self.calm_since.get_or_insert(now);
        if now.saturating_sub(since) >= dwell(self.level) {
            self.level = self.level.lowered();
            self.calm_since = Some(now);
        }
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn at(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn it_rises_at_once_and_by_any_number_of_steps() {
        let mut ladder = Ladder::default();
        assert_eq!(ladder.step(at(0), Level::Critical, Level::Critical), Level::Critical);
    }

    #[test]
    fn it_falls_one_step_after_each_dwell() {
        let mut ladder = Ladder::default();
        ladder.step(at(0), Level::Critical, Level::Critical);
        let calm = |ladder: &mut Ladder, s| ladder.step(at(s), Level::None, Level::None);
        assert_eq!(calm(&mut ladder, 1), Level::Critical);
        assert_eq!(calm(&mut ladder, 2), Level::Medium);
        assert_eq!(calm(&mut ladder, 3), Level::Medium);
        assert_eq!(calm(&mut ladder, 4), Level::Low);
        assert_eq!(calm(&mut ladder, 8), Level::Low);
        assert_eq!(calm(&mut ladder, 9), Level::None);
    }

    #[test]
    fn between_the_two_marks_it_stays() {
        let mut ladder = Ladder::default();
        ladder.step(at(0), Level::Medium, Level::Medium);
        for s in 1..100 {
            assert_eq!(ladder.step(at(s), Level::Low, Level::Medium), Level::Medium);
        }
    }

    #[test]
    fn a_relapse_starts_the_dwell_anew() {
        let mut ladder = Ladder::default();
        ladder.step(at(0), Level::Low, Level::Low);
        ladder.step(at(1), Level::None, Level::None);
        ladder.step(at(5), Level::None, Level::Low);
        assert_eq!(ladder.step(at(6), Level::None, Level::None), Level::Low);
        assert_eq!(ladder.step(at(10), Level::None, Level::None), Level::Low);
        assert_eq!(ladder.step(at(11), Level::None, Level::None), Level::None);
    }

    fn any_level() -> impl Strategy<Value = Level> {
        prop_oneof![Just(Level::None), Just(Level::Low), Just(Level::Medium), Just(Level::Critical)]
    }

    proptest! {
        #[test]
        fn never_below_what_is_entered_and_never_down_two_steps(
            words in prop::collection::vec((0_u64..4000, any_level(), any_level()), 1..60),
        ) {
            let (mut ladder, mut now, mut before) = (Ladder::default(), at(0), Level::None);
            for (ms, enter, stay) in words {
                now += Duration::from_millis(ms);
                let level = ladder.step(now, enter, stay);
                prop_assert!(level >= enter && level >= before.lowered());
                before = level;
            }
        }
    }
}
