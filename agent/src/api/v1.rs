//! `/api/v1`: the documents of [`crate::view`] as JSON.

use super::Shared;
use super::problem::{ParameterError, Problem};
use super::query::{Params, moment, step, word};
use crate::target::{Target, TargetKind};
use crate::verdict::{State as VerdictState, Verdict};
use crate::view::pressure::PressureView;
use crate::view::{
    AlertView, CgroupView, Metric, NodeView, ProcessDetail, ProcessList, ProcessOrder, SeriesQuery,
    SeriesView,
};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use std::time::SystemTime;

const PROCESSES_DEFAULT: usize = 100;
const PROCESSES_MAX: usize = 10_000;
/// Units: seconds.
const SERIES_SPAN_DEFAULT_S: f64 = 3600.0;

type Answer<T> = Result<Json<T>, Problem>;

/// The node: meminfo, pressure, zones, slabs, and its verdict.
#[utoipa::path(get, path = "/api/v1/node", tag = "memory",
    responses((status = 200, description = "The node's memory now", body = NodeView)))]
pub(super) async fn node(State(shared): State<Shared>, uri: Uri) -> Answer<NodeView> {
    Params::of(&uri).finish()?;
    Ok(Json(shared.watch.node()))
}

/// The pressure signal: how short memory is, who was asked for how much, and what came of it.
#[utoipa::path(get, path = "/api/v1/pressure", tag = "judgement",
    responses((status = 200, description = "Scopes, subscribers and the last signals",
        body = PressureView)))]
pub(super) async fn pressure(State(shared): State<Shared>, uri: Uri) -> Answer<PressureView> {
    Params::of(&uri).finish()?;
    Ok(Json(shared.watch.pressure()))
}

/// Every cgroup that is watched.
#[utoipa::path(get, path = "/api/v1/cgroups", tag = "memory",
    responses((status = 200, description = "All cgroups", body = Vec<CgroupView>)))]
pub(super) async fn cgroups(State(shared): State<Shared>, uri: Uri) -> Answer<Vec<CgroupView>> {
    Params::of(&uri).finish()?;
    Ok(Json(shared.watch.cgroups()))
}

/// The processes that come first in an order.
#[utoipa::path(get, path = "/api/v1/processes", tag = "memory",
    params(
        ("sort" = Option<ProcessOrder>, Query, description = "Default rss. Sizes and rate: \
            largest first; eta: soonest first; pid: ascending"),
        ("limit" = Option<usize>, Query, description = "How many; default 100",
            minimum = 1, maximum = 10_000)),
    responses((status = 200, description = "The first of them, and how many there are",
        body = ProcessList)))]
pub(super) async fn processes(State(shared): State<Shared>, uri: Uri) -> Answer<ProcessList> {
    let mut params = Params::of(&uri);
    let order = params.take("sort", word::<ProcessOrder>);
    let limit = params.take("limit", |text| {
        let limit = text.parse().ok().filter(|n| (1..=PROCESSES_MAX).contains(n));
        limit.ok_or_else(|| format!("'{text}' is not a whole number from 1 to {PROCESSES_MAX}"))
    });
    params.finish()?;
    let limit = limit.unwrap_or(PROCESSES_DEFAULT);
    Ok(Json(shared.watch.processes(order.unwrap_or_default(), limit)))
}

/// One process in full.
#[utoipa::path(get, path = "/api/v1/processes/{pid}", tag = "memory",
    params(("pid" = u32, Path, description = "As the host's pid namespace numbers it")),
    responses((status = 200, description = "The process", body = ProcessDetail),
        (status = 404, description = "No such process is watched", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn process(
    State(shared): State<Shared>,
    pid: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Answer<ProcessDetail> {
    Params::of(&uri).finish()?;
    let pid = pid.ok().and_then(|Path(text)| text.parse().ok()).filter(|pid: &u32| *pid > 0);
    let pid = pid.ok_or_else(|| {
        let detail = format!("is not a process id: a whole number from 1 to {}", u32::MAX);
        Problem::parameters(vec![ParameterError { parameter: "pid".into(), detail }])
    })?;
    let found = shared.watch.process(pid);
    found.map(Json).ok_or_else(|| {
        Problem::unknown_target(format!("no process {pid} is watched: it has ended or never was"))
    })
}

/// The history of one target.
#[utoipa::path(get, path = "/api/v1/series", tag = "memory",
    params(
        ("target" = String, Query, description = "`node`, `workload:NAME`, `cgroup:/PATH` or \
            `process:PID@START_TIME`, as the `id` fields give it"),
        ("metric" = Option<Metric>, Query, description = "Default used"),
        ("from" = Option<String>, Query, description = "RFC 3339, Unix seconds, or an age such \
            as -1h; default one hour before `to`"),
        ("to" = Option<String>, Query, description = "As `from`; default now"),
        ("step" = Option<String>, Query, description = "Seconds, or with a unit as in 30s, 5m; \
            default whatever resolution is kept. Widened if it would give over 5,000 points")),
    responses((status = 200, description = "The series", body = SeriesView),
        (status = 404, description = "No such target has a history", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn series(State(shared): State<Shared>, uri: Uri) -> Answer<SeriesView> {
    let query = series_query(&uri, now_unix_s())?;
    shared
        .watch
        .series(&query)
        .map(Json)
        .ok_or_else(|| Problem::unknown_target(format!("'{}' has no history here", query.target)))
}

/// Reads the parameters of a series as of `now_unix_s`.
fn series_query(uri: &Uri, now_unix_s: f64) -> Result<SeriesQuery, Problem> {
    let mut params = Params::of(uri);
    let target = params.require("target", str::parse::<Target>);
    let metric = params.take("metric", word::<Metric>);
    let from = params.take("from", |text| moment(text, now_unix_s));
    let to = params.take("to", |text| moment(text, now_unix_s));
    let step_s = params.take("step", step);
    let end = to.unwrap_or(now_unix_s);
    let start = from.unwrap_or((end - SERIES_SPAN_DEFAULT_S).max(0.0));
    if start > end {
        params.wrong("from", "lies after 'to'");
    }
    params.finish()?;
    Ok(SeriesQuery {
        // `require` noted its absence, so `finish` has returned an error then.
        target: target.unwrap_or(Target::Node),
        metric: metric.unwrap_or_default(),
        from_unix_s: Some(start),
        to_unix_s: Some(end),
        step_s,
    })
}

/// What is thought of the targets, most urgent first.
#[utoipa::path(get, path = "/api/v1/verdicts", tag = "judgement",
    params(
        ("state" = Option<VerdictState>, Query, description = "Only these; default all"),
        ("kind" = Option<TargetKind>, Query, description = "Only these; default all. A node \
            with many processes has as many verdicts of them")),
    responses((status = 200, description = "The verdicts", body = Vec<Verdict>)))]
pub(super) async fn verdicts(State(shared): State<Shared>, uri: Uri) -> Answer<Vec<Verdict>> {
    let mut params = Params::of(&uri);
    let state = params.take("state", word::<VerdictState>);
    let kind = params.take("kind", word::<TargetKind>);
    params.finish()?;
    Ok(Json(shared.watch.verdicts(state, kind)))
}

/// Alerts that fire, and those that ended of late.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "judgement",
    responses((status = 200, description = "The alerts", body = Vec<AlertView>)))]
pub(super) async fn alerts(State(shared): State<Shared>, uri: Uri) -> Answer<Vec<AlertView>> {
    Params::of(&uri).finish()?;
    Ok(Json(shared.watch.alerts()))
}

/// The edge where an age such as `-1h` meets the wall clock.
fn now_unix_s() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_defaults_to_the_last_hour_and_counts_back_from_to() {
        let query = |q: &str| series_query(&q.parse().unwrap(), 10_000.0).unwrap();
        let plain = query("/?target=node");
        assert_eq!((plain.from_unix_s, plain.to_unix_s), (Some(6_400.0), Some(10_000.0)));
        assert_eq!((plain.target, plain.metric, plain.step_s), (Target::Node, Metric::Used, None));
        let other = query("/?target=cgroup:/a%20b&metric=anon&to=-1h&step=30s");
        assert_eq!((other.from_unix_s, other.to_unix_s), (Some(2_800.0), Some(6_400.0)));
        assert_eq!((other.metric, other.step_s), (Metric::Anon, Some(30.0)));
        assert_eq!(other.target, Target::Cgroup("/a b".into()));
    }
}
