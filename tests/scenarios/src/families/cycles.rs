//! Days and weeks, alone and over a leak.

use super::DAY;
use crate::random::Random;
use crate::scenario::{Drawn, Setting};
use std::f64::consts::TAU;

/// A day's profile: trough at 0, crest at 1, with a second harmonic, at a random hour.
struct Day {
    phase: f64,
    second: f64,
    second_phase: f64,
}

impl Day {
    fn draw(random: &mut Random) -> Self {
        let (phase, second_phase) = (random.unit(), random.unit());
        Self { phase, second: random.between(0.0, 0.3), second_phase }
    }

    /// Shape: about 0 to 1, with a period of a day.
    fn at(&self, time_s: f64) -> f64 {
        let days = time_s / DAY;
        let first = (TAU * (days + self.phase)).sin();
        let second = self.second * (2.0 * TAU * (days + self.second_phase)).sin();
        0.5 + 0.5 * (first + second) / (1.0 + self.second)
    }
}

/// Crest to trough 5 to 40 % of the limit.
pub fn daily(setting: &Setting, random: &mut Random) -> Drawn {
    let day = Day::draw(random);
    let (base, height) = (random.between(0.2, 0.5), random.between(0.05, 0.4));
    Drawn::healthy(setting, setting.curve(|t| setting.limit * (base + height * day.at(t))))
}

/// Working days with high crests, two days of each seven with low ones.
pub fn weekly(setting: &Setting, random: &mut Random) -> Drawn {
    let day = Day::draw(random);
    let (base, height) = (random.between(0.2, 0.5), random.between(0.1, 0.4));
    let (rest, first_day) = (random.between(0.2, 0.6), random.between(0.0, 7.0));
    let load = |t: f64| {
        let weekday = (t / DAY + first_day).rem_euclid(7.0);
        // Half a day to go over from one to the other, at both ends of the two days.
        let into_rest = (weekday - 5.0).clamp(0.0, 0.5) / 0.5;
        let out_of_rest = (weekday - 6.5).clamp(0.0, 0.5) / 0.5;
        1.0 - (1.0 - rest) * (into_rest - out_of_rest)
    };
    let used = setting.curve(|t| setting.limit * (base + height * load(t) * day.at(t)));
    Drawn::healthy(setting, used)
}

/// A linear leak under a daily cycle of 0.1 to 1 times what leaks in all.
pub fn leak(setting: &Setting, random: &mut Random) -> Drawn {
    let day = Day::draw(random);
    let base = random.between(0.15, 0.35);
    let ratio = random.log_between(0.1, 1.0);
    let gain = (1.0 - base) / (1.0 + 0.5 * ratio);
    let leaked = setting.leak(|life| base + gain * life);
    let cycle = setting.curve(|t| ratio * gain * (day.at(t) - 0.5).max(-base / (ratio * gain)));
    let sum = leaked.iter().zip(&cycle).map(|(leaked, cycle)| setting.limit * (leaked + cycle));
    Drawn::leaking(setting, sum.collect())
}
