//! Memory that stays at a level, goes to another, or comes back.

use crate::noise;
use crate::random::Random;
use crate::scenario::{Drawn, Setting};

pub fn steady(setting: &Setting, random: &mut Random) -> Drawn {
    let level = random.between(0.2, 0.85) * setting.limit;
    Drawn::healthy(setting, setting.curve(|_| level))
}

/// A new version needs more: one or two steps up, in half of the cases with a restart's dip.
pub fn deploy_step(setting: &Setting, random: &mut Random) -> Drawn {
    let span_s = setting.span_s();
    let first = random.between(0.2, 0.6) * span_s;
    let second = random.chance(0.3).then(|| first + random.between(0.1, 0.3) * span_s);
    let base = random.between(0.15, 0.4);
    let height = random.between(0.1, 0.3) / if second.is_some() { 1.5 } else { 1.0 };
    let dip_s = if random.chance(0.5) { 3.0 * setting.cadence.interval_s() } else { 0.0 };
    let step = |t: f64, at: f64| if t < at { 0.0 } else { height };
    let level = |t: f64| {
        let is_down = (first..first + dip_s).contains(&t);
        let up = base + step(t, first) + second.map_or(0.0, |second| step(t, second));
        if is_down { 0.02 } else { up }
    };
    Drawn::healthy(setting, setting.curve(|t| setting.limit * level(t)))
}

/// Jobs that take 20 to 50 % of the limit and give it back, by the clock or whenever.
pub fn batch_jobs(setting: &Setting, random: &mut Random) -> Drawn {
    let span_s = setting.span_s();
    let every_s = span_s * random.between(1.0 / 14.0, 1.0 / 5.0);
    let is_regular = random.chance(0.5);
    let mut jobs = Vec::new();
    let mut from_s = every_s * random.unit();
    while from_s < 1.2 * span_s {
        let lasts_s = every_s * random.between(0.2, 0.6);
        jobs.push((from_s, lasts_s, random.between(0.2, 0.5)));
        from_s += lasts_s;
        from_s += if is_regular { every_s - lasts_s } else { random.exponential(every_s) };
    }
    let base = random.between(0.1, 0.35);
    // A job loads its input over its first tenth.
    let job = |t: f64, &(from_s, lasts_s, height): &(f64, f64, f64)| {
        let is_on = (from_s..from_s + lasts_s).contains(&t);
        if is_on { height * ((t - from_s) / (0.1 * lasts_s)).min(1.0) } else { 0.0 }
    };
    let load = |t: f64| jobs.iter().map(|one| job(t, one)).sum::<f64>();
    Drawn::healthy(setting, setting.curve(|t| setting.limit * (base + load(t))))
}

/// Readings that are zero for one to five samples, and long gaps.
pub fn gaps_and_zeros(setting: &Setting, random: &mut Random) -> Drawn {
    let level = random.between(0.2, 0.85) * setting.limit;
    let len = setting.time_s.len() as f64;
    let mut zeros = Vec::new();
    for _ in 0..random.whole(3, 12) {
        let from = (random.between(0.0, 0.99) * len) as usize;
        zeros.extend((from..from + random.whole(1, 5) as usize).filter(|&at| (at as f64) < len));
    }
    Drawn { zeros, ..Drawn::healthy(setting, setting.curve(|_| level)) }
}

/// Whole percents of the limit, between which the value goes to and fro.
pub fn quantised(setting: &Setting, random: &mut Random) -> Drawn {
    let level = random.between(0.2, 0.85) * setting.limit;
    let quantum = setting.limit / 100.0;
    let forget_s = setting.span_s() * random.between(0.01, 0.03);
    let wander = noise::wander(&setting.time_s, 0.5 * quantum, forget_s, random);
    let used = wander.iter().map(|wander| level + wander).collect();
    Drawn { quantum, ..Drawn::healthy(setting, used) }
}

/// A level that strays and returns, by 1, 3 or 8 % of the limit.
pub fn wander(setting: &Setting, random: &mut Random) -> Drawn {
    let level = random.between(0.3, 0.65) * setting.limit;
    let sigma = setting.limit * (4.0 * setting.level.share()).clamp(0.01, 0.08);
    let forget_s = setting.span_s() * random.log_between(1.0 / 150.0, 1.0 / 40.0);
    let wander = noise::wander(&setting.time_s, sigma, forget_s, random);
    let used = wander.iter().map(|wander| level + wander).collect();
    Drawn { sigma: 0.2 * sigma, ..Drawn::healthy(setting, used) }
}
