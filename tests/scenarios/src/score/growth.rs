//! Leaks whose onset is known, and mostly their end: found or not, how soon, and how well foretold.

use crate::events::{ByEntity, Event, leak_times, standing};
use crate::series::median;
use crate::truth::Leak;
use serde::Serialize;
use std::collections::BTreeMap;

/// At these shares of life forecasts are asked for.
pub const SHARES: [f64; 3] = [0.25, 0.5, 0.75];
const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;

/// What a detector made of one leak.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    pub name: String,
    pub shape: String,
    pub found: bool,
    pub early: bool,
    /// Share of life; 1 if not found.
    pub delay: f64,
    /// Suspected rate at the last suspicion ÷ true rate, less one, without sign.
    pub rate_error: Option<f64>,
    pub cause: Option<String>,
    /// At each of [`SHARES`]; empty where the leak has no OOM.
    pub forecasts: Vec<Option<Forecast>>,
    /// Whether a prediction stood 5 min before the OOM, or a quarter of a life if that is less;
    /// `None` where there is no OOM.
    pub warned_5min: Option<bool>,
    /// The same an hour before; of lives of 4 h and more.
    pub warned_1h: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// Share of the time left.
    pub error: f64,
    pub is_inside: bool,
}

/// Judges the events of one leak.
#[must_use]
pub fn outcome(name: &str, shape: &str, leak: &Leak, events: &[Event]) -> Outcome {
    let leaks = leak_times(events);
    let during: Vec<f64> =
        leaks.iter().copied().filter(|&t| t >= leak.onset_s && t < leak.end_s).collect();
    let said = events.iter().rev().find(|event| during.last() == Some(&event.time_s));
    let rates = said.and_then(|event| event.rate_bytes_per_s).zip(leak.rate_bytes_per_s);
    let life_s = leak.end_s - leak.life_from_s;
    let stood = |ahead_s: f64| {
        leak.oom_s.map(|oom_s| standing(events, oom_s - ahead_s.min(life_s / 4.0)).is_some())
    };
    let forecast = |oom_s: f64, share: f64| {
        let at_s = leak.life_from_s + share * (oom_s - leak.life_from_s);
        let event = standing(events, at_s)?;
        let eta = event.eta_s?;
        let error = (event.time_s + eta.p50 - oom_s).abs() / (oom_s - at_s);
        let is_inside = event.time_s + eta.p10 <= oom_s && oom_s <= event.time_s + eta.p90;
        Some(Forecast { error, is_inside })
    };
    Outcome {
        name: name.to_owned(),
        shape: shape.to_owned(),
        found: !during.is_empty(),
        early: leaks.iter().any(|&t| t < leak.onset_s),
        delay: during.first().map_or(1.0, |first| (first - leak.onset_s) / leak.life_s()),
        rate_error: rates.map(|(said, is)| (said / is - 1.0).abs()),
        cause: said.and_then(|event| event.cause.clone()),
        forecasts: leak
            .oom_s
            .map(|oom_s| SHARES.iter().map(|&share| forecast(oom_s, share)).collect())
            .unwrap_or_default(),
        warned_5min: stood(5.0 * MINUTE),
        warned_1h: if life_s >= 4.0 * HOUR { stood(HOUR) } else { None },
    }
}

/// Forecasts at one share of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct At {
    pub share: f64,
    pub asked: usize,
    pub standing: usize,
    pub error_median: Option<f64>,
    pub inside: usize,
}

/// All leaks together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Growth {
    pub series: usize,
    pub found: usize,
    pub early: usize,
    pub delay_median: Option<f64>,
    pub rate_error_median: Option<f64>,
    pub forecasts: Vec<At>,
    /// Warned, of so many.
    pub warned_5min: (usize, usize),
    pub warned_1h: (usize, usize),
    /// Found, of so many, by shape.
    pub by_shape: BTreeMap<String, (usize, usize)>,
    pub causes: BTreeMap<String, usize>,
    pub missed: Vec<String>,
    pub early_names: Vec<String>,
}

/// Sums up what was made of each leak.
#[must_use]
pub fn growth(outcomes: &[Outcome]) -> Growth {
    let names = |is: fn(&Outcome) -> bool| -> Vec<String> {
        outcomes.iter().filter(|o| is(o)).map(|o| o.name.clone()).collect()
    };
    let count = |of: fn(&Outcome) -> Option<bool>| {
        let asked: Vec<bool> = outcomes.iter().filter_map(of).collect();
        (asked.iter().filter(|warned| **warned).count(), asked.len())
    };
    let at = |(nth, &share): (usize, &f64)| {
        let asked: Vec<_> = outcomes.iter().filter_map(|o| o.forecasts.get(nth)).collect();
        let had: Vec<Forecast> = asked.iter().filter_map(|forecast| **forecast).collect();
        At {
            share,
            asked: asked.len(),
            standing: had.len(),
            error_median: median(had.iter().map(|f| f.error).collect()),
            inside: had.iter().filter(|f| f.is_inside).count(),
        }
    };
    let missed = names(|o| !o.found);
    let early_names = names(|o| o.early);
    let mut by_shape = BTreeMap::new();
    let mut causes = BTreeMap::new();
    for outcome in outcomes {
        let (found, all) = by_shape.entry(outcome.shape.clone()).or_insert((0, 0));
        *found += usize::from(outcome.found);
        *all += 1;
        if let Some(cause) = &outcome.cause {
            *causes.entry(cause.clone()).or_insert(0) += 1;
        }
    }
    Growth {
        series: outcomes.len(),
        found: outcomes.len() - missed.len(),
        early: early_names.len(),
        delay_median: median(outcomes.iter().map(|o| o.delay).collect()),
        rate_error_median: median(outcomes.iter().filter_map(|o| o.rate_error).collect()),
        forecasts: SHARES.iter().enumerate().map(at).collect(),
        warned_5min: count(|o| o.warned_5min),
        warned_1h: count(|o| o.warned_1h),
        by_shape,
        causes,
        missed,
        early_names,
    }
}

/// Judges each of several leaks: name, shape, truth.
pub fn outcomes<'a>(
    leaks: impl IntoIterator<Item = (&'a str, &'a str, &'a Leak)>,
    events: &ByEntity,
) -> Vec<Outcome> {
    let events = |name: &str| events.get(name).map_or(&[][..], Vec::as_slice);
    let judged =
        leaks.into_iter().map(|(name, shape, leak)| outcome(name, shape, leak, events(name)));
    judged.collect()
}
