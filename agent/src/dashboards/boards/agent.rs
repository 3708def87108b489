//! What the agent itself costs, against its budgets, and what it had to leave out.

use super::{Board, Panel, lines, stat, table};

pub(super) static AGENT: Board = Board {
    uid: "plimsoll-agent",
    title: "Plimsoll / Cost of the agent",
    what: "What the agent costs against its budgets, and what it had to \
leave out.",
    scope: "plimsoll_build_info",
    choices: &[],
    rows: &[
        (
            "Cost",
            &[
                stat(
                    "Resident",
                    "The largest agent.",
                    "bytes",
                    &[("max(plimsoll_agent_rss_bytes{@})", "rss")],
                )
                .warn(100e6)
                .bad(150e6),
                stat(
                    "CPU",
                    "The busiest agent, in cores.",
                    "percentunit",
                    &[(
                        "max(rate(plimsoll_agent_cpu_seconds_total{\
@}[$__rate_interval]))",
                        "cpu",
                    )],
                )
                .warn(0.05)
                .bad(0.2),
                stat(
                    "First sweep",
                    "The slowest start.",
                    "s",
                    &[("max(plimsoll_first_sweep_seconds{@})", "first sweep")],
                ),
                stat(
                    "Shed",
                    "How much rarer the least urgent are read; 1 is nothing.",
                    "short",
                    &[("max(plimsoll_sampler_shed_factor{@})", "factor")],
                )
                .warn(2.0)
                .bad(4.0),
                stat(
                    "Up for",
                    "The youngest agent.",
                    "s",
                    &[("min(plimsoll_agent_uptime_seconds{@})", "uptime")],
                ),
                stat(
                    "Not ready",
                    "Agents whose first sweep is not done.",
                    "short",
                    &[("sum(1 - plimsoll_ready{@})", "not ready")],
                )
                .bad(1.0),
                lines(
                    "CPU of the sampler and its budget",
                    "Cores in use.",
                    "percentunit",
                    &[
                        (
                            "rate(plimsoll_agent_sampler_cpu_seconds_total{\
@}[$__rate_interval])",
                            "{{instance}}",
                        ),
                        ("max(plimsoll_agent_sampler_cpu_budget_ratio{@})", "budget"),
                    ],
                ),
                lines(
                    "Resident memory",
                    "Of each agent.",
                    "bytes",
                    &[("plimsoll_agent_rss_bytes{@}", "{{instance}}")],
                )
                .bad(150e6),
                lines(
                    "Allocator",
                    "As jemalloc counts it.",
                    "bytes",
                    &[("max by (kind) (plimsoll_agent_allocator_bytes{@})", "{{kind}}")],
                ),
                lines(
                    "History and its budget",
                    "Memory that the history holds.",
                    "bytes",
                    &[
                        ("plimsoll_history_bytes{@}", "{{instance}}"),
                        ("max(plimsoll_history_budget_bytes{@})", "budget"),
                    ],
                ),
            ],
        ),
        (
            "Work",
            &[
                lines(
                    "Readings",
                    "Per second, by source.",
                    "ops",
                    &[(
                        "sum by (source) (rate(plimsoll_samples_total{\
@}[$__rate_interval]))",
                        "{{source}}",
                    )],
                ),
                lines(
                    "Lag",
                    "How late the sampler is with its most overdue target.",
                    "s",
                    &[("plimsoll_sampler_lag_seconds{@}", "{{instance}}")],
                )
                .bad(30.0),
                lines(
                    "Descriptors",
                    "Files of /proc kept open, and how many may be.",
                    "short",
                    &[
                        ("plimsoll_kept_fds{@}", "{{instance}}"),
                        ("max(plimsoll_kept_fds_limit{@})", "limit"),
                    ],
                ),
                lines(
                    "Short-lived processes",
                    "Gone before they were read, per second.",
                    "cps",
                    &[(
                        "rate(plimsoll_short_lived_processes_total{\
@}[$__rate_interval])",
                        "{{instance}}",
                    )],
                ),
            ],
        ),
        (
            "Left out",
            &[
                lines(
                    "Dropped",
                    "What found no room, per second.",
                    "cps",
                    &[
                        (
                            "sum(rate(plimsoll_history_trimmed_points_total{\
@}[$__rate_interval]))",
                            "points",
                        ),
                        (
                            "sum(rate(plimsoll_history_evicted_series_total{\
@}[$__rate_interval]))",
                            "series",
                        ),
                        ("sum(rate(plimsoll_senses_dropped_total{@}[$__rate_interval]))", "senses"),
                        (
                            "sum(rate(plimsoll_connector_overruns_total{\
@}[$__rate_interval]))",
                            "process events",
                        ),
                        ("sum(rate(plimsoll_pins_refused_total{@}[$__rate_interval]))", "pins"),
                    ],
                ),
                lines(
                    "Without rows",
                    "Targets, cgroups, processes and workloads beyond the bounds \
of /metrics.",
                    "short",
                    &[
                        ("sum(plimsoll_targets_omitted{@})", "targets"),
                        ("sum(plimsoll_cgroups_omitted{@})", "cgroups"),
                        ("sum(plimsoll_processes_omitted{@})", "processes"),
                        ("sum(plimsoll_workloads_omitted{@})", "workloads"),
                    ],
                ),
                lines(
                    "Notices",
                    "Sent, failed and given up, per second.",
                    "cps",
                    &[
                        (
                            "sum by (destination) \
(rate(plimsoll_notices_sent_total{@}[$__rate_interval]))",
                            "sent {{destination}}",
                        ),
                        (
                            "sum by (destination) \
(rate(plimsoll_notices_failed_total{@}[$__rate_interval]))",
                            "failed {{destination}}",
                        ),
                        (
                            "sum by (destination) \
(rate(plimsoll_notices_dropped_total{@}[$__rate_interval]))",
                            "given up {{destination}}",
                        ),
                    ],
                ),
                lines(
                    "Failed writes",
                    "History, incidents, heap reports, per second.",
                    "cps",
                    &[
                        (
                            "sum(rate(plimsoll_history_flush_failures_total{\
@}[$__rate_interval]))",
                            "history",
                        ),
                        (
                            "sum(rate(plimsoll_incident_write_failures_total{\
@}[$__rate_interval]))",
                            "incidents",
                        ),
                        (
                            "sum(rate(plimsoll_heap_report_write_failures_total{\
@}[$__rate_interval]))",
                            "heap reports",
                        ),
                    ],
                ),
                table(
                    "Versions",
                    "Agents by version.",
                    "short",
                    &[("count by (version) (plimsoll_build_info{@})", "")],
                ),
            ],
        ),
        ("Export by OTLP", EXPORT),
        ("Requests and configuration", REQUESTS),
    ],
};

/// Empty where `export.otlp` is off.
const EXPORT: &[Panel] = &[
    stat(
        "Unreachable",
        "Signals whose last attempt failed.",
        "short",
        &[("sum(plimsoll_export_failing{@})", "signals")],
    )
    .bad(1.0),
    stat(
        "Lost",
        "Requests given up within the range shown.",
        "short",
        &[("sum(increase(plimsoll_export_dropped_total{@}[$__range]))", "requests")],
    )
    .bad(0.5),
    stat(
        "Waiting",
        "Size of what waits to be sent, of all agents.",
        "bytes",
        &[("sum(plimsoll_export_queued_bytes{@})", "queued")],
    ),
    stat(
        "Resources",
        "Nodes, pods, containers and processes in the last exports.",
        "short",
        &[("sum(plimsoll_export_entities{@})", "resources")],
    ),
    stat(
        "Left out",
        "Who was left out of the last exports, to keep to their bounds.",
        "short",
        &[("sum(plimsoll_export_omitted{@})", "left out")],
    )
    .warn(1.0),
    stat(
        "CPU of an export",
        "Time of one core that making one takes, in the mean.",
        "s",
        &[(
            "sum(increase(plimsoll_export_cpu_seconds_total{@}[$__range])) \
             / sum(increase(plimsoll_exports_total{@}[$__range]))",
            "cpu",
        )],
    ),
    lines(
        "Requests",
        "Taken by the collector, attempts that failed, and given up, per second.",
        "cps",
        &[
            (
                "sum by (signal) (rate(plimsoll_export_sent_total{@}[$__rate_interval]))",
                "taken {{signal}}",
            ),
            (
                "sum by (signal) (rate(plimsoll_export_failed_total{@}[$__rate_interval]))",
                "failed {{signal}}",
            ),
            (
                "sum by (signal, reason) \
                 (rate(plimsoll_export_dropped_total{@}[$__rate_interval]))",
                "given up {{signal}} {{reason}}",
            ),
            (
                "sum by (signal) (rate(plimsoll_export_rejected_total{@}[$__rate_interval]))",
                "not taken {{signal}}",
            ),
        ],
    ),
    lines(
        "Queue",
        "Size of what waits; it survives a restart where there is a state directory.",
        "bytes",
        &[("plimsoll_export_queued_bytes{@}", "{{signal}} {{instance}}")],
    ),
];

const REQUESTS: &[Panel] = &[
    stat(
        "Configuration refused",
        "Agents whose last reload failed; the old configuration holds there.",
        "short",
        &[("sum(1 - plimsoll_config_reload_success{@})", "agents")],
    )
    .bad(1.0),
    stat(
        "Waits for a restart",
        "Keys whose new value does not hold yet.",
        "short",
        &[("sum(plimsoll_config_reload_pending_restart{@})", "keys")],
    )
    .warn(1.0),
    stat(
        "Configuration read",
        "Time since the oldest configuration that holds was read.",
        "s",
        &[("time() - min(plimsoll_config_reload_success_timestamp_seconds{@})", "ago")],
    ),
    lines(
        "Refused requests",
        "Requests and connections refused, per second.",
        "cps",
        &[(
            "sum by (reason) (rate(plimsoll_http_refused_total{@}[$__rate_interval]))",
            "{{reason}}",
        )],
    ),
    lines(
        "Reloads",
        "Of the configuration, per second, by how they went.",
        "cps",
        &[(
            "sum by (result) (rate(plimsoll_config_reloads_total{@}[$__rate_interval]))",
            "{{result}}",
        )],
    ),
];
