//! What the metrics of a request must be: as docs/export.md promises, and as OTLP's data model
//! wants them.

use super::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, number_data_point::Value};
use std::collections::{BTreeMap, BTreeSet};

const SCHEMA: &str = "https://opentelemetry.io/schemas/1.44.0";

/// Unit and kind of each metric, as the table of docs/export.md has them.
#[must_use]
pub fn promised() -> BTreeMap<String, (String, String)> {
    let docs = include_str!("../../../docs/export.md");
    let mut all = BTreeMap::new();
    for line in docs.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        if let [_, name, unit, kind, of, ..] = cells[..]
            && name.contains('.')
            && !of.is_empty()
        {
            all.insert(name.to_owned(), (unit.to_owned(), kind.to_owned()));
        }
    }
    assert!(all.len() > 30, "the table of docs/export.md was found");
    all
}

/// Everything that is wrong with a request; nothing if it is as it should be. `delta`: whether
/// counters are deltas.
#[must_use]
pub fn faults(request: &ExportMetricsServiceRequest, delta: bool) -> Vec<String> {
    let promised = promised();
    let mut faults = Vec::new();
    let mut resources = BTreeSet::new();
    for one in &request.resource_metrics {
        let attributes = one.resource.as_ref().map(|r| r.attributes.clone()).unwrap_or_default();
        let who = shown(&attributes);
        let mut fault = |what: String| faults.push(format!("{what} of {{{who}}}"));
        let keys: BTreeSet<_> = attributes.iter().map(|one| &one.key).collect();
        if keys.len() != attributes.len() || attributes.iter().any(|a| a.value.is_none()) {
            fault("an attribute is there twice or empty".into());
        }
        if !keys.iter().any(|key| *key == "host.name") || who.contains("host.name=localhost") {
            fault("no host.name".into());
        }
        if !resources.insert(who.clone()) {
            fault("the resource is there twice".into());
        }
        if one.schema_url != SCHEMA || one.scope_metrics.len() != 1 {
            fault(format!("schema {:?} or not one scope", one.schema_url));
        }
        for scope in &one.scope_metrics {
            let named = scope.scope.as_ref().is_some_and(|s| s.name == "plimsoll");
            if !named || scope.schema_url != SCHEMA {
                fault("the scope has no name or schema".into());
            }
            let names: BTreeSet<_> = scope.metrics.iter().map(|metric| &metric.name).collect();
            if names.len() != scope.metrics.len() {
                fault("a metric is there twice".into());
            }
            for metric in &scope.metrics {
                match promised.get(&metric.name) {
                    Some((unit, kind)) => metric_faults(metric, unit, kind, delta, &mut fault),
                    None => fault(format!("{} is not documented", metric.name)),
                }
            }
        }
    }
    faults
}

/// The points of a metric, whatever its kind.
#[must_use]
pub fn points(metric: &Metric) -> &[NumberDataPoint] {
    match &metric.data {
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        Some(Data::Sum(sum)) => &sum.data_points,
        _ => &[],
    }
}

fn metric_faults(
    metric: &Metric,
    unit: &str,
    kind: &str,
    delta: bool,
    fault: &mut impl FnMut(String),
) {
    let name = &metric.name;
    if metric.unit != unit {
        fault(format!("{name}: unit {:?}, not {unit:?}", metric.unit));
    }
    let points = match (&metric.data, kind) {
        (Some(Data::Gauge(gauge)), "gauge") => &gauge.data_points,
        (Some(Data::Sum(sum)), "counter" | "up and down") => {
            let counter = kind == "counter";
            let wanted = if counter && delta { 1 } else { 2 };
            if sum.is_monotonic != counter || sum.aggregation_temporality != wanted {
                fault(format!("{name}: monotonic or temporality is not that of {kind}"));
            }
            &sum.data_points
        }
        (data, _) => return fault(format!("{name}: {data:?} is no {kind}")),
    };
    let sets: BTreeSet<_> = points.iter().map(|point| shown(&point.attributes)).collect();
    if points.is_empty() || sets.len() != points.len() {
        fault(format!("{name}: no points, or two of the same attributes"));
    }
    for point in points {
        point_faults(name, kind, point, fault);
    }
}

fn point_faults(name: &str, kind: &str, point: &NumberDataPoint, fault: &mut impl FnMut(String)) {
    let (start, at) = (point.start_time_unix_nano, point.time_unix_nano);
    let year_2020 = 1_577_836_800_000_000_000;
    if at < year_2020 || (kind != "gauge" && (start == 0 || start > at)) {
        fault(format!("{name}: from {start} to {at}"));
    }
    let good = match point.value {
        Some(Value::AsDouble(x)) => x.is_finite() && (kind != "counter" || x >= 0.0),
        Some(Value::AsInt(n)) => n >= 0,
        None => false,
    };
    if !good {
        fault(format!("{name}: the value is {:?}", point.value));
    }
}

/// Attributes as text, in order of their keys.
#[must_use]
pub fn shown(attributes: &[KeyValue]) -> String {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let value = |one: &KeyValue| match one.value.as_ref().and_then(|v| v.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(n)) => n.to_string(),
        other => format!("{other:?}"),
    };
    let mut all: Vec<_> = attributes.iter().map(|a| format!("{}={}", a.key, value(a))).collect();
    all.sort();
    all.join(",")
}
