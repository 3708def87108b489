//! What the agent itself costs, against its budgets, and what it had to leave out.

use super::{Board, lines, stat, table};

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
                ),
                stat(
                    "CPU",
                    "The busiest agent, in cores.",
                    "percentunit",
                    &[(
                        "max(rate(plimsoll_agent_cpu_seconds_total{\
@}[$__rate_interval]))",
                        "cpu",
                    )],
                ),
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
                ),
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
                ),
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
                ),
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
                ),
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
                    "ops",
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
                    "Counters of what found no room, per second.",
                    "ops",
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
                    "ops",
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
                    "ops",
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
    ],
};
