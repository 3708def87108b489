//! One series of a family: its setting, its shape, noise over it, sampling, and its truth.

use crate::families::Family;
use crate::noise::{self, Level};
use crate::random::Random;
use crate::sampling::{Cadence, Flaw, instants};
use crate::series::{Parts, Series};
use crate::truth::{Leak, Truth};

pub const MIB: f64 = 1_048_576.0;
pub const GIB: f64 = 1024.0 * MIB;
const PAGE: f64 = 4096.0;
/// A leak's samples go on for so long beyond its nominal end, so that it does reach the limit.
const BEYOND: f64 = 1.15;
/// What is no leak is kept just below its limit: the kernel reclaims there.
const BELOW_LIMIT: f64 = 0.999;

/// Where a shape is drawn. The same distribution for healthy families and leaks.
#[derive(Clone, Debug)]
pub struct Setting {
    pub cadence: Cadence,
    pub level: Level,
    /// Units: bytes.
    pub limit: f64,
    /// When a leak begins: 0 for a third of all, else after 15 to 50 % of the whole.
    pub onset_s: f64,
    /// How long a leak takes to reach the limit, without noise.
    pub life_s: f64,
    /// All instants, ascending; without those that the sampling loses.
    pub time_s: Vec<f64>,
}

impl Setting {
    /// From the first sample to a leak's nominal end. Units: seconds.
    #[must_use]
    pub fn span_s(&self) -> f64 {
        self.onset_s + self.life_s
    }

    /// The values of a function of time at all instants.
    #[must_use]
    pub fn curve(&self, value: impl FnMut(f64) -> f64) -> Vec<f64> {
        self.time_s.iter().copied().map(value).collect()
    }

    /// The values of a function of the share of the leak's life that has passed: 0 up to the
    /// onset, 1 at the nominal end, and beyond.
    #[must_use]
    pub fn leak(&self, mut value: impl FnMut(f64) -> f64) -> Vec<f64> {
        self.curve(|t| value(((t - self.onset_s) / self.life_s).max(0.0)))
    }
}

/// What a family made: the noiseless memory and what else is particular to it.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub used: Vec<f64>,
    /// Parts of `used`; anon is what remains. Empty if the trace is not to have them.
    pub file: Vec<f64>,
    pub shmem: Vec<f64>,
    pub heap_in_use: Vec<f64>,
    pub limit: f64,
    /// Standard deviation of the noise. Units: bytes.
    pub sigma: f64,
    /// Readings are rounded to multiples of this. Units: bytes.
    pub quantum: f64,
    /// Samples that read as zero.
    pub zeros: Vec<usize>,
    /// For a leak: when it begins, and from when on reaching the limit ends the series.
    pub leak: Option<Growth>,
}

#[derive(Clone, Copy, Debug)]
pub struct Growth {
    pub onset_s: f64,
    pub killed_from_s: f64,
    /// Whether kills interrupt the growth, so that it has no single rate.
    pub is_interrupted: bool,
}

impl Drawn {
    /// Something that does not leak.
    #[must_use]
    pub fn healthy(setting: &Setting, used: Vec<f64>) -> Self {
        Self {
            used,
            file: Vec::new(),
            shmem: Vec::new(),
            heap_in_use: Vec::new(),
            limit: setting.limit,
            sigma: setting.level.share() * setting.limit,
            quantum: PAGE,
            zeros: Vec::new(),
            leak: None,
        }
    }

    /// Something that leaks from the setting's onset on.
    #[must_use]
    pub fn leaking(setting: &Setting, used: Vec<f64>) -> Self {
        let onset_s = setting.onset_s;
        let leak = Growth { onset_s, killed_from_s: onset_s, is_interrupted: false };
        Self { leak: Some(leak), ..Self::healthy(setting, used) }
    }
}

/// A series and what is known about it.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub family: &'static str,
    pub series: Series,
    pub truth: Truth,
}

/// Makes one series. The same arguments give the same series.
#[must_use]
pub fn scenario(family: &Family, cadence: Cadence, level: Level, seed: u32) -> Scenario {
    let name = format!("{}/{}/{}/{seed}", family.name, cadence.name(), level.name());
    let mut random = Random::named(&name);
    let setting = setting(family, cadence, level, seed, &mut random);
    let drawn = (family.draw)(&setting, &mut random);
    let (series, leak) = sampled(name, &setting, drawn, &mut random);
    Scenario { family: family.name, series, truth: Truth { shape: family.name.to_owned(), leak } }
}

fn setting(
    family: &Family,
    cadence: Cadence,
    level: Level,
    seed: u32,
    random: &mut Random,
) -> Setting {
    let (shortest, longest) = cadence.spans_s();
    let life_s = random.between(shortest, longest).max(family.life_min_s);
    let before = if random.chance(1.0 / 3.0) { 0.0 } else { random.between(0.15, 0.5) };
    let onset_s = life_s * before / (1.0 - before);
    let limit = (random.log_between(256.0 * MIB, 64.0 * GIB) / PAGE).round() * PAGE;
    let span_s = onset_s + BEYOND * life_s;
    let time_s = instants(cadence.interval_s(), span_s, Flaw::of(seed), random);
    Setting { cadence, level, limit, onset_s, life_s, time_s }
}

/// Lays noise over what was drawn, ends a leak at its limit and rounds to what is read.
fn sampled(
    name: String,
    setting: &Setting,
    drawn: Drawn,
    random: &mut Random,
) -> (Series, Option<Leak>) {
    let Drawn { mut used, file, shmem, mut heap_in_use, limit, sigma, quantum, zeros, leak } =
        drawn;
    let time_s = setting.time_s.clone();
    let noise = noise::over(&time_s, sigma, setting.level, random);
    for (value, noise) in used.iter_mut().zip(&noise) {
        *value = (*value + noise).max(PAGE);
    }
    for value in &mut heap_in_use {
        *value = (*value + 0.3 * sigma * random.normal()).max(PAGE);
    }
    let is_over = |at: &usize| leak.is_some_and(|leak| time_s[*at] >= leak.killed_from_s);
    let end = (0..used.len()).filter(is_over).find(|&at| used[at] >= limit);
    for value in &mut used {
        *value = value.min(BELOW_LIMIT * limit);
    }
    if let Some(end) = end {
        used[end] = limit;
    }
    for at in zeros {
        used[at] = 0.0;
    }
    let round = |values: Vec<f64>| -> Vec<f64> {
        values.into_iter().map(|value| (value / quantum).round() * quantum).collect()
    };
    let used = round(used);
    let mut parts = Parts { heap_in_use: round(heap_in_use), ..Parts::default() };
    if !file.is_empty() || !shmem.is_empty() {
        let or_none = |part: Vec<f64>| if part.is_empty() { vec![0.0; used.len()] } else { part };
        (parts.file, parts.shmem) = (round(or_none(file)), round(or_none(shmem)));
        let others = parts.file.iter().zip(&parts.shmem);
        let anon = used.iter().zip(others).map(|(used, (file, shmem))| used - file - shmem);
        parts.anon = anon.map(|anon| anon.max(0.0)).collect();
    }
    let limit = vec![limit; used.len()];
    let mut series = Series { name, time_s, used, limit, parts };
    if let Some(end) = end {
        series.truncate(end + 1);
    }
    let truth = leak.map(|leak| truth(&series, leak, end.is_some()));
    (series, truth)
}

fn truth(series: &Series, leak: Growth, is_killed: bool) -> Leak {
    let (_, end_s) = series.ends();
    let Growth { onset_s, killed_from_s, is_interrupted } = leak;
    let at = series.time_s.partition_point(|&t| t < onset_s).min(series.used.len() - 1);
    let grown = series.used.last().copied().unwrap_or(0.0) - series.used[at];
    Leak {
        onset_s,
        oom_s: is_killed.then_some(end_s),
        end_s,
        life_from_s: if is_interrupted { killed_from_s } else { onset_s },
        rate_bytes_per_s: (!is_interrupted).then(|| grown / (end_s - onset_s)),
    }
}
