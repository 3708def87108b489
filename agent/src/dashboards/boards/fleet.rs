//! All nodes at once: who is in trouble, and where.

use super::{Board, lines, stat, table};

pub(super) static FLEET: Board = Board {
    uid: "plimsoll-fleet",
    title: "Plimsoll / Fleet",
    what: "All nodes: who is running out of memory, and on which node.",
    scope: "plimsoll_build_info",
    choices: &[],
    rows: &[
        (
            "Now",
            &[
                stat(
                    "Agents",
                    "Agents that were scraped.",
                    "short",
                    &[("count(plimsoll_build_info{@})", "agents")],
                ),
                stat(
                    "About to be killed",
                    "Targets whose end is minutes away.",
                    "short",
                    &[(r#"sum(plimsoll_targets{@,state="oom_imminent"})"#, "imminent")],
                )
                .bad(1.0),
                stat(
                    "Foretold to run out",
                    "Targets whose end is foretold.",
                    "short",
                    &[(r#"sum(plimsoll_targets{@,state="oom_predicted"})"#, "predicted")],
                )
                .warn(1.0),
                stat(
                    "Suspected",
                    "Targets that seem to leak.",
                    "short",
                    &[(r#"sum(plimsoll_targets{@,state="leak_suspected"})"#, "suspected")],
                )
                .warn(1.0),
                stat(
                    "OOM kills",
                    "Kills within the range shown.",
                    "short",
                    &[("sum(increase(plimsoll_oom_kills_seen_total{@}[$__range]))", "kills")],
                )
                .bad(0.5),
                stat(
                    "Under pressure",
                    "Nodes and cgroups whose memory is short: medium or critical.",
                    "short",
                    &[("count(plimsoll_pressure_level{@} >= 2) or vector(0)", "scopes")],
                )
                .warn(1.0),
            ],
        ),
        (
            "Nodes",
            &[
                lines(
                    "Memory used",
                    "Share of each node's memory that is in use.",
                    "percentunit",
                    &[(
                        "plimsoll_node_mem_used_bytes{@} / \
plimsoll_node_mem_total_bytes{@}",
                        "{{instance}}",
                    )],
                )
                .bad(0.95),
                lines(
                    "Waiting for memory",
                    "Share of time in which some task waited for memory.",
                    "percentunit",
                    &[(
                        "rate(plimsoll_node_psi_memory_seconds_total{@,\
kind=\"some\"}[$__rate_interval])",
                        "{{instance}}",
                    )],
                ),
                lines(
                    "In trouble",
                    "Targets by state, all nodes.",
                    "short",
                    &[(
                        "sum by (state) (plimsoll_targets{@,\
state=~\"leak_suspected|oom_.*\"})",
                        "{{state}}",
                    )],
                ),
                lines(
                    "OOM kills",
                    "Kills per second.",
                    "cps",
                    &[("rate(plimsoll_oom_kills_seen_total{@}[$__rate_interval])", "{{instance}}")],
                ),
            ],
        ),
        (
            "Who",
            &[
                table(
                    "Most urgent",
                    "Time until the limit, the middle of the forecast; the \
shortest first.",
                    "s",
                    &[(
                        "sort(bottomk(20, plimsoll_target_time_to_limit_seconds{@,\
quantile=\"0.5\"}))",
                        "",
                    )],
                ),
                table(
                    "Fastest growing",
                    "Growth of targets in trouble.",
                    "Bps",
                    &[(
                        "sort_desc(topk(20, plimsoll_target_growth_bytes_per_second{\
@}))",
                        "",
                    )],
                ),
            ],
        ),
    ],
};
