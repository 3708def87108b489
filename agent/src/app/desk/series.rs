//! A target's series out of its tiers: the finest that reaches back far enough for each stretch.

use crate::clock::Stamp;
use crate::history::{Split, Tier, Window};
use crate::sampler::State;
use crate::units::Bytes;
use crate::view::{Metric, SeriesQuery, SeriesView};
use std::time::Duration;

/// Points in an answer at most.
const POINTS_MAX: usize = 5_000;
/// What is asked for without `from`.
const SPAN_DEFAULT: Duration = Duration::from_secs(3600);

/// A run of one value.
#[derive(Clone, Copy, Debug)]
struct Run {
    at: Stamp,
    until: Stamp,
    value: Bytes,
}

pub(super) fn series(state: &State, query: &SeriesQuery) -> Option<SeriesView> {
    let window = state.history.window(state.history.find(&query.target)?);
    let now = state.clock.now();
    let stamp = |unix_s: f64| state.clock.stamp_of_unix_ms((unix_s * 1000.0) as i64);
    let to = query.to_unix_s.map_or(now, stamp);
    let from = query.from_unix_s.map_or(to.minus(SPAN_DEFAULT), stamp);
    let runs = runs(window, query.metric, from, to);
    let unix_s = |at: Stamp| state.clock.unix_ms(at) as f64 / 1000.0;
    let (points, step_s) = match query.step_s {
        None => thin(&runs, from, to, unix_s),
        Some(step) => {
            let least = to.since(from).as_secs_f64() / POINTS_MAX as f64;
            let step = step.max(least);
            (resample(&runs, from, to, step, unix_s), Some(step))
        }
    };
    Some(SeriesView {
        target: query.target.to_string(),
        metric: query.metric,
        unit: "By".to_owned(),
        points,
        step_s,
    })
}

/// Hours as far as minutes do not reach, minutes as far as fine points do not.
fn runs(window: Window<'_>, metric: Metric, from: Stamp, to: Stamp) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let fine_from = window.points().next().map_or(to, |p| p.at);
    let minute_from = window.buckets(Tier::Minute).next().map_or(fine_from, |b| b.at);
    let mut add = |at: Stamp, until: Stamp, split: &Split| {
        if until >= from && at <= to {
            let (at, until) = (at.max(from), until.min(to));
            runs.push(Run { at, until, value: part(split, metric) });
        }
    };
    for bucket in window.buckets(Tier::Hour).filter(|b| b.until <= minute_from) {
        add(bucket.at, bucket.until, &bucket.median);
    }
    for bucket in window.buckets(Tier::Minute).filter(|b| b.until <= fine_from) {
        add(bucket.at, bucket.until, &bucket.median);
    }
    for point in window.points() {
        add(point.at, point.until, &point.split);
    }
    runs
}

const fn part(split: &Split, metric: Metric) -> Bytes {
    match metric {
        Metric::Used => split.used,
        Metric::Anon => split.anon,
        Metric::File => split.file,
        Metric::Shmem => split.shmem,
        Metric::Swap => split.swap,
    }
}

type Points = Vec<(f64, Option<f64>)>;

/// Both ends of every run as they are, unless there are too many of them.
fn thin(
    runs: &[Run],
    from: Stamp,
    to: Stamp,
    unix_s: impl Fn(Stamp) -> f64,
) -> (Points, Option<f64>) {
    if runs.len() * 2 > POINTS_MAX {
        let step = to.since(from).as_secs_f64() / POINTS_MAX as f64;
        return (resample(runs, from, to, step, unix_s), Some(step));
    }
    let mut points = Points::with_capacity(runs.len() * 2);
    for run in runs {
        points.push((unix_s(run.at), Some(run.value.as_f64())));
        if run.until > run.at {
            points.push((unix_s(run.until), Some(run.value.as_f64())));
        }
    }
    (points, None)
}

/// The value that held at each step; null where nothing was read for longer than two steps and a
/// minute.
fn resample(
    runs: &[Run],
    from: Stamp,
    to: Stamp,
    step_s: f64,
    unix_s: impl Fn(Stamp) -> f64,
) -> Points {
    let stale = Duration::from_secs_f64((step_s * 2.0).max(60.0));
    let steps = (to.since(from).as_secs_f64() / step_s).floor() as usize;
    let mut points = Points::new();
    let mut next = 0;
    for i in 0..=steps.min(POINTS_MAX) {
        let at = from.plus(Duration::from_secs_f64(i as f64 * step_s));
        while next < runs.len() && runs[next].at <= at {
            next += 1;
        }
        let Some(run) = next.checked_sub(1).map(|i| runs[i]) else { continue };
        let value = (at.since(run.until) <= stale).then(|| run.value.as_f64());
        points.push((unix_s(at), value));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(at: i64, until: i64, value: u64) -> Run {
        Run { at: Stamp(at * 1000), until: Stamp(until * 1000), value: Bytes(value) }
    }

    #[test]
    fn resampling_holds_values_and_leaves_gaps_null() {
        let runs = [run(10, 20, 5), run(300, 300, 7)];
        let points = resample(&runs, Stamp(0), Stamp(310_000), 30.0, |at| at.secs());
        let shown: Vec<_> = points.iter().map(|(t, v)| (*t as i64, v.map(|v| v as i64))).collect();
        assert_eq!(shown[0], (30, Some(5)));
        assert_eq!(shown[2], (90, None));
        assert_eq!(*shown.last().unwrap(), (300, Some(7)));
    }

    #[test]
    fn too_many_points_are_thinned_to_the_bound() {
        let runs: Vec<Run> = (0..10_000).map(|i| run(i, i, i as u64)).collect();
        let (points, step) = thin(&runs, Stamp(0), Stamp(10_000_000), |at| at.secs());
        assert!(points.len() <= POINTS_MAX + 1 && points.len() > 4_000, "{}", points.len());
        assert_eq!(step, Some(2.0));
    }
}
