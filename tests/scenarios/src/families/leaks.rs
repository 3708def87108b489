//! Leaks that differ in the form of their growth.

use super::DAY;
use crate::random::Random;
use crate::scenario::{Drawn, MIB, Setting};

/// From a base of 15 to 50 % of the limit to the limit, by a function of the share of life.
fn grown(setting: &Setting, random: &mut Random, form: impl Fn(f64) -> f64) -> Drawn {
    let base = random.between(0.15, 0.5);
    let used = setting.leak(|life| setting.limit * (base + (1.0 - base) * form(life)));
    Drawn::leaking(setting, used)
}

pub fn linear(setting: &Setting, random: &mut Random) -> Drawn {
    grown(setting, random, |life| life)
}

/// 480 KB an hour, whose limit is far beyond the trace.
pub fn slow(setting: &Setting, random: &mut Random) -> Drawn {
    let base = random.between(60.0, 200.0) * MIB;
    let rate = 480_000.0 / 3600.0;
    let used = setting.leak(|life| base + rate * setting.life_s * life);
    // 3, 7 and 14 % of what leaks in a day: 0.4, 0.8 and 1.6 MB.
    let sigma = setting.level.share().sqrt() * rate * DAY;
    Drawn { limit: 4096.0 * MIB, sigma, ..Drawn::leaking(setting, used) }
}

/// 8 to 40 equal jumps at equal distances.
pub fn stair(setting: &Setting, random: &mut Random) -> Drawn {
    let steps = f64::from(random.whole(8, 40));
    grown(setting, random, |life| (life * steps).floor() / steps)
}

/// 15 to 60 bursts of exponential size at exponential distances.
pub fn poisson(setting: &Setting, random: &mut Random) -> Drawn {
    let count = random.whole(15, 60);
    let mut bursts = Vec::new();
    let (mut at, mut sum) = (0.0, 0.0);
    while at < 1.2 {
        bursts.push((at, sum));
        at += random.exponential(1.0 / f64::from(count));
        sum += random.exponential(1.0 / f64::from(count));
    }
    // Scaled so that the nominal end is the end, whatever was drawn.
    let reached = |life: f64| bursts[bursts.partition_point(|b| b.0 <= life).max(1) - 1].1;
    let whole = reached(1.0).max(0.1);
    grown(setting, random, |life| reached(life) / whole)
}

/// Ever faster: a power of 1.5 to 2.5.
pub fn accelerating(setting: &Setting, random: &mut Random) -> Drawn {
    let power = random.between(1.5, 2.5);
    grown(setting, random, |life| life.powf(power))
}

/// A leak that begins while the program still warms up; the warm-up takes a tenth of its life.
pub fn after_warm_up(setting: &Setting, random: &mut Random) -> Drawn {
    let constant_s = setting.life_s * random.between(0.01, 0.03);
    let (cold, warm) = (random.between(0.02, 0.1), random.between(0.2, 0.4));
    let warmed = setting.curve(|t| cold + (warm - cold) * (1.0 - (-t / constant_s).exp()));
    let leaked = setting.leak(|life| (1.0 - warm) * life);
    let used = warmed.iter().zip(&leaked).map(|(warmed, leaked)| setting.limit * (warmed + leaked));
    Drawn::leaking(setting, used.collect())
}

/// What the allocator holds grows while what the program uses does not.
pub fn fragmentation(setting: &Setting, random: &mut Random) -> Drawn {
    let base = random.between(0.15, 0.4) * setting.limit;
    let used = setting.leak(|life| base + (setting.limit - base) * life);
    let heap_in_use = setting.curve(|_| 0.9 * base);
    Drawn { heap_in_use, ..Drawn::leaking(setting, used) }
}
