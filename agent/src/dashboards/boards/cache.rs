//! The cache node: what it serves, what it holds, and what it gives back.

use super::{Board, lines, stat};

pub(super) static CACHE: Board = Board {
    uid: "plimsoll-cache",
    title: "Plimsoll / Cache node",
    what: "Caches: hits, memory, what pressure asks of them and what \
they give back.",
    scope: "plimsoll_cache_build_info",
    choices: &[],
    rows: &[
        (
            "Now",
            &[
                stat(
                    "Caches",
                    "Caches that were scraped.",
                    "short",
                    &[("count(plimsoll_cache_build_info{@})", "caches")],
                ),
                stat(
                    "Hit ratio",
                    "Gets that found something.",
                    "percentunit",
                    &[(
                        "sum(rate(memcached_commands_total{@,command=\"get\",\
status=\"hit\"}[$__rate_interval])) / \
sum(rate(memcached_commands_total{@,\
command=\"get\"}[$__rate_interval]))",
                        "hits",
                    )],
                ),
                stat(
                    "Items",
                    "Items held.",
                    "short",
                    &[("sum(memcached_current_items{@})", "items")],
                ),
                stat(
                    "Connections",
                    "Connections open.",
                    "short",
                    &[("sum(memcached_current_connections{@})", "connections")],
                ),
                stat(
                    "Under pressure",
                    "Caches at medium or critical.",
                    "short",
                    &[(r#"sum(plimsoll_cache_pressure{@,level=~"medium|critical"})"#, "caches")],
                )
                .warn(1.0),
                stat(
                    "Lost workers",
                    "Threads that ended by a fault.",
                    "short",
                    &[("sum(plimsoll_cache_lost_workers{@})", "workers")],
                )
                .bad(1.0),
            ],
        ),
        (
            "Traffic",
            &[
                lines(
                    "Commands",
                    "Per second, by what they came to.",
                    "ops",
                    &[(
                        "sum by (command, status) \
(rate(memcached_commands_total{@}[$__rate_interval]))",
                        "{{command}} {{status}}",
                    )],
                ),
                lines(
                    "Bytes",
                    "Received and sent.",
                    "Bps",
                    &[
                        ("sum(rate(memcached_read_bytes_total{@}[$__rate_interval]))", "received"),
                        ("sum(rate(memcached_written_bytes_total{@}[$__rate_interval]))", "sent"),
                    ],
                ),
                lines(
                    "Evicted, expired, refused",
                    "Items per second.",
                    "cps",
                    &[
                        (
                            "sum(rate(memcached_items_evicted_total{@}[$__rate_interval]))",
                            "evicted",
                        ),
                        (
                            "sum(rate(memcached_items_reclaimed_total{\
@}[$__rate_interval]))",
                            "expired",
                        ),
                        (
                            "sum(rate(plimsoll_cache_refused_items_total{\
@}[$__rate_interval]))",
                            "refused",
                        ),
                    ],
                ),
                lines(
                    "CPU",
                    "Cores in use.",
                    "short",
                    &[(
                        "sum by (instance, mode) \
(rate(plimsoll_cache_cpu_seconds_total{@}[$__rate_interval]))",
                        "{{mode}} {{instance}}",
                    )],
                ),
            ],
        ),
        (
            "Memory",
            &[
                lines(
                    "Used and limit",
                    "Memory in use by all its parts, the limit now, and the limit \
asked for.",
                    "bytes",
                    &[
                        ("sum by (instance) (plimsoll_cache_used_bytes{@})", "used {{instance}}"),
                        ("memcached_limit_bytes{@}", "limit {{instance}}"),
                        ("plimsoll_cache_limit_asked_bytes{@}", "asked for {{instance}}"),
                        ("plimsoll_cache_floor_bytes{@}", "floor {{instance}}"),
                    ],
                ),
                lines(
                    "By part",
                    "Segments, index, buffers, ghosts.",
                    "bytes",
                    &[("sum by (part) (plimsoll_cache_used_bytes{@})", "{{part}}")],
                ),
                lines(
                    "Given back",
                    "Memory returned to the kernel, and what of it because memory was short.",
                    "Bps",
                    &[
                        (
                            "rate(plimsoll_cache_given_back_bytes_total{\
@}[$__rate_interval])",
                            "all {{instance}}",
                        ),
                        (
                            "rate(plimsoll_cache_given_back_on_demand_bytes_total{\
@}[$__rate_interval])",
                            "on demand {{instance}}",
                        ),
                    ],
                ),
                lines(
                    "Pressure",
                    "1 for the level that holds.",
                    "short",
                    &[("plimsoll_cache_pressure{@}", "{{level}} {{instance}}")],
                ),
                lines(
                    "Beside the segments",
                    "The allocator, as jemalloc counts it.",
                    "bytes",
                    &[("plimsoll_cache_allocator_bytes{@}", "{{kind}} {{instance}}")],
                ),
                lines(
                    "Segments",
                    "In use.",
                    "short",
                    &[("plimsoll_cache_segments{@}", "{{instance}}")],
                ),
                lines(
                    "Merged",
                    "Sparse segments merged, per second.",
                    "cps",
                    &[(
                        "rate(plimsoll_cache_compactions_total{@}[$__rate_interval])",
                        "{{instance}}",
                    )],
                ),
                lines(
                    "Agent",
                    "Whether the node agent is heard; else the cache's own readings \
alone count.",
                    "short",
                    &[("plimsoll_cache_agent_heard{@}", "{{instance}}")],
                )
                .words(&[("0", "not heard"), ("1", "heard")]),
                lines(
                    "Headroom",
                    "What is left below the nearest bound above the cache.",
                    "bytes",
                    &[("plimsoll_cache_headroom_bytes{@}", "{{instance}}")],
                ),
            ],
        ),
    ],
};
