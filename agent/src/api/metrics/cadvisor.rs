//! Memory of cgroups under the names that cAdvisor gave it, for dashboards that people have.
//!
//! Off unless `export.prometheus.cadvisor_names` is set: beside a kubelet that serves the same
//! names every sum would count twice. Where names of pods are not known their labels are empty.

use super::usage::largest;
use super::{Labels, Sheet};
use crate::units::{Bytes, Limit};
use crate::view::{CgroupView, Watch};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use std::fmt;
use std::sync::Arc;

/// One family: name, help, and where the value is.
type Column = (&'static str, &'static str, fn(&CgroupView) -> Option<f64>);

const COLUMNS: [Column; 6] = [
    ("container_memory_usage_bytes", "Memory charged.", |c| Some(c.usage_bytes.as_f64())),
    ("container_memory_working_set_bytes", "Usage - inactive_file.", |c| {
        Some(c.working_set_bytes.as_f64())
    }),
    ("container_memory_rss", "Anonymous memory.", |c| c.anon_bytes.map(Bytes::as_f64)),
    ("container_memory_cache", "Page cache.", |c| c.file_bytes.map(Bytes::as_f64)),
    ("container_memory_swap", "Memory in swap.", |c| c.swap_bytes.map(Bytes::as_f64)),
    ("container_spec_memory_limit_bytes", "The cgroup's own limit; 0 is none.", |c| {
        Some(match c.max_bytes {
            Limit::Max => 0.0,
            limit => limit.bytes()?.as_f64(),
        })
    }),
];

pub(super) struct Scrape(pub(super) Arc<dyn Watch>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cadvisor::Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        let (cgroups, _) = largest(self.0.cgroups());
        for (name, help, value) in COLUMNS {
            let rows = cgroups.iter().filter_map(|c| Some((labels(c), value(c)?)));
            sheet.family(Gauge, name, help, rows)?;
        }
        let kills = cgroups.iter();
        let kills = kills.filter_map(|c| Some((labels(c), *c.events.get("oom_kill")? as f64)));
        sheet.family(Counter, "container_oom_events", "Processes killed.", kills)
    }
}

fn labels(cgroup: &CgroupView) -> Labels<'_> {
    let known = |key: &str| cgroup.labels.get(key).map_or("", String::as_str);
    vec![
        ("id", cgroup.path.as_str()),
        ("namespace", known("k8s.namespace.name")),
        ("pod", known("k8s.pod.name")),
        ("container", known("k8s.container.name")),
        ("name", known("container.id")),
    ]
}
