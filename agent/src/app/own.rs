//! The agent's own cost, as it reports it of itself.

use crate::reports::Reports;
use crate::sampler::State;
use crate::sources::process::statm;
use crate::units::Bytes;
use crate::view::{NamesFigures, OwnView, ReportFigures};
use rustix::time::{ClockId, clock_gettime};
use tikv_jemalloc_ctl::{epoch, stats};

pub(super) fn own(state: &State) -> OwnView {
    let counters = &state.counters;
    let history = state.history.stats();
    // Without a new epoch jemalloc reports the figures of the last one.
    let _ = epoch::advance();
    let bytes = |read: tikv_jemalloc_ctl::Result<usize>| read.ok().map(|n| Bytes(n as u64));
    let counted = |map: &std::collections::BTreeMap<&'static str, u64>| {
        map.iter().map(|(&name, &n)| (name.to_owned(), n)).collect()
    };
    OwnView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: state.clock.now().since(state.started).as_secs_f64(),
        cpu_seconds_total: cpu_seconds(),
        sampler_cpu_seconds_total: counters.sampler_cpu.as_secs_f64(),
        rss_bytes: own_rss().unwrap_or_default(),
        allocator_allocated_bytes: bytes(stats::allocated::read()),
        allocator_active_bytes: bytes(stats::active::read()),
        allocator_resident_bytes: bytes(stats::resident::read()),
        allocator_mapped_bytes: bytes(stats::mapped::read()),
        allocator_retained_bytes: bytes(stats::retained::read()),
        history_bytes: history.bytes,
        history_budget_bytes: history.budget,
        history_trimmed_points_total: history.trimmed_points_total,
        history_evicted_series_total: history.evicted_series_total,
        processes: state.processes.len(),
        cgroups: state.cgroups.len(),
        workloads: state.workloads.len(),
        kept_fds: counters.kept_fds,
        kept_fds_max: counters.kept_fds_max,
        samples_total: counted(&counters.samples),
        read_errors_total: counted(&counters.read_errors),
        short_lived_total: counters.short_lived,
        connector_overruns_total: counters.connector_overruns,
        senses_cgroups: state.senses.report.cgroups,
        senses_total: counted(&state.senses.heard),
        senses_dropped_total: state.senses.dropped,
        shed_factor: counters.shed_factor,
        sampler_lag_seconds: counters.sampler_lag.as_secs_f64(),
        flush_failures_total: counters.flush_failures,
        oom_kills_total: counters.oom_kills,
        incidents_total: state.recorder.counters.incidents,
        incidents_dropped_total: state.recorder.counters.dropped,
        incident_write_failures_total: state.recorder.counters.write_failures,
        reports: state.reports.as_deref().map(reports).unwrap_or_default(),
        names: names(state),
        pins: state.recorder.pins.len(),
        pins_refused_total: state.recorder.counters.pins_refused,
        first_sweep_seconds: state.ready_at.map(|at| at.since(state.started).as_secs_f64()),
    }
}

fn reports(keeper: &Reports) -> ReportFigures {
    let counts = keeper.counts();
    let levels = (0..).zip(counts.taken).map(|(level, n): (u8, u64)| (level.to_string(), n));
    ReportFigures {
        taken_total: levels.collect(),
        refused_total: counts.refused,
        declined_total: counts.declined,
        seconds_total: counts.seconds,
        pause_seconds_total: counts.pause_seconds,
        kept: keeper.shelf().len(),
        kept_bytes: Bytes(keeper.shelf().bytes()),
        deleted_total: counts.shelf.deleted,
        write_failures_total: counts.shelf.write_failures,
    }
}

fn names(state: &State) -> NamesFigures {
    let (naming, directory) = (&state.naming, state.cgroups.names());
    let told = &naming.told;
    let now = state.clock.now();
    let counts = [("answered", told.answered), ("failed", told.failed)];
    NamesFigures {
        enabled: naming.keeper.is_some(),
        pods: directory.len(),
        containers: directory.containers(),
        omitted: directory.left_out,
        unknown: naming.unknown,
        lookups_total: counts.map(|(name, n)| (name.to_owned(), n)).into(),
        age_s: told.answered_at.map(|at| now.since(at).as_secs_f64()),
        took_s: told.took.as_secs_f64(),
    }
}

fn cpu_seconds() -> f64 {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}

fn own_rss() -> Option<Bytes> {
    let statm = statm::parse(&std::fs::read("/proc/self/statm").ok()?).ok()?;
    Some(statm.resident.to_bytes(Bytes(rustix::param::page_size() as u64)))
}
