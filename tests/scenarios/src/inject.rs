//! Leaks of known form laid over recorded memory.
//!
//! A quiet stretch of a recorded series (its eighths' medians within 15 % of the limit) is the
//! background; from an onset on, a growth is added that reaches the limit. The forms are: linear;
//! equal jumps; bursts; a power of time; growth that follows the day; and those measured on
//! recorded drifts after their warm-up, by the medians of 48 equal stretches, so that the pace of a
//! real leak is kept and its scale is not.

use crate::random::Random;
use crate::scenario::Scenario;
use crate::series::{Parts, Series, median, quantile};
use crate::sets::Set;
use crate::truth::{Leak, Truth};
use std::borrow::Cow;
use std::f64::consts::TAU;

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;
/// Tries at a quiet stretch for each leak.
const TRIES: u32 = 200;

/// How leaks are laid over one recorded set.
#[derive(Clone, Copy, Debug)]
pub struct Background {
    /// What the recorded set's name begins with.
    pub set: &'static str,
    /// How many leaks.
    pub count: u32,
    /// Units: seconds, from and to.
    pub life_s: (f64, f64),
    pub before_s: (f64, f64),
    /// Readings are multiples of this. Units: bytes.
    pub quantum: f64,
}

pub const BACKGROUNDS: [Background; 3] = [
    Background {
        set: "alibaba",
        count: 36,
        life_s: (3.0 * HOUR, 4.0 * DAY),
        before_s: (6.0 * HOUR, 2.0 * DAY),
        quantum: 1e9,
    },
    Background {
        set: "bitbrains",
        count: 48,
        life_s: (6.0 * HOUR, 7.0 * DAY),
        before_s: (2.0 * DAY, 12.0 * DAY),
        quantum: 1024.0,
    },
    Background {
        set: "exathlon",
        count: 24,
        life_s: (900.0, 1800.0),
        before_s: (240.0, 900.0),
        quantum: 8.0,
    },
];

/// The form of a measured growth: its course from 0 to 1 at equal shares of its time.
#[derive(Clone, Debug)]
pub struct Form(Vec<f64>);

impl Form {
    /// `None` if the run is shorter than 12 h after its warm-up of 3 h, or does not grow.
    #[must_use]
    pub fn measured(run: &Series) -> Option<Self> {
        let (first_s, last_s) = run.ends();
        let from_s = first_s + 3.0 * HOUR;
        if last_s - from_s < 12.0 * HOUR {
            return None;
        }
        let mut parts: [Vec<f64>; 48] = std::array::from_fn(|_| Vec::new());
        for point in run.points().filter(|point| point.time_s >= from_s) {
            let share = (point.time_s - from_s) / (last_s - from_s);
            parts[((share * 48.0) as usize).min(47)].push(point.used);
        }
        let course: Vec<f64> =
            parts.into_iter().filter_map(|part| median(Cow::Owned(part))).collect();
        let (low, high) = (*course.first()?, *course.last()?);
        (high > low).then(|| Self(course.iter().map(|at| (at - low) / (high - low)).collect()))
    }

    /// Between the measured values a straight line, beyond the end the mean pace.
    fn at(&self, life: f64) -> f64 {
        let place = life.max(0.0) * (self.0.len() - 1) as f64;
        let before = place as usize;
        match (self.0.get(before), self.0.get(before + 1)) {
            (Some(low), Some(high)) => low + (high - low) * (place - before as f64),
            _ => life,
        }
    }
}

/// Leaks over the quiet stretches of one set. The same set and forms give the same leaks.
#[must_use]
pub fn inject(background: &Background, set: &Set, forms: &[Form]) -> Vec<Scenario> {
    let made = (0..background.count).filter_map(|nth| {
        let mut random = Random::named(&format!("{}/{nth}", background.set));
        (0..TRIES).find_map(|_| attempt(background, set, forms, nth, &mut random))
    });
    made.collect()
}

/// Where a leak is laid. Units: seconds on the recorded series' clock.
#[derive(Clone, Copy)]
struct Place {
    from_s: f64,
    onset_s: f64,
    life_s: f64,
}

fn attempt(
    background: &Background,
    set: &Set,
    forms: &[Form],
    nth: u32,
    random: &mut Random,
) -> Option<Scenario> {
    let all = u32::try_from(set.series.len()).ok()?;
    let recorded = &set.series[random.whole(0, all - 1) as usize];
    let (shortest, longest) = background.life_s;
    let life_s = random.log_between(shortest, longest);
    let before_s = random.between(background.before_s.0, background.before_s.1);
    let (first_s, last_s) = recorded.ends();
    // A third more than the life, so that whatever form it has reaches the limit.
    let spare_s = last_s - first_s - before_s - 1.33 * life_s;
    if spare_s < 0.0 {
        return None;
    }
    let from_s = first_s + random.unit() * spare_s;
    let place = Place { from_s, onset_s: from_s + before_s, life_s };
    let mut series = stretch(recorded, place);
    if background.quantum >= 1e9 {
        // These machines are four fifths full; at half of that a leak has room.
        series.used.iter_mut().for_each(|used| *used *= 0.5);
    }
    let high = quantile(Cow::Borrowed(&series.used), 0.99)?;
    if series.limit.iter().any(|limit| limit.is_infinite()) {
        let limit = (high * random.between(1.3, 2.2)).round();
        series.limit.fill(limit);
    }
    let limit = *series.limit.first()?;
    if !is_quiet(&series, limit) || high > 0.75 * limit {
        return None;
    }
    let (shape, grown) = growth(nth, life_s, forms, random)?;
    let gain = limit - quantile(Cow::Borrowed(&series.used), 0.9)?;
    let end = add(&mut series, place, background.quantum, |life| gain * grown(life))?;
    series.truncate(end + 1);
    series.name = format!("{}/{}#{shape}{nth}", background.set, recorded.name);
    let end_s = series.ends().1;
    let leak = Leak {
        onset_s: place.onset_s,
        oom_s: Some(end_s),
        end_s,
        life_from_s: place.onset_s,
        rate_bytes_per_s: Some(gain / (end_s - place.onset_s)),
    };
    let truth = Truth { shape: shape.to_owned(), leak: Some(leak) };
    Some(Scenario { family: background.set, series, truth })
}

fn stretch(recorded: &Series, place: Place) -> Series {
    let until_s = place.onset_s + 1.33 * place.life_s;
    let from = recorded.time_s.partition_point(|&t| t < place.from_s);
    let to = recorded.time_s.partition_point(|&t| t <= until_s);
    Series {
        name: String::new(),
        time_s: recorded.time_s[from..to].to_vec(),
        used: recorded.used[from..to].to_vec(),
        limit: recorded.limit[from..to].to_vec(),
        parts: Parts::default(),
    }
}

fn is_quiet(series: &Series, limit: f64) -> bool {
    let eighth = series.used.len() / 8;
    if eighth < 10 {
        return false;
    }
    let medians = series.used.chunks_exact(eighth).filter_map(|part| median(Cow::Borrowed(part)));
    let (low, high) =
        medians.fold((f64::INFINITY, 0.0_f64), |(low, high), m| (low.min(m), high.max(m)));
    high - low < 0.15 * limit
}

/// Adds a growth from the onset on; the index at which the limit is reached, if it is.
fn add(
    series: &mut Series,
    place: Place,
    quantum: f64,
    grown: impl Fn(f64) -> f64,
) -> Option<usize> {
    let columns = series.time_s.iter().zip(&series.limit).zip(&mut series.used);
    for (at, ((&t, &limit), used)) in columns.enumerate() {
        let life = (t - place.onset_s) / place.life_s;
        let leaked = if life > 0.0 { grown(life) } else { 0.0 };
        *used = ((*used + leaked) / quantum).round() * quantum;
        if life > 0.0 && *used >= limit {
            *used = limit;
            return Some(at);
        }
        // The measured form of a leak may fall below where it began.
        *used = used.clamp(0.0, 0.999 * limit);
    }
    None
}

type Grown<'a> = Box<dyn Fn(f64) -> f64 + 'a>;

/// The form that is whose turn it is, as a function of the share of life.
fn growth<'a>(
    nth: u32,
    life_s: f64,
    forms: &'a [Form],
    random: &mut Random,
) -> Option<(&'static str, Grown<'a>)> {
    Some(match nth % 6 {
        0 => ("linear", Box::new(|life| life)),
        1 => {
            let steps = f64::from(random.whole(8, 30));
            ("stair", Box::new(move |life| (life * steps).floor() / steps))
        }
        2 => {
            let bursts = bursts(f64::from(random.whole(15, 50)), random);
            ("poisson", Box::new(move |life| bursts[bursts.partition_point(|b| b.0 <= life) - 1].1))
        }
        3 => {
            let power = random.between(1.5, 2.5);
            ("accelerating", Box::new(move |life: f64| life.powf(power)))
        }
        4 => {
            // Only a life of days has days; shorter ones follow a rhythm of a seventh of theirs.
            let rounds = if life_s >= 2.0 * DAY { life_s / DAY } else { 7.0 };
            let (phase, depth) = (random.unit(), random.between(0.5, 1.0));
            let wave = move |life: f64| (TAU * (life * rounds + phase)).cos() / (TAU * rounds);
            ("daily", Box::new(move |life| life + depth * (wave(0.0) - wave(life))))
        }
        _ => {
            let last = u32::try_from(forms.len()).ok()?.checked_sub(1)?;
            let form = &forms[random.whole(0, last) as usize];
            ("measured", Box::new(move |life| form.at(life)))
        }
    })
}

/// Instants and what has leaked by then; on average one at the end of life. Begins with none at 0.
fn bursts(count: f64, random: &mut Random) -> Vec<(f64, f64)> {
    let mut bursts = vec![(0.0, 0.0)];
    let (mut at, mut sum) = (0.0, 0.0);
    while at < 1.5 {
        at += random.exponential(1.0 / count);
        sum += random.exponential(1.0 / count);
        bursts.push((at, sum));
    }
    bursts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sets::Question;
    use std::collections::HashMap;
    use std::path::PathBuf;

    fn recorded() -> Set {
        let time_s: Vec<f64> = (0..3600).map(f64::from).collect();
        let used = time_s.iter().map(|t| 1e9 + 1e7 * (t / 40.0).sin()).collect();
        let limit = vec![f64::INFINITY; time_s.len()];
        let name = "executor/1".to_owned();
        let series = Series { name, time_s, used, limit, parts: Parts::default() };
        Set {
            name: "exathlon-jvmheap-1s".to_owned(),
            path: PathBuf::new(),
            series: vec![series],
            question: Question::Silent,
            truths: HashMap::new(),
        }
    }

    #[test]
    fn a_leak_begins_at_its_onset_and_ends_at_the_limit() {
        let set = recorded();
        let form = Form((0..48).map(|n| f64::from(n) / 47.0).collect());
        let made = inject(&BACKGROUNDS[2], &set, &[form]);
        assert_eq!(made.len(), 24);
        for Scenario { series, truth, .. } in &made {
            let leak = truth.leak.as_ref().expect("it leaks");
            let last = series.points().last().expect("it has samples");
            assert!(last.used >= last.limit && leak.oom_s == Some(last.time_s), "{}", series.name);
            let before = series.points().filter(|point| point.time_s <= leak.onset_s);
            assert!(before.count() > 200 && leak.life_s() > 300.0, "{}", series.name);
            for point in series.points().filter(|point| point.time_s <= leak.onset_s) {
                let was = set.series[0].used[point.time_s as usize];
                assert!(
                    (point.used - was).abs() <= 8.0,
                    "{} changed before its onset",
                    series.name
                );
            }
        }
        let shapes: Vec<&str> = made.iter().take(6).map(|s| s.truth.shape.as_str()).collect();
        assert_eq!(shapes, ["linear", "stair", "poisson", "accelerating", "daily", "measured"]);
    }

    #[test]
    fn the_form_of_a_drift_is_that_of_its_medians() {
        let time_s: Vec<f64> = (0..2000).map(|n| f64::from(n) * 60.0).collect();
        let used = time_s.iter().map(|t| 1e9 + 1e3 * t.powi(2)).collect();
        let limit = vec![f64::INFINITY; time_s.len()];
        let run = Series { name: String::new(), time_s, used, limit, parts: Parts::default() };
        let form = Form::measured(&run).expect("it grows for 30 h");
        assert!(form.at(0.0).abs() < 1e-9 && (form.at(1.0) - 1.0).abs() < 1e-9);
        assert!(form.at(0.5) < 0.45, "{}", form.at(0.5));
        assert!((form.at(1.2) - 1.2).abs() < 1e-9);
    }
}
