//! Growth that ends by itself.

use crate::random::Random;
use crate::scenario::{Drawn, Setting};

/// A start that approaches a plateau exponentially. Units: the time constant in seconds.
pub fn warm_up(constant_s: f64, setting: &Setting, random: &mut Random) -> Drawn {
    let base = random.between(0.05, 0.2);
    let gain = random.between(0.4, 0.85) - base;
    let used = setting.curve(|t| setting.limit * (base + gain * (1.0 - (-t / constant_s).exp())));
    Drawn::healthy(setting, used)
}

/// A cache that fills to its cap. What it sees is new ever less often, so it fills ever more
/// slowly, at the cap with an eighth of the first speed; then it evicts as much as it takes in.
pub fn cache_fill(setting: &Setting, random: &mut Random) -> Drawn {
    let base = random.between(0.05, 0.2);
    let cap = random.between(0.45, 0.85) - base;
    let constant_s = setting.span_s() * random.between(1.0 / 14.0, 1.0 / 7.0);
    let filled = |t: f64| (1.15 * (1.0 - (-t / constant_s).exp())).min(1.0);
    Drawn::healthy(setting, setting.curve(|t| setting.limit * (base + cap * filled(t))))
}
