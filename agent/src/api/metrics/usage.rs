//! Memory of the node and of its largest cgroups.

use super::{Labels, Sheet, names};
use crate::units::Bytes;
use crate::view::{CgroupView, NodeView};
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use std::cmp::Reverse;
use std::fmt;

/// Cgroups that get rows, by usage.
const CGROUPS_MAX: usize = 500;

pub(super) fn write_node(sheet: &mut Sheet<'_>, node: &NodeView) -> fmt::Result {
    let bytes = |bytes: Option<Bytes>| bytes.map(Bytes::as_f64);
    sheet.gauge("node_mem_total_bytes", "MemTotal.", bytes(Some(node.mem_total_bytes)))?;
    sheet.gauge("node_mem_available_bytes", "MemAvailable.", bytes(node.mem_available_bytes))?;
    sheet.gauge("node_mem_used_bytes", "MemTotal - MemAvailable.", bytes(Some(node.used_bytes)))?;
    sheet.gauge("node_swap_total_bytes", "SwapTotal.", bytes(node.swap_total_bytes))?;
    sheet.gauge("node_swap_free_bytes", "SwapFree.", bytes(node.swap_free_bytes))?;
    let psi = node.psi.map(|psi| [("some", Some(psi.some_total_s)), ("full", psi.full_total_s)]);
    let psi = psi.into_iter().flatten();
    sheet.family(
        Counter,
        "node_psi_memory_seconds",
        "Time that some or all tasks were stalled on memory, from /proc/pressure/memory.",
        psi.filter_map(|(kind, seconds)| Some((vec![("kind", kind)], seconds?))),
    )?;
    sheet.counter(
        "node_oom_kills",
        "oom_kill of /proc/vmstat: OOM kills since boot.",
        node.vmstat.get("oom_kill").map(|count| *count as f64),
    )
}

/// One family of the cgroups: name, help, and where the value is.
type Column = (&'static str, &'static str, fn(&CgroupView) -> Option<Bytes>);

const COLUMNS: [Column; 9] = [
    ("cgroup_usage_bytes", "Memory charged to the cgroup.", |c| Some(c.usage_bytes)),
    ("cgroup_working_set_bytes", "Usage - inactive_file.", |c| Some(c.working_set_bytes)),
    ("cgroup_unreclaimable_bytes", "What reclaim cannot free without swap.", |c| {
        c.unreclaimable_bytes
    }),
    ("cgroup_anon_bytes", "Anonymous memory.", |c| c.anon_bytes),
    ("cgroup_file_bytes", "Page cache.", |c| c.file_bytes),
    ("cgroup_shmem_bytes", "Shared memory and tmpfs.", |c| c.shmem_bytes),
    ("cgroup_kernel_bytes", "Kernel memory.", |c| c.kernel_bytes),
    ("cgroup_swap_bytes", "Memory in swap.", |c| c.swap_bytes),
    ("cgroup_limit_bytes", "The tightest limit of the cgroup and its ancestors.", |c| {
        c.limit_bytes.bytes()
    }),
];

/// Those that get rows, and how many do not.
pub(super) fn largest(mut cgroups: Vec<CgroupView>) -> (Vec<CgroupView>, usize) {
    cgroups.sort_by_key(|cgroup| Reverse(cgroup.usage_bytes));
    let omitted = cgroups.len().saturating_sub(CGROUPS_MAX);
    cgroups.truncate(CGROUPS_MAX);
    (cgroups, omitted)
}

pub(super) fn write_cgroups(sheet: &mut Sheet<'_>, cgroups: Vec<CgroupView>) -> fmt::Result {
    let (cgroups, omitted) = largest(cgroups);
    for (name, help, value) in COLUMNS {
        let rows = cgroups.iter().filter_map(|c| Some((labels(c), value(c)?.as_f64())));
        sheet.family(Gauge, name, help, rows)?;
    }
    let kills = cgroups.iter().filter_map(|c| Some((labels(c), *c.events.get("oom_kill")? as f64)));
    sheet.family(
        Counter,
        "cgroup_oom_kills",
        "Processes of the cgroup that were killed.",
        kills,
    )?;
    names::write_declared(sheet, &cgroups)?;
    sheet.gauge("cgroups_omitted", "Cgroups beyond the 500 largest, without rows.", omitted as f64)
}

fn labels(cgroup: &CgroupView) -> Labels<'_> {
    let mut labels = vec![("cgroup", cgroup.path.as_str())];
    labels.extend(names::of_view(cgroup.kubernetes.as_ref()));
    labels
}
