//! What the agent itself costs, and what it can see.

use super::Sheet;
use crate::units::Bytes;
use crate::view::{HealthView, OwnView, SourceState};
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use std::collections::BTreeMap;
use std::fmt;

/// `plimsoll_agent_*` and what else the agent counts about its work.
pub(super) fn write(sheet: &mut Sheet<'_>, own: &OwnView) -> fmt::Result {
    let version = [(vec![("version", own.version.as_str())], 1.0)];
    sheet.family(Gauge, "build_info", "The agent's build; always 1.", version)?;
    write_process(sheet, own)?;
    write_allocator(sheet, own)?;
    write_history(sheet, own)?;
    write_sampling(sheet, own)
}

fn write_process(sheet: &mut Sheet<'_>, own: &OwnView) -> fmt::Result {
    sheet.gauge("agent_uptime_seconds", "Time since the agent started.", own.uptime_s)?;
    sheet.counter("agent_cpu_seconds", "CPU time of the agent.", own.cpu_seconds_total)?;
    sheet.counter(
        "agent_sampler_cpu_seconds",
        "CPU time of the agent's sampler.",
        own.sampler_cpu_seconds_total,
    )?;
    sheet.gauge("agent_rss_bytes", "Resident memory of the agent.", own.rss_bytes.as_f64())
}

fn write_allocator(sheet: &mut Sheet<'_>, own: &OwnView) -> fmt::Result {
    let rows = [
        ("allocated", own.allocator_allocated_bytes),
        ("active", own.allocator_active_bytes),
        ("resident", own.allocator_resident_bytes),
        ("mapped", own.allocator_mapped_bytes),
        ("retained", own.allocator_retained_bytes),
    ];
    let rows = rows
        .into_iter()
        .filter_map(|(kind, bytes)| bytes.map(|bytes| (vec![("kind", kind)], bytes.as_f64())));
    sheet.family(
        Gauge,
        "agent_allocator_bytes",
        "The agent's allocator as jemalloc's stats.* count it.",
        rows,
    )
}

fn write_history(sheet: &mut Sheet<'_>, own: &OwnView) -> fmt::Result {
    let bytes = Bytes::as_f64;
    sheet.gauge("history_bytes", "Memory that the history holds.", bytes(own.history_bytes))?;
    sheet.gauge(
        "history_budget_bytes",
        "Memory that the history may hold.",
        bytes(own.history_budget_bytes),
    )?;
    sheet.counter(
        "history_trimmed_points",
        "Points dropped to keep the budget.",
        own.history_trimmed_points_total as f64,
    )?;
    sheet.counter(
        "history_evicted_series",
        "Whole series dropped to keep the budget.",
        own.history_evicted_series_total as f64,
    )?;
    sheet.counter(
        "history_flush_failures",
        "Flushes of the history to disk that failed.",
        own.flush_failures_total as f64,
    )
}

fn write_sampling(sheet: &mut Sheet<'_>, own: &OwnView) -> fmt::Result {
    sheet.gauge("watched_processes", "Processes that are watched.", own.processes as f64)?;
    sheet.gauge("watched_cgroups", "Cgroups that are watched.", own.cgroups as f64)?;
    sheet.gauge("watched_workloads", "Workloads that are watched.", own.workloads as f64)?;
    sheet.gauge("kept_fds", "Files of /proc that are kept open.", own.kept_fds as f64)?;
    sheet.gauge(
        "kept_fds_limit",
        "Files of /proc that may be kept open.",
        own.kept_fds_max as f64,
    )?;
    let by_source = [
        ("samples", "Readings taken.", &own.samples_total),
        (
            "read_errors",
            "Readings that failed; what ended meanwhile does not count.",
            &own.read_errors_total,
        ),
    ];
    for (name, help, counts) in by_source {
        sheet.family(Counter, name, help, rows_by_source(counts))?;
    }
    sheet.counter(
        "short_lived_processes",
        "Processes seen by their fork and gone before they were read.",
        own.short_lived_total as f64,
    )?;
    sheet.counter(
        "connector_overruns",
        "Times that the kernel dropped process events because the agent read them too slowly.",
        own.connector_overruns_total as f64,
    )?;
    sheet.gauge(
        "senses_cgroups",
        "Cgroups whose own events wake the sampler.",
        own.senses_cgroups as f64,
    )?;
    let heard = own.senses_total.iter().map(|(s, n)| (vec![("sense", s.as_str())], *n as f64));
    sheet.family(Counter, "senses_wakes", "Times that a sense woke the sampler.", heard)?;
    sheet.counter(
        "senses_dropped",
        "Words of senses that the sampler had no room for.",
        own.senses_dropped_total as f64,
    )?;
    sheet.gauge(
        "sampler_shed_factor",
        "How much rarer the least urgent targets are read to keep the CPU budget; 1 is nothing.",
        own.shed_factor,
    )?;
    sheet.gauge(
        "sampler_lag_seconds",
        "How late the sampler is with its most overdue target.",
        own.sampler_lag_seconds,
    )?;
    sheet.gauge(
        "first_sweep_seconds",
        "Time from the start to the first complete sweep.",
        own.first_sweep_seconds,
    )?;
    sheet.counter("oom_kills_seen", "OOM kills that the agent saw.", own.oom_kills_total as f64)?;
    write_recorder(sheet, own)
}

fn write_recorder(sheet: &mut Sheet<'_>, own: &OwnView) -> fmt::Result {
    sheet.counter(
        "incidents",
        "Incidents recorded: one for each cgroup and burst of OOM kills.",
        own.incidents_total as f64,
    )?;
    sheet.counter(
        "incidents_dropped",
        "OOM kills of which no incident could be made, for the recorder was behind.",
        own.incidents_dropped_total as f64,
    )?;
    sheet.counter(
        "incident_write_failures",
        "Writes of incidents to disk that failed; they are kept in memory and tried again.",
        own.incident_write_failures_total as f64,
    )?;
    sheet.gauge("pinned_targets", "Targets whose every reading is kept.", own.pins as f64)?;
    sheet.counter("pins_refused", "Suspects that found no pin free.", own.pins_refused_total as f64)
}

fn rows_by_source(
    counts: &BTreeMap<String, u64>,
) -> impl Iterator<Item = (super::Labels<'_>, f64)> {
    counts.iter().map(|(source, count)| (vec![("source", source.as_str())], *count as f64))
}

/// `plimsoll_source_up`; a source that is switched off has no row.
pub(super) fn write_sources(sheet: &mut Sheet<'_>, health: &HealthView) -> fmt::Result {
    let ready = f64::from(u8::from(health.ready));
    sheet.gauge("ready", "1 once the first sweep is done.", ready)?;
    let wanted = health.sources.iter().filter(|source| source.state != SourceState::Off);
    let rows = wanted.map(|source| {
        let up = f64::from(u8::from(source.state == SourceState::Ok));
        (vec![("source", source.name.as_str())], up)
    });
    sheet.family(
        Gauge,
        "source_up",
        "1 if the source sees everything it should; /readyz?verbose says why not.",
        rows,
    )
}
