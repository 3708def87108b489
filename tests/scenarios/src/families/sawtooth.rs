//! A collected heap: it grows until it is collected, and falls back to what lives.

use crate::random::Random;
use crate::scenario::{Drawn, MIB, Setting};

/// A floor that stays. Amplitude 10 to 50 % of the limit.
pub fn flat(setting: &Setting, random: &mut Random) -> Drawn {
    let floor = random.between(0.1, 0.4) * setting.limit;
    let teeth = Teeth::draw(setting, random.between(0.1, 0.5) * setting.limit, random);
    Drawn::healthy(setting, setting.curve(|t| floor + teeth.at(t)))
}

/// 10 to 15 MiB over a small floor: as a percentage per hour it looks alarming.
pub fn small(setting: &Setting, random: &mut Random) -> Drawn {
    let limit = random.log_between(512.0, 2048.0).round() * MIB;
    let floor = random.between(20.0, 80.0) * MIB;
    let teeth = Teeth::draw(setting, random.between(10.0, 15.0) * MIB, random);
    let sigma = setting.level.share() * 40.0 * MIB;
    let healthy = Drawn::healthy(setting, setting.curve(|t| floor + teeth.at(t)));
    Drawn { limit, sigma, ..healthy }
}

/// A floor that rises until the teeth reach the limit.
pub fn rising(setting: &Setting, random: &mut Random) -> Drawn {
    let base = random.between(0.1, 0.4) * setting.limit;
    let amplitude = random.between(0.1, 0.3) * setting.limit;
    let teeth = Teeth::draw(setting, amplitude, random);
    let gain = setting.limit - amplitude - base;
    let floor = setting.leak(|life| base + gain * life);
    let teeth = setting.curve(|t| teeth.at(t));
    Drawn::leaking(setting, floor.iter().zip(&teeth).map(|(floor, tooth)| floor + tooth).collect())
}

/// When each tooth begins, how high it gets and how far above the floor the one before ended.
struct Teeth(Vec<Tooth>);

struct Tooth {
    from_s: f64,
    lasts_s: f64,
    bottom: f64,
    height: f64,
}

impl Teeth {
    /// Periods from three samples to a twelfth of the span, each varying by a fifth.
    fn draw(setting: &Setting, amplitude: f64, random: &mut Random) -> Self {
        let (shortest, longest) = (3.0 * setting.cadence.interval_s(), setting.span_s() / 12.0);
        let period_s = random.log_between(shortest, longest);
        let end_s = setting.time_s.last().copied().unwrap_or(0.0);
        let mut teeth = Vec::new();
        let mut from_s = -period_s * random.unit();
        while from_s <= end_s {
            let lasts_s = period_s * random.between(0.8, 1.2);
            let bottom = amplitude * random.between(0.0, 0.08);
            let height = amplitude * random.between(0.85, 1.0) - bottom;
            teeth.push(Tooth { from_s, lasts_s, bottom, height });
            from_s += lasts_s;
        }
        Self(teeth)
    }

    /// Height above the floor. Units: bytes.
    fn at(&self, time_s: f64) -> f64 {
        let next = self.0.partition_point(|tooth| tooth.from_s <= time_s);
        let tooth = &self.0[next.max(1) - 1];
        tooth.bottom + tooth.height * ((time_s - tooth.from_s) / tooth.lasts_s).clamp(0.0, 1.0)
    }
}
