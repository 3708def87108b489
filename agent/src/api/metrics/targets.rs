//! How many targets are in which state, and the numbers of those in trouble.

use super::{Labels, Sheet, names};
use crate::target::TargetKind;
use crate::units::Bytes;
use crate::verdict::{Cause, State, Verdict};
use crate::view::Counts;
use prometheus_client::metrics::MetricType::{Gauge, Unknown};
use std::cmp::Ordering;
use std::fmt;

/// Targets in trouble that get rows, by urgency.
const TARGETS_MAX: usize = 200;

/// The states of those in trouble.
pub(super) const TROUBLED: [State; 3] =
    [State::OomImminent, State::OomPredicted, State::LeakSuspected];

const KINDS: [(TargetKind, &str); 4] = [
    (TargetKind::Node, "node"),
    (TargetKind::Workload, "workload"),
    (TargetKind::Cgroup, "cgroup"),
    (TargetKind::Process, "process"),
];
const STATES: [(State, &str); 5] = [
    (State::Ok, "ok"),
    (State::WarmingUp, "warming_up"),
    (State::LeakSuspected, "leak_suspected"),
    (State::OomPredicted, "oom_predicted"),
    (State::OomImminent, "oom_imminent"),
];

const CAUSES: [(Cause, &str); 12] = [
    (Cause::HeapLeak, "heap_leak"),
    (Cause::RetainedGrowth, "retained_growth"),
    (Cause::Fragmentation, "fragmentation"),
    (Cause::CacheFill, "cache_fill"),
    (Cause::PageCache, "page_cache"),
    (Cause::Shmem, "shmem"),
    (Cause::OffHeap, "off_heap"),
    (Cause::Kernel, "kernel"),
    (Cause::Threads, "threads"),
    (Cause::Fds, "fds"),
    (Cause::RestartLoop, "restart_loop"),
    (Cause::Unknown, "unknown"),
];

/// A target that warms up is not in trouble: nothing is claimed of it yet.
pub(super) fn write(sheet: &mut Sheet<'_>, counts: &Counts, troubled: &[Verdict]) -> fmt::Result {
    write_counts(sheet, counts)?;
    let mut urgent: Vec<&Verdict> = troubled.iter().collect();
    urgent.sort_by(|a, b| by_urgency(a, b));
    let omitted = urgent.len().saturating_sub(TARGETS_MAX);
    urgent.truncate(TARGETS_MAX);
    write_numbers(sheet, &urgent)?;
    write_times(sheet, &urgent)?;
    write_judgements(sheet, &urgent)?;
    sheet.gauge(
        "targets_omitted",
        "Targets in trouble beyond the 200 most urgent, without rows.",
        omitted as f64,
    )
}

/// Every kind in every state, zeros too, so that an alert rule never meets an absent series.
fn write_counts(sheet: &mut Sheet<'_>, counts: &Counts) -> fmt::Result {
    let cells = KINDS.iter().flat_map(|kind| STATES.iter().map(move |state| (*kind, *state)));
    let rows = cells.map(|((kind, kind_name), (state, state_name))| {
        let here = counts.get(&(kind, state)).copied().unwrap_or(0);
        (vec![("kind", kind_name), ("state", state_name)], here as f64)
    });
    sheet.family(Gauge, "targets", "Targets by kind and state of their verdict.", rows)
}

/// State first, then the time left, then the rate.
fn by_urgency(a: &Verdict, b: &Verdict) -> Ordering {
    let time_left = |v: &Verdict| v.eta_s.map_or(f64::INFINITY, |eta| eta.p50);
    b.state
        .cmp(&a.state)
        .then_with(|| time_left(a).total_cmp(&time_left(b)))
        .then_with(|| b.rate_bytes_per_s.0.total_cmp(&a.rate_bytes_per_s.0))
        .then_with(|| a.target.id.cmp(&b.target.id))
}

fn write_numbers(sheet: &mut Sheet<'_>, urgent: &[&Verdict]) -> fmt::Result {
    let used = urgent.iter().map(|v| (labels(v), v.used_bytes.as_f64()));
    sheet.family(Gauge, "target_used_bytes", "Memory used, of targets in trouble.", used)?;
    let limits =
        urgent.iter().filter_map(|v| Some((labels(v), v.limit_bytes.bytes().map(Bytes::as_f64)?)));
    sheet.family(Gauge, "target_limit_bytes", "Limit, of targets in trouble.", limits)?;
    let rates = urgent.iter().map(|v| (labels(v), v.rate_bytes_per_s.0));
    sheet.family(Gauge, "target_growth_bytes_per_second", "Growth, of targets in trouble.", rates)
}

/// The family is of unknown type because a gauge must not have a `quantile` label (promtool
/// says so) and a summary, which this is not, would need a sum and a count.
fn write_times(sheet: &mut Sheet<'_>, urgent: &[&Verdict]) -> fmt::Result {
    let rows = urgent.iter().flat_map(|verdict| {
        let quantiles = verdict.eta_s.map(|e| [("0.1", e.p10), ("0.5", e.p50), ("0.9", e.p90)]);
        quantiles.into_iter().flatten().map(|(quantile, seconds)| {
            let mut labels = labels(verdict);
            labels.push(("quantile", quantile));
            (labels, seconds)
        })
    });
    sheet.family(
        Unknown,
        "target_time_to_limit_seconds",
        "Forecast time until the limit, of targets in trouble; 0.1 is the early end.",
        rows,
    )
}

fn write_judgements(sheet: &mut Sheet<'_>, urgent: &[&Verdict]) -> fmt::Result {
    let states = urgent.iter().map(|verdict| {
        let mut labels = labels(verdict);
        let state = STATES.iter().find(|(state, _)| *state == verdict.state);
        let cause = CAUSES.iter().find(|(cause, _)| *cause == verdict.cause);
        labels.push(("state", state.map_or("", |(_, name)| name)));
        labels.push(("cause", cause.map_or("", |(_, name)| name)));
        (labels, 1.0)
    });
    let help = "State and cause of the verdict, of targets in trouble; always 1.";
    sheet.family(Gauge, "target_state", help, states)?;
    let confidence = urgent.iter().map(|v| (labels(v), v.confidence));
    let help = "How sure the verdict is, 0 to 1, of targets in trouble.";
    sheet.family(Gauge, "target_confidence_ratio", help, confidence)
}

fn labels(verdict: &Verdict) -> Labels<'_> {
    let target = &verdict.target;
    let kind = KINDS.iter().find(|(kind, _)| *kind == target.kind).map_or("", |(_, name)| name);
    let mut labels = vec![
        ("kind", kind),
        ("target", target.id.as_str()),
        ("workload", target.labels.get("workload").map_or("", String::as_str)),
        ("cgroup", target.cgroup.as_deref().unwrap_or("")),
    ];
    labels.extend(names::of_labels(&target.labels));
    labels
}
