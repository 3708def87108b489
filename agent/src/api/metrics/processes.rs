//! Memory of the largest processes, and of the workloads that they are part of.
//!
//! Both lists are bounded; what has no rows is counted.

use super::{Labels, Sheet, names};
use crate::target::TargetKind;
use crate::units::Bytes;
use crate::verdict::Verdict;
use crate::view::{ProcessList, ProcessView};
use prometheus_client::metrics::MetricType::Gauge;
use std::cmp::Reverse;
use std::fmt;

/// Processes that get rows, by resident memory.
pub(super) const PROCESSES_MAX: usize = 100;
/// Workloads that get rows, by memory used.
const WORKLOADS_MAX: usize = 200;

/// One family of the processes: name, help, and where the value is.
type Column = (&'static str, &'static str, fn(&ProcessView) -> Option<f64>);

const COLUMNS: [Column; 6] = [
    ("process_rss_bytes", "Resident memory.", |p| Some(p.rss_bytes.as_f64())),
    ("process_anon_bytes", "Resident anonymous memory.", |p| Some(p.anon_bytes.as_f64())),
    ("process_file_bytes", "Resident pages of files.", |p| Some(p.file_bytes.as_f64())),
    ("process_shmem_bytes", "Resident shared memory.", |p| p.shmem_bytes.map(Bytes::as_f64)),
    ("process_swap_bytes", "Memory in swap.", |p| p.swap_bytes.map(Bytes::as_f64)),
    ("process_threads", "Threads.", |p| p.threads.map(f64::from)),
];

/// `list` holds the largest, [`PROCESSES_MAX`] of them at most.
pub(super) fn write(sheet: &mut Sheet<'_>, list: &ProcessList) -> fmt::Result {
    for (name, help, value) in COLUMNS {
        let rows = list.processes.iter().filter_map(|p| Some((labels(p), value(p)?)));
        sheet.family(Gauge, name, help, rows)?;
    }
    let omitted = list.total.saturating_sub(list.processes.len());
    let help = "Processes beyond the 100 largest, without rows.";
    sheet.gauge("processes_omitted", help, omitted as f64)
}

fn labels(process: &ProcessView) -> Labels<'_> {
    let mut labels = vec![
        ("target", process.id.as_str()),
        ("comm", process.comm.as_str()),
        ("workload", process.workload.as_str()),
        ("cgroup", process.cgroup.as_deref().unwrap_or("")),
    ];
    labels.extend(names::of_view(process.kubernetes.as_ref()));
    labels
}

/// Those verdicts that are about workloads carry what the workload uses.
pub(super) fn write_workloads(sheet: &mut Sheet<'_>, verdicts: &[Verdict]) -> fmt::Result {
    let of_workloads = verdicts.iter().filter(|v| v.target.kind == TargetKind::Workload);
    let mut all: Vec<&Verdict> = of_workloads.collect();
    all.sort_by_key(|v| Reverse(v.used_bytes));
    let omitted = all.len().saturating_sub(WORKLOADS_MAX);
    all.truncate(WORKLOADS_MAX);
    let used = all.iter().map(|v| (workload(v), v.used_bytes.as_f64()));
    sheet.family(Gauge, "workload_used_bytes", "Memory used by all its processes.", used)?;
    let growth = all.iter().map(|v| (workload(v), v.rate_bytes_per_s.0));
    let help = "Growth of the workload as its verdict has it.";
    sheet.family(Gauge, "workload_growth_bytes_per_second", help, growth)?;
    let help = "Workloads beyond the 200 largest, without rows.";
    sheet.gauge("workloads_omitted", help, omitted as f64)
}

fn workload(verdict: &Verdict) -> Labels<'_> {
    let name = verdict.target.labels.get("workload").unwrap_or(&verdict.target.id);
    let mut labels = vec![("workload", name.as_str())];
    labels.extend(names::of_labels(&verdict.target.labels));
    labels
}
