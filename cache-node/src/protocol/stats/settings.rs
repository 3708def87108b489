//! `stats settings`: the names and the order of memcached 1.6.18, built as Debian does.

use super::{stat, yes};
use crate::protocol::turn::Turn;
use crate::settings::{Echoed, Port, Settings};
use std::sync::atomic::Ordering::Relaxed;

pub(super) fn append(turn: &mut Turn<'_>) {
    let context = turn.context;
    let settings = &context.settings;
    let live = &context.shared.live;
    let limit = context.store.totals().limit_bytes;
    let out = &mut *turn.out;
    network(out, settings, limit, live.verbosity.load(Relaxed));
    stat(out, "stat_key_prefix", char::from(settings.prefix_delimiter));
    stat(out, "detail_enabled", yes(context.shared.prefixes.is_on()));
    limits(out, settings);
    let automove = live.automove.load(Relaxed);
    slabs(out, &settings.echoed, automove);
    stat(out, "lru_crawler", yes(live.crawler.load(Relaxed)));
    stat(out, "lru_crawler_sleep", live.crawler_sleep.load(Relaxed));
    stat(out, "lru_crawler_tocrawl", live.crawler_items.load(Relaxed));
    stat(out, "tail_repair_time", settings.echoed.tail_repair_time);
    stat(out, "flush_enabled", yes(settings.flush_all));
    stat(out, "dump_enabled", yes(settings.dumps));
    lru(out, &settings.echoed);
    stat(out, "idle_timeout", settings.idle_timeout.map_or(0, |time| time.as_secs()));
    stat(out, "watcher_logbuf_size", settings.watcher_bytes_max);
    stat(out, "worker_logbuf_size", settings.worker_log_bytes_max);
    stat(out, "read_buf_mem_limit", settings.buffer_bytes_max.unwrap_or(0));
    stat(out, "track_sizes", yes(live.sizes.load(Relaxed)));
    stat(out, "inline_ascii_response", "no");
    stat(out, "ssl_enabled", "no");
    stat(out, "num_napi_ids", "(null)");
    match &settings.restart_file {
        Some(path) => stat(out, "memory_file", path.display()),
        None => stat(out, "memory_file", "(null)"),
    }
}

/// Minus one stands for any port, as it does in memcached.
fn port(port: Port) -> i32 {
    match port {
        Port::Off => 0,
        Port::Any => -1,
        Port::At(port) => port.into(),
    }
}

fn network(out: &mut Vec<u8>, settings: &Settings, limit: u64, verbosity: u32) {
    stat(out, "maxbytes", limit);
    stat(out, "maxconns", settings.connections_max);
    stat(out, "tcpport", port(settings.port));
    stat(out, "udpport", port(settings.udp_port));
    stat(out, "inter", settings.interfaces.as_deref().unwrap_or("NULL"));
    stat(out, "verbosity", verbosity);
    stat(out, "oldest", 0);
    stat(out, "evictions", if settings.evicts { "on" } else { "off" });
    match &settings.unix_socket {
        Some(path) => stat(out, "domain_socket", path.display()),
        None => stat(out, "domain_socket", "NULL"),
    }
    stat(out, "umask", format_args!("{:o}", settings.unix_mode));
    stat(out, "shutdown_command", yes(settings.shutdown_command));
    stat(out, "growth_factor", format_args!("{:.2}", settings.echoed.growth_factor));
    stat(out, "chunk_size", settings.echoed.chunk_size);
    stat(out, "num_threads", settings.threads);
    stat(out, "num_threads_per_udp", settings.threads);
}

fn limits(out: &mut Vec<u8>, settings: &Settings) {
    stat(out, "reqs_per_event", settings.commands_per_turn);
    stat(out, "cas_enabled", yes(settings.cas));
    stat(out, "tcp_backlog", settings.backlog);
    stat(out, "binding_protocol", settings.binding.name());
    stat(out, "auth_enabled_sasl", "no");
    match &settings.auth_file {
        Some(path) => stat(out, "auth_enabled_ascii", path.display()),
        None => stat(out, "auth_enabled_ascii", "no"),
    }
    stat(out, "item_size_max", settings.item_bytes_max);
    stat(out, "maxconns_fast", yes(settings.refuses_at_once));
    stat(out, "hashpower_init", settings.echoed.hashpower_init);
}

fn slabs(out: &mut Vec<u8>, echoed: &Echoed, automove: u32) {
    stat(out, "slab_reassign", yes(echoed.slab_reassign));
    stat(out, "slab_automove", automove);
    stat(out, "slab_automove_ratio", format_args!("{:.2}", echoed.slab_automove_ratio));
    stat(out, "slab_automove_window", echoed.slab_automove_window);
    stat(out, "slab_chunk_max", echoed.slab_chunk_max);
}

fn lru(out: &mut Vec<u8>, echoed: &Echoed) {
    stat(out, "hash_algorithm", &echoed.hash_algorithm);
    stat(out, "lru_maintainer_thread", yes(echoed.lru_maintainer));
    stat(out, "lru_segmented", yes(echoed.lru_segmented));
    stat(out, "hot_lru_pct", echoed.hot_lru_pct);
    stat(out, "warm_lru_pct", echoed.warm_lru_pct);
    stat(out, "hot_max_factor", format_args!("{:.2}", echoed.hot_max_factor));
    stat(out, "warm_max_factor", format_args!("{:.2}", echoed.warm_max_factor));
    stat(out, "temp_lru", yes(echoed.temp_lru));
    stat(out, "temporary_ttl", echoed.temporary_ttl);
}
