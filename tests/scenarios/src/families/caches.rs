//! Memory whose kind tells more than its amount: page cache, slab, shared memory.

use crate::random::Random;
use crate::scenario::{Drawn, Growth, Setting};

/// Page cache that grows to the limit and stays there, as it does where files are read; what
/// belongs to the program is flat.
pub fn page_cache(setting: &Setting, random: &mut Random) -> Drawn {
    let anon = random.between(0.1, 0.4);
    let room = random.between(0.93, 0.98) - anon;
    let constant_s = setting.span_s() * random.between(0.1, 0.5);
    let is_steady = random.chance(0.5);
    let file = setting.curve(|t| {
        let filled = if is_steady { t / constant_s } else { 1.0 - (-t / constant_s).exp() };
        setting.limit * room * filled.min(1.0)
    });
    let used = file.iter().map(|file| file + setting.limit * anon).collect();
    Drawn { file, ..Drawn::healthy(setting, used) }
}

/// Slab that grows as directories are walked and is reclaimed now and then; counted as file here,
/// as cgroups count what can be reclaimed.
pub fn reclaimable_slab(setting: &Setting, random: &mut Random) -> Drawn {
    let anon = random.between(0.15, 0.4);
    let most = random.between(0.2, 0.5);
    let every_s = setting.span_s() * random.between(0.15, 0.45);
    let offset_s = every_s * random.unit();
    let kept = random.between(0.05, 0.4);
    let file = setting.curve(|t| {
        let grown = ((t + offset_s) / every_s).fract();
        setting.limit * most * (kept + (1.0 - kept) * grown)
    });
    let used = file.iter().map(|file| file + setting.limit * anon).collect();
    Drawn { file, ..Drawn::healthy(setting, used) }
}

/// Shared memory that nobody unlinks; the rest is flat.
pub fn shmem(setting: &Setting, random: &mut Random) -> Drawn {
    let limit = setting.limit;
    let (anon, file) = (random.between(0.1, 0.3) * limit, random.between(0.05, 0.2) * limit);
    let gain = limit - anon - file;
    let shmem = setting.leak(|life| gain * life);
    let used = shmem.iter().map(|shmem| shmem + anon + file).collect();
    let file = setting.curve(|_| file);
    Drawn { shmem, file, ..Drawn::leaking(setting, used) }
}

/// A leak that cannot be seen in the sum: the page cache gives way to it, until nothing is left.
pub fn anon_under_cache(setting: &Setting, random: &mut Random) -> Drawn {
    let limit = setting.limit;
    let base = random.between(0.15, 0.35);
    let (full, least) = (0.95, 0.02);
    let anon = setting.leak(|life| limit * (base + (1.0 - least - base) * life));
    let file: Vec<f64> = anon.iter().map(|anon| (full * limit - anon).max(least * limit)).collect();
    let used = anon.iter().zip(&file).map(|(anon, file)| anon + file).collect();
    // Noise at the limit is reclaimed as long as there is cache to reclaim.
    let gone = (full - least - base) / (1.0 - least - base);
    let killed_from_s = setting.onset_s + gone * setting.life_s;
    let leak = Growth { onset_s: setting.onset_s, killed_from_s, is_interrupted: false };
    Drawn { file, leak: Some(leak), ..Drawn::leaking(setting, used) }
}
