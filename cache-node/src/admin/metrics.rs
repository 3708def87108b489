//! `/metrics`: what memcached_exporter shows, under its names, and what only this cache has.
//!
//! Read at each scrape; nothing is counted here.

use super::Desk;
use super::gate::Gate;
use super::sheet::{Labels, Sheet, plain};
use crate::cli::MEMCACHED_VERSION;
use crate::control::Level;
use crate::stats::Sums;
use crate::store::Totals;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use tikv_jemalloc_ctl::{epoch, stats};

const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_1: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN_0_0_4: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(
    State(desk): State<Desk>,
    Extension(gate): Extension<Arc<Gate>>,
    headers: HeaderMap,
) -> Response {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { desk, gate }));
    let mut exposition = String::new();
    if text::encode(&mut exposition, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    if accepted.any(|accept| accept.contains(OPEN_METRICS)) {
        ([(header::CONTENT_TYPE, OPEN_METRICS_1)], exposition).into_response()
    } else {
        ([(header::CONTENT_TYPE, PLAIN_0_0_4)], plain(&exposition)).into_response()
    }
}

#[derive(Debug)]
struct Scrape {
    desk: Desk,
    gate: Arc<Gate>,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        let desk = &self.desk;
        let (totals, sums) = (desk.store.totals(), desk.shared.tally.ever());
        process(&mut sheet, desk)?;
        connections(&mut sheet, desk, &sums)?;
        commands(&mut sheet, &sums)?;
        items(&mut sheet, &totals)?;
        memory(&mut sheet, &totals)?;
        control(&mut sheet, desk)?;
        snapshots(&mut sheet, desk)?;
        let refused = self.gate.refusals().by_reason();
        let refused = refused.map(|(why, n)| (vec![("reason", why)], n as f64));
        let help = "Requests and connections that the admin side refused, by reason.";
        sheet.family(Counter, "plimsoll_cache_admin_refused", help, refused)?;
        allocator(&mut sheet)
    }
}

fn process(sheet: &mut Sheet<'_>, desk: &Desk) -> fmt::Result {
    sheet.gauge("memcached_up", "The server answers; always 1.", 1)?;
    let version = [(vec![("version", MEMCACHED_VERSION)], 1.0)];
    sheet.family(Gauge, "memcached_version", "The version that clients are told.", version)?;
    let build = [(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)];
    sheet.family(Gauge, "plimsoll_cache_build_info", "The server's build; always 1.", build)?;
    let uptime = u64::from(desk.clock.now());
    // A counter of OpenMetrics would need another name than the one that dashboards know.
    sheet.gauge("memcached_uptime_seconds", "Time since the start.", uptime)?;
    let gauges = desk.shared.host.gauges();
    let cpu = [("user", gauges.user_time_us), ("system", gauges.system_time_us)];
    let cpu = cpu.map(|(mode, us)| (vec![("mode", mode)], us as f64 / 1e6));
    sheet.family(Counter, "plimsoll_cache_cpu_seconds", "CPU time of the process.", cpu)
}

fn connections(sheet: &mut Sheet<'_>, desk: &Desk, sums: &Sums) -> fmt::Result {
    let g = desk.shared.host.gauges();
    let most = desk.settings.connections_max as u64;
    sheet.gauge("memcached_max_connections", "Connections that may be open (-c).", most)?;
    sheet.gauge("memcached_current_connections", "Connections open.", g.curr_connections)?;
    sheet.counter("memcached_connections", "Connections accepted.", g.total_connections)?;
    sheet.counter(
        "memcached_connections_rejected",
        "Connections refused because as many were open as may be.",
        g.rejected_connections,
    )?;
    sheet.counter(
        "memcached_connections_yielded",
        "Turns that ended because the connection had had its share of commands.",
        sums.conn_yields,
    )?;
    sheet.counter(
        "memcached_connections_listener_disabled",
        "Times that nobody was let in because the limit was reached.",
        g.listen_disabled_num,
    )?;
    sheet.gauge(
        "memcached_accepting_connections",
        "1 while connections are let in.",
        g.accepting_conns.into(),
    )?;
    sheet.counter("memcached_read_bytes", "Bytes received.", sums.bytes_read)?;
    sheet.counter("memcached_written_bytes", "Bytes sent.", sums.bytes_written)?;
    sheet.counter(
        "plimsoll_cache_idle_kicks",
        "Connections closed because they were silent for too long.",
        sums.idle_kicks,
    )
}

fn commands(sheet: &mut Sheet<'_>, sums: &Sums) -> fmt::Result {
    let row = |command, status, count: u64| {
        (vec![("command", command), ("status", status)], count as f64)
    };
    let rows = [
        row("get", "hit", sums.get_hits),
        row("get", "miss", sums.get_misses),
        row("set", "hit", sums.set_cmds),
        row("touch", "hit", sums.touch_hits),
        row("touch", "miss", sums.touch_misses),
        row("delete", "hit", sums.delete_hits),
        row("delete", "miss", sums.delete_misses),
        row("incr", "hit", sums.incr_hits),
        row("incr", "miss", sums.incr_misses),
        row("decr", "hit", sums.decr_hits),
        row("decr", "miss", sums.decr_misses),
        row("cas", "hit", sums.cas_hits),
        row("cas", "miss", sums.cas_misses),
        row("cas", "badval", sums.cas_badval),
        row("flush", "hit", sums.flush_cmds),
    ];
    sheet.family(Counter, "memcached_commands", "Commands by what they came to.", rows)?;
    // All that the protocol counts, under its own names: what is new appears by itself.
    let mut events: Vec<(Labels<'_>, f64)> = Vec::new();
    sums.each(|name, count| events.push((vec![("event", name)], count as f64)));
    sheet.family(Counter, "plimsoll_cache_events", "What the protocol counts.", events)
}

fn items(sheet: &mut Sheet<'_>, totals: &Totals) -> fmt::Result {
    sheet.gauge("memcached_current_items", "Items held.", totals.items)?;
    sheet.counter("memcached_items", "Items stored.", totals.stored_total)?;
    sheet.counter(
        "memcached_items_evicted",
        "Items that had to go before their time.",
        totals.evictions_total,
    )?;
    sheet.counter(
        "memcached_items_reclaimed",
        "Expired items whose room was taken again.",
        totals.reclaimed_total,
    )?;
    let evicted = [
        ("never_fetched", totals.evicted_unfetched_total),
        ("lately_fetched", totals.evicted_active_total),
    ];
    let evicted = evicted.map(|(use_, count)| (vec![("use", use_)], count as f64));
    sheet.family(
        Counter,
        "plimsoll_cache_evicted_items",
        "Evicted items by how they had been used.",
        evicted,
    )?;
    sheet.counter(
        "plimsoll_cache_refused_items",
        "Items refused for want of memory.",
        totals.refused_total,
    )
}

fn memory(sheet: &mut Sheet<'_>, totals: &Totals) -> fmt::Result {
    sheet.gauge(
        "memcached_current_bytes",
        "Headers, keys and values of items.",
        totals.item_bytes,
    )?;
    sheet.gauge("memcached_limit_bytes", "What may be used now.", totals.limit_bytes)?;
    sheet.gauge("memcached_malloced_bytes", "Memory of segments.", totals.segment_bytes)?;
    let parts = [
        ("segments", totals.segment_bytes),
        ("index", totals.index_bytes),
        ("buffers", totals.buffer_bytes),
        ("ghosts", totals.ghost_bytes),
    ];
    let parts = parts.map(|(part, bytes)| (vec![("part", part)], bytes as f64));
    sheet.family(Gauge, "plimsoll_cache_used_bytes", "Memory in use, by what for.", parts)?;
    sheet.gauge("plimsoll_cache_segments", "Segments in use.", totals.segments)?;
    let help = "Segments that the reserved address space has room for.";
    sheet.gauge("plimsoll_cache_segments_max", help, totals.segments_total)?;
    sheet.counter(
        "plimsoll_cache_given_back_bytes",
        "Memory returned to the kernel.",
        totals.given_back_total,
    )?;
    sheet.counter("plimsoll_cache_compactions", "Sparse segments merged.", totals.compactions_total)
}

fn control(sheet: &mut Sheet<'_>, desk: &Desk) -> fmt::Result {
    let figures = desk.control.figures();
    let levels = [Level::None, Level::Low, Level::Medium, Level::Critical];
    let levels = levels
        .map(|level| (vec![("level", level.name())], f64::from(u8::from(level == figures.level))));
    sheet.family(Gauge, "plimsoll_cache_pressure", "1 for the level of pressure.", levels)?;
    sheet.gauge("plimsoll_cache_limit_asked_bytes", "The limit asked for.", figures.asked_bytes)?;
    sheet.gauge("plimsoll_cache_floor_bytes", "What pressure leaves.", figures.floor_bytes)?;
    if let Some(bound) = figures.bound_bytes {
        let help = "The nearest bound above the process: of a cgroup, or the machine's.";
        sheet.gauge("plimsoll_cache_bound_bytes", help, bound)?;
    }
    if let Some(headroom) = figures.headroom_bytes {
        let help = "What is left below the nearest bound above the process.";
        sheet.gauge("plimsoll_cache_headroom_bytes", help, headroom)?;
    }
    sheet.gauge(
        "plimsoll_cache_agent_heard",
        "1 while the node agent is heard; else the cache's own readings alone count.",
        figures.agent_speaks.into(),
    )?;
    sheet.counter(
        "plimsoll_cache_given_back_on_demand_bytes",
        "Memory returned to the kernel because it was short.",
        figures.given_back_total,
    )?;
    sheet.counter(
        "plimsoll_cache_level_changes",
        "Changes of the level of pressure.",
        figures.level_changes_total,
    )
}

fn snapshots(sheet: &mut Sheet<'_>, desk: &Desk) -> fmt::Result {
    let lost = desk.roster.lost_workers() as u64;
    sheet.gauge("plimsoll_cache_lost_workers", "Workers that ended by a fault.", lost)?;
    let Some(figures) = desk.live.as_ref().map(|live| live.figures()) else { return Ok(()) };
    let writing = u64::from(figures.is_writing);
    sheet.gauge("plimsoll_cache_snapshot_under_way", "1 while one is written.", writing)?;
    let outcomes = [("written", figures.written_total), ("failed", figures.failed_total)];
    let outcomes = outcomes.map(|(outcome, n)| (vec![("outcome", outcome)], n as f64));
    let help = "Snapshots written while serving, by what came of them.";
    sheet.family(Counter, "plimsoll_cache_snapshots", help, outcomes)
}

fn allocator(sheet: &mut Sheet<'_>) -> fmt::Result {
    // Without a new epoch jemalloc reports the figures of the last one.
    let _ = epoch::advance();
    let rows = [
        ("allocated", stats::allocated::read()),
        ("active", stats::active::read()),
        ("resident", stats::resident::read()),
        ("mapped", stats::mapped::read()),
        ("retained", stats::retained::read()),
    ];
    let rows = rows
        .into_iter()
        .filter_map(|(kind, bytes)| bytes.ok().map(|bytes| (vec![("kind", kind)], bytes as f64)));
    sheet.family(
        Gauge,
        "plimsoll_cache_allocator_bytes",
        "The allocator beside the segments, as jemalloc's stats.* count it.",
        rows,
    )
}
