//! Metric families, one after another, and the two text formats that Prometheus reads.

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::collections::BTreeSet;
use std::fmt;

/// Label names and values; values are escaped when they are written.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Names are with their prefix, and for counters without `_total`.
pub(super) struct Sheet<'a>(pub DescriptorEncoder<'a>);

impl Sheet<'_> {
    pub(super) fn family<'l>(
        &mut self,
        kind: MetricType,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
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

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.family(MetricType::Gauge, name, help, [(Labels::new(), value as f64)])
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.family(MetricType::Counter, name, help, [(Labels::new(), value as f64)])
    }
}

fn write_value(metric: &mut MetricEncoder<'_>, kind: MetricType, value: f64) -> fmt::Result {
    match kind {
        MetricType::Counter => metric.encode_counter::<NoLabelSet, f64, f64>(&value, None),
        _ => metric.encode_gauge(&value),
    }
}

/// Turns OpenMetrics text into Prometheus' text format 0.0.4: there a counter's metadata carries
/// its full name, and there is no end mark.
///
/// Works by line, which holds because newlines in label values are escaped.
pub(super) fn plain(open_metrics: &str) -> String {
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
            Some(format!("{start}{name}{total} {rest}"))
        });
        text.push_str(metadata.as_deref().unwrap_or(line));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_format_names_counters_in_full_and_has_no_end_mark() {
        let open = "# HELP a b.\n# TYPE a counter\na_total 1.0\n# TYPE g gauge\ng 2\n# EOF\n";
        let want = "# HELP a_total b.\n# TYPE a_total counter\na_total 1.0\n# TYPE g gauge\ng 2\n";
        assert_eq!(plain(open), want);
    }
}
