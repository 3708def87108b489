//! `stats`: the names and the order of memcached 1.6.18.
//!
//! What is about parts that this server does not have (slabs, segmented LRU, libevent) is shown
//! as memcached would show it at rest, because exporters look for it.

use super::stat;
use crate::protocol::turn::Turn;
use crate::protocol::{Gauges, control};
use crate::stats::Sums;
use crate::store::Totals;
use std::sync::atomic::Ordering::Relaxed;

/// What the clock showed at the start.
const CLOCK_FIRST: u32 = 2;

pub(super) fn append(turn: &mut Turn<'_>) {
    let context = turn.context;
    let sums = context.shared.tally.sum();
    let totals = context.store.totals();
    let gauges = context.shared.host.gauges();
    process(turn, &gauges);
    connections(turn, &gauges, &sums);
    commands(turn.out, &sums);
    if context.settings.idle_timeout.is_some() {
        stat(turn.out, "idle_kicks", sums.idle_kicks);
    }
    stat(turn.out, "bytes_read", sums.bytes_read);
    stat(turn.out, "bytes_written", sums.bytes_written);
    stat(turn.out, "limit_maxbytes", totals.limit_bytes);
    stat(turn.out, "accepting_conns", u8::from(gauges.accepting_conns));
    stat(turn.out, "listen_disabled_num", gauges.listen_disabled_num);
    stat(turn.out, "time_in_listen_disabled_us", gauges.time_in_listen_disabled_us);
    stat(turn.out, "threads", context.settings.threads);
    stat(turn.out, "conn_yields", sums.conn_yields);
    background(turn, &totals);
    items(turn, &totals);
}

fn process(turn: &mut Turn<'_>, gauges: &Gauges) {
    let now = turn.now;
    let clock = &turn.context.clock;
    let out = &mut *turn.out;
    stat(out, "pid", std::process::id());
    stat(out, "uptime", now.saturating_sub(CLOCK_FIRST));
    stat(out, "time", u64::from(now) + clock.unix_at_zero());
    stat(out, "version", control::VERSION);
    stat(out, "libevent", "none");
    stat(out, "pointer_size", usize::BITS);
    stat(out, "rusage_user", Micros(gauges.user_time_us));
    stat(out, "rusage_system", Micros(gauges.system_time_us));
}

/// Seconds with six decimals.
struct Micros(u64);

impl std::fmt::Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

fn connections(turn: &mut Turn<'_>, gauges: &Gauges, sums: &Sums) {
    let settings = &turn.context.settings;
    let out = &mut *turn.out;
    stat(out, "max_connections", settings.connections_max);
    stat(out, "curr_connections", gauges.curr_connections);
    stat(out, "total_connections", gauges.total_connections);
    if settings.refuses_at_once {
        stat(out, "rejected_connections", gauges.rejected_connections);
    }
    stat(out, "connection_structures", gauges.connection_structures);
    stat(out, "response_obj_oom", sums.response_obj_oom);
    stat(out, "response_obj_count", 0);
    stat(out, "response_obj_bytes", 0);
    stat(out, "read_buf_count", gauges.curr_connections);
    stat(out, "read_buf_bytes", gauges.read_buf_bytes);
    stat(out, "read_buf_bytes_free", gauges.read_buf_bytes_free);
    stat(out, "read_buf_oom", sums.read_buf_oom);
    stat(out, "reserved_fds", 5 * settings.threads);
}

fn commands(out: &mut Vec<u8>, sums: &Sums) {
    stat(out, "cmd_get", sums.get_cmds);
    stat(out, "cmd_set", sums.set_cmds);
    stat(out, "cmd_flush", sums.flush_cmds);
    stat(out, "cmd_touch", sums.touch_cmds);
    stat(out, "cmd_meta", sums.meta_cmds);
    stat(out, "get_hits", sums.get_hits);
    stat(out, "get_misses", sums.get_misses);
    stat(out, "get_expired", sums.get_expired);
    stat(out, "get_flushed", sums.get_flushed);
    stat(out, "delete_misses", sums.delete_misses);
    stat(out, "delete_hits", sums.delete_hits);
    stat(out, "incr_misses", sums.incr_misses);
    stat(out, "incr_hits", sums.incr_hits);
    stat(out, "decr_misses", sums.decr_misses);
    stat(out, "decr_hits", sums.decr_hits);
    stat(out, "cas_misses", sums.cas_misses);
    stat(out, "cas_hits", sums.cas_hits);
    stat(out, "cas_badval", sums.cas_badval);
    stat(out, "touch_hits", sums.touch_hits);
    stat(out, "touch_misses", sums.touch_misses);
    stat(out, "store_too_large", sums.store_too_large);
    stat(out, "store_no_memory", sums.store_no_memory);
    stat(out, "auth_cmds", sums.auth_cmds);
    stat(out, "auth_errors", sums.auth_errors);
}

/// Index, background work and watchers.
fn background(turn: &mut Turn<'_>, totals: &Totals) {
    let (context, out) = (turn.context, &mut *turn.out);
    let told = context.shared.hub.told();
    stat(out, "hash_power_level", power(totals.index_bytes));
    stat(out, "hash_bytes", totals.index_bytes);
    stat(out, "hash_is_expanding", 0);
    if context.settings.echoed.slab_reassign {
        const AT_REST: [&str; 6] = [
            "slab_reassign_rescues",
            "slab_reassign_chunk_rescues",
            "slab_reassign_evictions_nomem",
            "slab_reassign_inline_reclaim",
            "slab_reassign_busy_items",
            "slab_reassign_busy_deletes",
        ];
        AT_REST.iter().for_each(|name| stat(out, name, 0));
        stat(out, "slab_reassign_running", 0);
        stat(out, "slabs_moved", 0);
    }
    if context.shared.live.crawler.load(Relaxed) {
        stat(out, "lru_crawler_running", 0);
        stat(out, "lru_crawler_starts", 0);
    }
    if context.settings.echoed.lru_maintainer {
        stat(out, "lru_maintainer_juggles", totals.compactions_total);
    }
    stat(out, "malloc_fails", totals.refused_total);
    stat(out, "log_worker_dropped", 0);
    stat(out, "log_worker_written", told.written_total);
    stat(out, "log_watcher_skipped", told.skipped_total);
    stat(out, "log_watcher_sent", told.sent_total);
    stat(out, "log_watchers", told.watchers);
    stat(out, "unexpected_napi_ids", 0);
    stat(out, "round_robin_fallback", 0);
}

/// The power of two of so many 8-byte slots.
fn power(index_bytes: u64) -> u32 {
    (index_bytes / 8).checked_ilog2().unwrap_or(0)
}

fn items(turn: &mut Turn<'_>, totals: &Totals) {
    let (context, out) = (turn.context, &mut *turn.out);
    let maintained = context.settings.echoed.lru_maintainer;
    stat(out, "bytes", totals.item_bytes);
    stat(out, "curr_items", totals.items);
    stat(out, "total_items", totals.stored_total);
    stat(out, "slab_global_page_pool", totals.segments_total.saturating_sub(totals.segments));
    stat(out, "expired_unfetched", totals.expired_unfetched_total);
    stat(out, "evicted_unfetched", totals.evicted_unfetched_total);
    if maintained {
        stat(out, "evicted_active", totals.evicted_active_total);
    }
    stat(out, "evictions", totals.evictions_total);
    stat(out, "reclaimed", totals.reclaimed_total);
    stat(out, "crawler_reclaimed", totals.reclaimed_total);
    stat(out, "crawler_items_checked", 0);
    stat(out, "lrutail_reflocked", 0);
    if maintained {
        stat(out, "moves_to_cold", 0);
        stat(out, "moves_to_warm", 0);
        stat(out, "moves_within_lru", 0);
        stat(out, "direct_reclaims", 0);
        stat(out, "lru_bumps_dropped", 0);
    }
}
