//! The detector over the sets, and what came of it.

use crate::baselines::{self, Rule};
use crate::events::ByEntity;
use crate::score::{Drift, Growth, Silence, drift, growth, outcomes, silence};
use crate::series::Series;
use crate::sets::{Question, Set};
use crate::truth::Leak;
use serde::Serialize;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What one contestant reached on one set.
#[derive(Debug, Serialize)]
pub struct Scored {
    pub contestant: String,
    /// Units: seconds of wall time, for all rows.
    pub took_s: f64,
    #[serde(flatten)]
    pub figures: Figures,
    /// Of a synthetic set, by family.
    pub families: BTreeMap<String, Figures>,
}

impl Scored {
    /// Whether it is the detector, with whatever caution.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.contestant.starts_with(OWN)
    }
}

/// Figures of a set or a part of it; those that its question does not ask are `None`.
#[derive(Debug, Default, Serialize)]
pub struct Figures {
    pub silence: Option<Silence>,
    pub growth: Option<Growth>,
    pub drift: Option<Drift>,
}

/// What the detector said with some caution.
#[derive(Debug)]
pub struct Own {
    pub caution: f64,
    pub events: ByEntity,
    pub took: Duration,
}

/// The detector as it comes; with a caution its name goes on.
pub const OWN: &str = "plimsoll";

impl Own {
    fn name(&self) -> String {
        if self.caution == 0.0 { OWN.to_owned() } else { format!("{OWN} {:+}", self.caution) }
    }
}

/// All contestants on one set.
#[derive(Debug, Serialize)]
pub struct Scoreboard {
    pub set: String,
    pub rows: usize,
    pub series: usize,
    pub scored: Vec<Scored>,
}

/// Scores what a contestant said about a set.
#[must_use]
pub fn score(contestant: &str, set: &Set, events: &ByEntity, took: Duration) -> Scored {
    let mut families = BTreeMap::new();
    if set.question == Question::Known {
        let mut by_family: BTreeMap<&str, Vec<&Series>> = BTreeMap::new();
        for series in &set.series {
            by_family.entry(Set::family(series)).or_default().push(series);
        }
        let scored = |(family, series): (&str, Vec<&Series>)| {
            (family.to_owned(), known(set, &series, events))
        };
        families = by_family.into_iter().map(scored).collect();
    }
    let figures = match set.question {
        Question::Known => known(set, &set.series.iter().collect::<Vec<_>>(), events),
        Question::Silent => {
            Figures { silence: Some(silence(&set.series, events)), ..Figures::default() }
        }
        Question::Drift => {
            Figures { drift: Some(drift(&set.series, events)), ..Figures::default() }
        }
    };
    Scored { contestant: contestant.to_owned(), took_s: took.as_secs_f64(), figures, families }
}

fn known(set: &Set, series: &[&Series], events: &ByEntity) -> Figures {
    let truth = |series: &&Series| set.truths.get(&series.name);
    let leaks: Vec<(&str, &str, &Leak)> = series
        .iter()
        .filter_map(|series| {
            let truth = truth(series)?;
            Some((series.name.as_str(), truth.shape.as_str(), truth.leak.as_ref()?))
        })
        .collect();
    let healthy: Vec<&Series> = series
        .iter()
        .copied()
        .filter(|series| truth(series).is_none_or(|truth| truth.leak.is_none()))
        .collect();
    let growth = (!leaks.is_empty()).then(|| growth(&outcomes(leaks, events)));
    let silence = (!healthy.is_empty()).then(|| silence(healthy, events));
    Figures { silence, growth, drift: None }
}

/// Scores the detector's events, with all its cautions, and every rule; rules share the processors.
#[must_use]
pub fn contest(set: &Set, own: &[Own], rules: &[&'static dyn Rule]) -> Scoreboard {
    let mut scored: Vec<Scored> =
        own.iter().map(|own| score(&own.name(), set, &own.events, own.took)).collect();
    let judged = |rule: &'static dyn Rule| {
        let begun = Instant::now();
        let events = baselines::judge(rule, &set.series);
        score(rule.name(), set, &events, begun.elapsed())
    };
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut by_rule: Vec<(usize, Scored)> = std::thread::scope(|scope| {
        let work = || {
            let turns = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            let mine = turns.map_while(|nth| rules.get(nth).map(|rule| (nth, judged(*rule))));
            mine.collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|e| resume_unwind(e)))
            .collect()
    });
    by_rule.sort_by_key(|(nth, _)| *nth);
    scored.extend(by_rule.into_iter().map(|(_, scored)| scored));
    Scoreboard { set: set.name.clone(), rows: set.rows(), series: set.series.len(), scored }
}
