//! One node: its memory, its largest cgroups, the pressure signal, and what the agent sees.

use super::{Board, LEVELS, lines, stat, table};

pub(super) static NODE: Board = Board {
    uid: "plimsoll-node",
    title: "Plimsoll / Node",
    what: "One node: memory, pressure, the largest cgroups, and what the \
agent can see.",
    scope: "plimsoll_build_info",
    choices: &[("plimsoll_cgroup_usage_bytes", "cgroup")],
    rows: &[
        (
            "Memory",
            &[
                stat(
                    "Available",
                    "MemAvailable.",
                    "bytes",
                    &[("min(plimsoll_node_mem_available_bytes{@})", "available")],
                ),
                stat(
                    "Total",
                    "MemTotal.",
                    "bytes",
                    &[("sum(plimsoll_node_mem_total_bytes{@})", "total")],
                ),
                stat(
                    "OOM kills since boot",
                    "As the kernel counts them.",
                    "short",
                    &[("sum(plimsoll_node_oom_kills_total{@})", "kills")],
                ),
                stat(
                    "Alerts",
                    "Alerts of the agent that stand.",
                    "short",
                    &[("sum(plimsoll_alerts_firing{@})", "alerts")],
                )
                .warn(1.0),
                stat(
                    "Processes",
                    "Processes that are watched.",
                    "short",
                    &[("sum(plimsoll_watched_processes{@})", "processes")],
                ),
                stat(
                    "Cgroups",
                    "Cgroups that are watched.",
                    "short",
                    &[("sum(plimsoll_watched_cgroups{@})", "cgroups")],
                ),
                lines(
                    "Memory",
                    "What the node has, and what of it is used and available.",
                    "bytes",
                    &[
                        ("plimsoll_node_mem_used_bytes{@}", "used {{instance}}"),
                        ("plimsoll_node_mem_available_bytes{@}", "available {{instance}}"),
                        ("plimsoll_node_mem_total_bytes{@}", "total {{instance}}"),
                    ],
                ),
                lines(
                    "Swap",
                    "Swap in use; 0 where there is none.",
                    "bytes",
                    &[(
                        "plimsoll_node_swap_total_bytes{@} - \
plimsoll_node_swap_free_bytes{@}",
                        "{{instance}}",
                    )],
                ),
                lines(
                    "Waiting for memory",
                    "Share of time in which some or all tasks waited.",
                    "percentunit",
                    &[(
                        "rate(plimsoll_node_psi_memory_seconds_total{\
@}[$__rate_interval])",
                        "{{kind}} {{instance}}",
                    )],
                ),
                lines(
                    "Verdicts",
                    "Targets by state, those that are well left out.",
                    "short",
                    &[(r#"sum by (state) (plimsoll_targets{@,state!="ok"})"#, "{{state}}")],
                ),
            ],
        ),
        (
            "Cgroups",
            &[
                lines(
                    "Working set",
                    "Usage less inactive file pages, the 10 largest.",
                    "bytes",
                    &[(
                        "topk(10, plimsoll_cgroup_working_set_bytes{@,\
cgroup=~\"$cgroup\"})",
                        "{{cgroup}} {{instance}}",
                    )],
                ),
                lines(
                    "Share of the limit",
                    "Working set over the tightest limit, the 10 fullest.",
                    "percentunit",
                    &[(
                        "topk(10, plimsoll_cgroup_working_set_bytes{@,\
cgroup=~\"$cgroup\"} / \
plimsoll_cgroup_limit_bytes{@,cgroup=~\"$cgroup\"})",
                        "{{cgroup}} {{instance}}",
                    )],
                ),
                lines(
                    "Anonymous and file memory",
                    "Of the cgroups chosen.",
                    "bytes",
                    &[
                        (r#"sum(plimsoll_cgroup_anon_bytes{@,cgroup=~"$cgroup"})"#, "anon"),
                        (r#"sum(plimsoll_cgroup_file_bytes{@,cgroup=~"$cgroup"})"#, "file"),
                        (r#"sum(plimsoll_cgroup_shmem_bytes{@,cgroup=~"$cgroup"})"#, "shmem"),
                        (r#"sum(plimsoll_cgroup_kernel_bytes{@,cgroup=~"$cgroup"})"#, "kernel"),
                    ],
                ),
                lines(
                    "Kills by cgroup",
                    "Processes killed per second.",
                    "cps",
                    &[(
                        "topk(10, rate(plimsoll_cgroup_oom_kills_total{@,\
cgroup=~\"$cgroup\"}[$__rate_interval]))",
                        "{{cgroup}} {{instance}}",
                    )],
                ),
            ],
        ),
        (
            "Pressure signal",
            &[
                lines(
                    "Level",
                    "How short memory is.",
                    "short",
                    &[("plimsoll_pressure_level{@}", "{{scope}} {{instance}}")],
                )
                .words(LEVELS),
                lines(
                    "Headroom",
                    "What is left below the limit that reclaim cannot free.",
                    "bytes",
                    &[("plimsoll_pressure_headroom_bytes{@}", "{{scope}} {{instance}}")],
                )
                .signed(),
                lines(
                    "Wanted and to be had",
                    "Bytes wanted back, and what subscribers say they could free.",
                    "bytes",
                    &[
                        ("sum(plimsoll_pressure_want_bytes{@})", "wanted"),
                        ("sum(plimsoll_pressure_can_free_bytes{@})", "could be freed"),
                    ],
                ),
                lines(
                    "Asked, freed, seen",
                    "Bytes per second asked for, freed as subscribers say, and \
seen by the headroom.",
                    "Bps",
                    &[
                        (
                            "sum(rate(plimsoll_pressure_asked_bytes_total{\
@}[$__rate_interval]))",
                            "asked",
                        ),
                        (
                            "sum(rate(plimsoll_pressure_freed_bytes_total{\
@}[$__rate_interval]))",
                            "freed",
                        ),
                        (
                            "sum(rate(plimsoll_pressure_seen_bytes_total{\
@}[$__rate_interval]))",
                            "seen",
                        ),
                    ],
                ),
                lines(
                    "Answers",
                    "Asks, and those not answered in time, per second.",
                    "cps",
                    &[
                        ("sum(rate(plimsoll_pressure_asks_total{@}[$__rate_interval]))", "asks"),
                        ("sum(rate(plimsoll_pressure_late_total{@}[$__rate_interval]))", "late"),
                    ],
                ),
                lines(
                    "Subscribers",
                    "Applications that listen to the signal.",
                    "short",
                    &[("plimsoll_pressure_subscribers{@}", "{{instance}}")],
                ),
            ],
        ),
        (
            "What the agent sees",
            &[table(
                "Sources",
                "Whether the agent sees everything it should; /readyz?verbose says why not.",
                "short",
                &[("plimsoll_source_up{@}", "")],
            )
            .words(&[("0", "not all"), ("1", "all")])],
        ),
    ],
};
