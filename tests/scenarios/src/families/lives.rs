//! Memory of workloads whose processes come and go.

use crate::random::Random;
use crate::scenario::{Drawn, Growth, Setting};

/// What a process that has just begun holds, as a share of what it will.
const FRESH: f64 = 0.05;

/// Restarts of something healthy: down to nearly nothing, then the refill.
pub fn restarts(setting: &Setting, random: &mut Random) -> Drawn {
    let level = random.between(0.3, 0.8) * setting.limit;
    let refill_s = setting.span_s() * random.between(0.005, 0.02);
    let mut begins = vec![-10.0 * refill_s];
    for _ in 0..random.whole(2, 6) {
        begins.push(random.between(0.05, 1.0) * setting.span_s());
    }
    begins.sort_by(f64::total_cmp);
    let used = setting.curve(|t| {
        let begun = begins[begins.partition_point(|&begin| begin <= t).max(1) - 1];
        level * refilled(t - begun, refill_s)
    });
    Drawn::healthy(setting, used)
}

fn refilled(age_s: f64, refill_s: f64) -> f64 {
    FRESH + (1.0 - FRESH) * (1.0 - (-age_s / refill_s).exp())
}

/// A leak that outlives its process: each of three to six lives grows to the limit and is killed.
pub fn across_restarts(setting: &Setting, random: &mut Random) -> Drawn {
    let lives = random.whole(3, 6);
    let nominal_s = setting.life_s / f64::from(lives);
    let mut begins = vec![setting.onset_s];
    for _ in 1..lives {
        let last = begins[begins.len() - 1];
        begins.push(last + nominal_s * random.between(0.8, 1.2));
    }
    let last = begins[begins.len() - 1];
    let base = random.between(0.15, 0.4);
    let refill_s = nominal_s * random.between(0.01, 0.03);
    let used = setting.curve(|t| {
        let next = begins.partition_point(|&begin| begin <= t);
        if next == 0 {
            return setting.limit * base;
        }
        let begun = begins[next - 1];
        let ends = begins.get(next).copied().unwrap_or(begun + nominal_s);
        let fresh = if next == 1 { 1.0 } else { refilled(t - begun, refill_s) };
        setting.limit * (base * fresh + (1.0 - base) * (t - begun) / (ends - begun))
    });
    let onset_s = setting.onset_s;
    let leak = Growth { onset_s, killed_from_s: last, is_interrupted: true };
    Drawn { leak: Some(leak), ..Drawn::leaking(setting, used) }
}

/// Several workers, each replaced now and then; the sum is flat in the long run.
pub fn workers_churn(setting: &Setting, random: &mut Random) -> Drawn {
    Drawn::healthy(setting, workers(setting, random, random_level))
}

/// The same, with one more that is never replaced and leaks.
pub fn multi_process(setting: &Setting, random: &mut Random) -> Drawn {
    let others = workers(setting, random, |r| 0.5 * random_level(r));
    let base = others.iter().copied().fold(0.0, f64::max);
    let leaked = setting.leak(|life| (setting.limit - 0.95 * base) * life);
    let used = others.iter().zip(&leaked).map(|(others, leaked)| others + leaked);
    Drawn::leaking(setting, used.collect())
}

/// All workers together, as a share of the limit.
fn random_level(random: &mut Random) -> f64 {
    random.between(0.4, 0.8)
}

/// The sum of 4 to 12 workers with lives of a quarter of the span on average.
fn workers(setting: &Setting, random: &mut Random, level: fn(&mut Random) -> f64) -> Vec<f64> {
    let count = random.whole(4, 12);
    let each = setting.limit * level(random) / f64::from(count);
    let span_s = setting.span_s();
    let refill_s = span_s * random.between(0.005, 0.015);
    let mut sum = vec![0.0; setting.time_s.len()];
    for _ in 0..count {
        let full = each * random.between(0.7, 1.3);
        let mut begun = -10.0 * refill_s;
        let mut ends = random.exponential(span_s / 4.0);
        for (sum, &t) in sum.iter_mut().zip(&setting.time_s) {
            while t >= ends {
                begun = ends;
                ends += (span_s / 50.0).max(random.exponential(span_s / 4.0));
            }
            *sum += full * refilled(t - begun, refill_s);
        }
    }
    sum
}
