//! `/metrics`: the agent's own cost, the node, the largest cgroups, and the targets in trouble.
//!
//! Read from the [`Watch`] at each scrape; nothing is counted here. Label sets are bounded:
//! 200 targets by urgency, 500 cgroups, 100 processes and 200 workloads by usage, 20 incidents by
//! age, and gauges say how many were left out.

mod cadvisor;
mod destinations;
mod export;
mod guard;
mod incidents;
mod names;
mod own;
mod pressure;
mod processes;
#[cfg(test)]
mod reference;
mod reports;
mod targets;
#[cfg(test)]
mod tests;
mod usage;

use super::probes::accepts;
use super::problem::Problem;
use super::query::Params;
use super::{ApiSettings, Guard, Reload, Shared};
use crate::target::TargetKind;
use crate::view::{ProcessOrder, Watch};
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_1: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN_0_0_4: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics for Prometheus: OpenMetrics if the client accepts it, else the plain text format.
#[utoipa::path(get, path = "/metrics", tag = "agent",
    responses((status = 200, description = "The metrics", content(
        (String = "text/plain"), (String = "application/openmetrics-text")))))]
pub(super) async fn metrics(
    State(shared): State<Shared>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::of(&uri).finish()?;
    let mut exposition = String::new();
    text::encode(&mut exposition, &shared.metrics).map_err(|_| Problem::internal())?;
    Ok(if accepts(&headers, OPEN_METRICS) {
        ([(header::CONTENT_TYPE, OPEN_METRICS_1)], exposition).into_response()
    } else {
        ([(header::CONTENT_TYPE, PLAIN_0_0_4)], plain(&exposition)).into_response()
    })
}

/// What `/metrics` must know of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MetricsSettings {
    /// Serves cgroups under cAdvisor's names too.
    pub cadvisor_names: bool,
    /// Share of one core that sampling may use.
    pub cpu_budget: f64,
}

/// A registry whose values are looked up in `watch` whenever it is encoded.
pub(super) fn registry(watch: Arc<dyn Watch>, api: &ApiSettings) -> Registry {
    let mut registry = Registry::default();
    let own = Scrape {
        watch: Arc::clone(&watch),
        guard: Arc::clone(&api.guard),
        reload: api.reload.clone(),
        settings: api.metrics,
    };
    registry.sub_registry_with_prefix("plimsoll").register_collector(Box::new(own));
    if api.metrics.cadvisor_names {
        registry.register_collector(Box::new(cadvisor::Scrape(watch)));
    }
    registry
}

struct Scrape {
    watch: Arc<dyn Watch>,
    guard: Arc<Guard>,
    reload: Option<Arc<dyn Reload>>,
    settings: MetricsSettings,
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        let watch = &self.watch;
        let own = watch.own();
        own::write(&mut sheet, &own)?;
        let help = "Share of one core that sampling may use.";
        sheet.gauge("agent_sampler_cpu_budget_ratio", help, self.settings.cpu_budget)?;
        reports::write(&mut sheet, &own.reports)?;
        names::write(&mut sheet, &own.names)?;
        own::write_sources(&mut sheet, &watch.health())?;
        pressure::write(&mut sheet, &watch.pressure())?;
        incidents::write_alerts(&mut sheet, &watch.alerts())?;
        incidents::write(&mut sheet, &watch.incidents())?;
        destinations::write(&mut sheet, &watch.destinations(), watch.silences().len())?;
        export::write(&mut sheet, &watch.export())?;
        usage::write_node(&mut sheet, &watch.node())?;
        usage::write_cgroups(&mut sheet, watch.cgroups())?;
        let largest = watch.processes(ProcessOrder::Rss, processes::PROCESSES_MAX);
        processes::write(&mut sheet, &largest)?;
        // Of ten thousand targets most are well: their verdicts are counted, not copied.
        let workloads = watch.verdicts(None, Some(TargetKind::Workload));
        processes::write_workloads(&mut sheet, &workloads)?;
        guard::write(&mut sheet, &self.guard, self.reload.as_deref())?;
        let troubled = targets::TROUBLED.iter().flat_map(|s| watch.verdicts(Some(*s), None));
        targets::write(&mut sheet, &watch.counts(), &troubled.collect::<Vec<_>>())
    }
}

/// Label names and values; values are escaped when they are written.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Writes metric families one after another. Names are without the prefix, and for counters
/// without `_total`.
struct Sheet<'a>(DescriptorEncoder<'a>);

impl Sheet<'_> {
    /// Writes nothing at all if there are no rows. Values that are not finite are left out.
    fn family<'l>(
        &mut self,
        kind: MetricType,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        let mut rows = rows.into_iter().filter(|(_, value)| value.is_finite()).peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in rows {
            if labels.is_empty() {
                write_value(&mut family, kind, value)?;
            } else {
                write_value(&mut family.encode_family(&labels)?, kind, value)?;
            }
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Into<Option<f64>>) -> fmt::Result {
        let row = value.into().map(|value| (Labels::new(), value));
        self.family(MetricType::Gauge, name, help, row)
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Into<Option<f64>>) -> fmt::Result {
        let row = value.into().map(|value| (Labels::new(), value));
        self.family(MetricType::Counter, name, help, row)
    }
}

fn write_value(metric: &mut MetricEncoder<'_>, kind: MetricType, value: f64) -> fmt::Result {
    match kind {
        MetricType::Counter => metric.encode_counter::<NoLabelSet, f64, f64>(&value, None),
        _ => metric.encode_gauge(&value),
    }
}

/// Turns OpenMetrics text into Prometheus' text format 0.0.4: there a counter's metadata carries
/// its full name, unknown is called untyped, and there is no end mark.
///
/// Works by line, which holds because newlines in label values are escaped.
fn plain(open_metrics: &str) -> String {
    let type_of = |line: &'_ str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        (kind == "counter").then(|| name.to_owned())
    };
    let counters: BTreeSet<String> = open_metrics.lines().filter_map(type_of).collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| *line != "# EOF") {
        let metadata = ["# HELP ", "# TYPE "].iter().find_map(|start| {
            let (name, rest) = line.strip_prefix(start)?.split_once(' ')?;
            let total = if counters.contains(name) { "_total" } else { "" };
            let rest = if rest == "unknown" { "untyped" } else { rest };
            Some(format!("{start}{name}{total} {rest}"))
        });
        text.push_str(metadata.as_deref().unwrap_or(line));
        text.push('\n');
    }
    text
}
