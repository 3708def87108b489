//! The figures of one leak, from what was seen of it. Pure.

use super::stage::{Eta, Kind, Sighting, Suspicion};
use std::time::Duration;

/// How far from an instant a forecast may have been seen and still stand for it. A share of life.
const NEAR: f64 = 0.03;

/// Times are from the onset of the leak unless they say otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    pub life: Duration,
    /// When it was first suspected. A share of life; negative if before the onset.
    pub suspected: Option<f64>,
    /// When its end was first foretold, counted back from the end.
    pub warned: Option<Duration>,
    /// How often the forecast was taken back before the end.
    pub withdrawn: usize,
    /// What stood at half of life, and at three quarters.
    pub half: Option<Forecast>,
    pub three_quarters: Option<Forecast>,
    pub named: Vec<Kind>,
    /// What was last said of the process, or else of whatever was named.
    pub cause: Option<String>,
}

/// A forecast, and what was left when it stood. Units: seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    pub left: f64,
    pub eta: Eta,
}

impl Forecast {
    /// Of the median forecast, as a share of what was left.
    #[must_use]
    pub fn error(&self) -> f64 {
        (self.eta.p50 - self.left).abs() / self.left
    }

    /// Whether the end came between p10 and p90.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        (self.eta.p10..=self.eta.p90).contains(&self.left)
    }
}

impl Account {
    /// Of a leak that set in `onset` after its start and ended `end` after it.
    #[must_use]
    pub fn of(sightings: &[Sighting], onset: Duration, end: Duration) -> Self {
        let life = end.saturating_sub(onset);
        let foretold = |s: &&Sighting| s.state >= Suspicion::OomPredicted;
        let first_warning = sightings.iter().find(foretold);
        let mut named: Vec<Kind> = sightings.iter().map(|s| s.kind).collect();
        named.sort_unstable();
        named.dedup();
        let of_process = sightings.iter().rev().find(|s| s.kind == Kind::Process);
        Self {
            life,
            suspected: sightings.first().map(|first| {
                (first.at.as_secs_f64() - onset.as_secs_f64()) / life.as_secs_f64().max(1.0)
            }),
            warned: first_warning.map(|first| end.saturating_sub(first.at)),
            withdrawn: withdrawn(sightings, end),
            half: standing(sightings, onset, end, 0.5),
            three_quarters: standing(sightings, onset, end, 0.75),
            named,
            cause: of_process.or(sightings.last()).map(|last| last.cause.clone()),
        }
    }
}

/// Stretches without any forecast between the first one and the end, longer than a late poll.
fn withdrawn(sightings: &[Sighting], end: Duration) -> usize {
    let late = Duration::from_secs(3);
    let mut told: Vec<Duration> =
        sightings.iter().filter(|s| s.state >= Suspicion::OomPredicted).map(|s| s.at).collect();
    if !told.is_empty() {
        told.push(end);
    }
    told.windows(2).filter(|pair| pair[1].saturating_sub(pair[0]) > late).count()
}

/// The forecast nearest to a share of life: of the cgroup, whose limit it is, or else of another.
fn standing(
    sightings: &[Sighting],
    onset: Duration,
    end: Duration,
    share: f64,
) -> Option<Forecast> {
    let life = end.saturating_sub(onset);
    let then = onset + life.mul_f64(share);
    let near = |s: &&Sighting| s.at.abs_diff(then) <= life.mul_f64(NEAR);
    let of = |cgroup: bool| {
        let told = sightings.iter().filter(near).filter(|s| s.eta.is_some());
        told.filter(|s| !cgroup || s.kind == Kind::Cgroup).min_by_key(|s| s.at.abs_diff(then))
    };
    let sighting = of(true).or_else(|| of(false))?;
    Some(Forecast { left: end.saturating_sub(sighting.at).as_secs_f64(), eta: sighting.eta? })
}
