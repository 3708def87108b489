//! The families of scenarios: what must stay silent, and what must be found.
//!
//! Each names the cadences at which it makes sense; what is left out, and why, is said beside it.

mod caches;
mod cycles;
mod leaks;
mod levels;
mod lives;
mod sawtooth;
mod warming;

use crate::noise::Level;
use crate::random::Random;
use crate::sampling::Cadence;
use crate::scenario::{Drawn, Scenario, Setting, scenario};

/// A kind of series, and how one is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub name: &'static str,
    pub leaks: bool,
    pub cadences: &'static [Cadence],
    /// The shape needs at least so long to show. Units: seconds.
    pub life_min_s: f64,
    /// Draws the noiseless shape, of the setting's length.
    pub draw: fn(&Setting, &mut Random) -> Drawn,
}

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;

const ANY: &[Cadence] = &Cadence::ALL;
const QUICK: &[Cadence] = &[Cadence::Second, Cadence::TenSeconds];
const HOURS: &[Cadence] = &[Cadence::TenSeconds, Cadence::Minute, Cadence::FiveMinutes];
const DAYS: &[Cadence] = &[Cadence::Minute, Cadence::FiveMinutes];
const WEEKS: &[Cadence] = &[Cadence::FiveMinutes];

/// All families, those that must stay silent first.
pub const FAMILIES: &[Family] = &[
    healthy("steady", ANY, levels::steady),
    // A time constant below the sampling is a step, one above the span a straight line.
    healthy("warm_up_30s", QUICK, |s, r| warming::warm_up(30.0, s, r)),
    at_least(6.0 * HOUR, healthy("warm_up_1h", HOURS, |s, r| warming::warm_up(HOUR, s, r))),
    at_least(2.5 * DAY, healthy("warm_up_8h", DAYS, |s, r| warming::warm_up(8.0 * HOUR, s, r))),
    healthy("cache_fill", ANY, warming::cache_fill),
    healthy("gc_sawtooth", ANY, sawtooth::flat),
    healthy("gc_sawtooth_small", ANY, sawtooth::small),
    healthy("deploy_step", ANY, levels::deploy_step),
    healthy("page_cache", ANY, caches::page_cache),
    healthy("reclaimable_slab", ANY, caches::reclaimable_slab),
    // Less than two days shows no day, less than two weeks no week.
    at_least(2.5 * DAY, healthy("daily_cycle", DAYS, cycles::daily)),
    at_least(15.0 * DAY, healthy("weekly_cycle", WEEKS, cycles::weekly)),
    healthy("batch_jobs", ANY, levels::batch_jobs),
    healthy("restarts", ANY, lives::restarts),
    healthy("gaps_and_zeros", ANY, levels::gaps_and_zeros),
    healthy("quantised", ANY, levels::quantised),
    healthy("wander", ANY, levels::wander),
    healthy("workers_churn", ANY, lives::workers_churn),
    leak("linear", ANY, leaks::linear),
    // 480 KB/h are less than noise within the hours that 1 s series last.
    at_least(DAY, leak("slow_480k", HOURS, leaks::slow)),
    at_least(2.5 * DAY, leak("leak_daily", DAYS, cycles::leak)),
    leak("sawtooth_rising", ANY, sawtooth::rising),
    leak("stair", ANY, leaks::stair),
    leak("poisson", ANY, leaks::poisson),
    leak("accelerating", ANY, leaks::accelerating),
    leak("after_warm_up", ANY, leaks::after_warm_up),
    leak("across_restarts", ANY, lives::across_restarts),
    leak("fragmentation", ANY, leaks::fragmentation),
    leak("shmem", ANY, caches::shmem),
    leak("anon_under_cache", ANY, caches::anon_under_cache),
    leak("multi_process", ANY, lives::multi_process),
];

const fn healthy(
    name: &'static str,
    cadences: &'static [Cadence],
    draw: fn(&Setting, &mut Random) -> Drawn,
) -> Family {
    Family { name, leaks: false, cadences, life_min_s: 0.0, draw }
}

const fn leak(
    name: &'static str,
    cadences: &'static [Cadence],
    draw: fn(&Setting, &mut Random) -> Drawn,
) -> Family {
    Family { name, leaks: true, cadences, life_min_s: 0.0, draw }
}

const fn at_least(life_min_s: f64, family: Family) -> Family {
    Family { life_min_s, ..family }
}

/// One of each family, cadence and noise level for each seed.
#[must_use]
pub fn all(seeds: std::ops::Range<u32>) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for family in FAMILIES {
        for &cadence in family.cadences {
            for level in Level::ALL {
                scenarios.extend(seeds.clone().map(|seed| scenario(family, cadence, level, seed)));
            }
        }
    }
    scenarios
}
