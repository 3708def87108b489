//! Workloads, processes and incidents: who takes the memory, how fast, and whom the kernel killed.

use super::{Board, lines, stat, table};

pub(super) static WORKLOAD: Board = Board {
    uid: "plimsoll-workload",
    title: "Plimsoll / Workload",
    what: "One workload over the lives of its processes: use, growth, \
verdict and forecast.",
    scope: "plimsoll_build_info",
    choices: &[("plimsoll_workload_used_bytes", "workload")],
    rows: &[
        (
            "Use",
            &[
                lines(
                    "Memory used",
                    "By all processes of the workload, the 20 largest.",
                    "bytes",
                    &[(
                        "topk(20, plimsoll_workload_used_bytes{@,\
workload=~\"$workload\"})",
                        "{{workload}} {{instance}}",
                    )],
                ),
                lines(
                    "Growth",
                    "As the verdict has it, the 20 fastest.",
                    "Bps",
                    &[(
                        "topk(20, plimsoll_workload_growth_bytes_per_second{@,\
workload=~\"$workload\"})",
                        "{{workload}} {{instance}}",
                    )],
                )
                .signed(),
                lines(
                    "Its largest processes",
                    "Resident memory.",
                    "bytes",
                    &[(
                        r#"topk(10, plimsoll_process_rss_bytes{@,workload=~"$workload"})"#,
                        "{{comm}} {{target}} {{instance}}",
                    )],
                ),
                lines(
                    "Share of the node",
                    "Memory used over that of the node.",
                    "percentunit",
                    &[(
                        "topk(10, plimsoll_workload_used_bytes{@,\
workload=~\"$workload\"} / on (job, instance) group_left \
plimsoll_node_mem_total_bytes{@})",
                        "{{workload}} {{instance}}",
                    )],
                ),
            ],
        ),
        (
            "In trouble",
            &[
                lines(
                    "Time to the limit",
                    "The forecast: 0.1 is the early end, 0.9 the late one.",
                    "s",
                    &[(
                        r#"plimsoll_target_time_to_limit_seconds{@,workload=~"$workload"}"#,
                        "{{target}} {{quantile}} {{instance}}",
                    )],
                ),
                lines(
                    "How sure",
                    "Confidence of the verdict.",
                    "percentunit",
                    &[(
                        r#"plimsoll_target_confidence_ratio{@,workload=~"$workload"}"#,
                        "{{target}} {{instance}}",
                    )],
                ),
                table(
                    "Verdicts",
                    "State and cause of targets in trouble.",
                    "short",
                    &[(r#"plimsoll_target_state{@,workload=~"$workload"}"#, "")],
                ),
            ],
        ),
    ],
};

pub(super) static PROCESS: Board = Board {
    uid: "plimsoll-process",
    title: "Plimsoll / Process",
    what: "The largest processes and those in trouble: what their memory \
is, and where it goes.",
    scope: "plimsoll_build_info",
    choices: &[("plimsoll_process_rss_bytes", "target")],
    rows: &[
        (
            "Memory",
            &[
                lines(
                    "Resident",
                    "The 20 largest of those chosen.",
                    "bytes",
                    &[(
                        r#"topk(20, plimsoll_process_rss_bytes{@,target=~"$target"})"#,
                        "{{comm}} {{target}} {{instance}}",
                    )],
                ),
                lines(
                    "What it is",
                    "Anonymous, file, shared and swapped memory of those chosen.",
                    "bytes",
                    &[
                        (r#"sum(plimsoll_process_anon_bytes{@,target=~"$target"})"#, "anon"),
                        (r#"sum(plimsoll_process_file_bytes{@,target=~"$target"})"#, "file"),
                        (r#"sum(plimsoll_process_shmem_bytes{@,target=~"$target"})"#, "shmem"),
                        (r#"sum(plimsoll_process_swap_bytes{@,target=~"$target"})"#, "swap"),
                    ],
                ),
                lines(
                    "Growth of the anonymous memory",
                    "The slope over ten minutes.",
                    "Bps",
                    &[(
                        "topk(10, deriv(plimsoll_process_anon_bytes{@,\
target=~\"$target\"}[10m]))",
                        "{{comm}} {{target}} {{instance}}",
                    )],
                )
                .signed(),
                lines(
                    "Threads",
                    "The 10 with the most.",
                    "short",
                    &[(
                        r#"topk(10, plimsoll_process_threads{@,target=~"$target"})"#,
                        "{{comm}} {{target}} {{instance}}",
                    )],
                ),
            ],
        ),
        (
            "In trouble",
            &[
                lines(
                    "Used and limit",
                    "Of processes in trouble.",
                    "bytes",
                    &[
                        (
                            r#"plimsoll_target_used_bytes{@,kind="process",target=~"$target"}"#,
                            "used {{target}} {{instance}}",
                        ),
                        (
                            "plimsoll_target_limit_bytes{@,kind=\"process\",\
target=~\"$target\"}",
                            "limit {{target}} {{instance}}",
                        ),
                    ],
                ),
                lines(
                    "Growth",
                    "As the verdict has it.",
                    "Bps",
                    &[(
                        "plimsoll_target_growth_bytes_per_second{@,kind=\"process\",\
target=~\"$target\"}",
                        "{{target}} {{instance}}",
                    )],
                )
                .signed(),
                lines(
                    "Time to the limit",
                    "The forecast: 0.1 is the early end, 0.9 the late one.",
                    "s",
                    &[(
                        "plimsoll_target_time_to_limit_seconds{@,kind=\"process\",\
target=~\"$target\"}",
                        "{{target}} {{quantile}} {{instance}}",
                    )],
                ),
                table(
                    "Verdicts",
                    "State and cause; `plimsoll report PID` on the node looks \
inside.",
                    "short",
                    &[(r#"plimsoll_target_state{@,kind="process",target=~"$target"}"#, "")],
                ),
            ],
        ),
        (
            "Heap reports",
            &[
                lines(
                    "Taken",
                    "Heap reports per second, by level.",
                    "cps",
                    &[(
                        "sum by (level) (rate(plimsoll_heap_reports_total{\
@}[$__rate_interval]))",
                        "level {{level}}",
                    )],
                ),
                lines(
                    "Stood still",
                    "Share of time for which processes were paused for reports.",
                    "percentunit",
                    &[(
                        "sum(rate(plimsoll_heap_report_pause_seconds_total{\
@}[$__rate_interval]))",
                        "paused",
                    )],
                ),
            ],
        ),
    ],
};

pub(super) static INCIDENT: Board = Board {
    uid: "plimsoll-incident",
    title: "Plimsoll / Incident",
    what: "OOM kills: whom they took, for which limit, and whether they were foretold. \
           `plimsoll explain-oom ID` tells the whole of one.",
    scope: "plimsoll_build_info",
    choices: &[("plimsoll_incident_timestamp_seconds", "incident")],
    rows: &[
        (
            "Kills",
            &[
                stat(
                    "Incidents kept",
                    "Incidents that can be read.",
                    "short",
                    &[("sum(plimsoll_incidents_kept{@})", "kept")],
                ),
                stat(
                    "Since the last",
                    "Time since the newest incident.",
                    "s",
                    &[("time() - max(plimsoll_incident_timestamp_seconds{@})", "ago")],
                ),
                stat(
                    "Not recorded",
                    "Kills of which no incident could be made.",
                    "short",
                    &[("sum(increase(plimsoll_incidents_dropped_total{@}[$__range]))", "dropped")],
                )
                .bad(0.5),
                lines(
                    "Kills and incidents",
                    "Per second.",
                    "cps",
                    &[
                        ("sum(rate(plimsoll_oom_kills_seen_total{@}[$__rate_interval]))", "kills"),
                        ("sum(rate(plimsoll_incidents_total{@}[$__rate_interval]))", "incidents"),
                    ],
                ),
            ],
        ),
        (
            "Which",
            &[
                table(
                    "When",
                    "The newest incidents; the last column is the time of the \
first kill.",
                    "dateTimeAsIso",
                    &[(
                        "sort_desc(plimsoll_incident_timestamp_seconds{@,\
incident=~\"$incident\"} * 1000)",
                        "",
                    )],
                ),
                table(
                    "Limits",
                    "The limit that was reached.",
                    "bytes",
                    &[(r#"plimsoll_incident_limit_bytes{@,incident=~"$incident"}"#, "")],
                ),
                table(
                    "Foretold",
                    "How long before the kill it was foretold; those that were not \
are 0.",
                    "s",
                    &[(
                        "plimsoll_incident_foretold_seconds{@,incident=~\"$incident\"} \
or plimsoll_incident_victims{@,incident=~\"$incident\"} * 0",
                        "",
                    )],
                ),
            ],
        ),
        (
            "Around them",
            &[
                lines(
                    "Cgroups that lost processes",
                    "Their working set.",
                    "bytes",
                    &[(
                        "topk(10, plimsoll_cgroup_working_set_bytes{@} and on (job, \
instance, cgroup) plimsoll_cgroup_oom_kills_total{@} > 0)",
                        "{{cgroup}} {{instance}}",
                    )],
                ),
                lines(
                    "Alerts",
                    "Alerts of the agent that stand.",
                    "short",
                    &[("sum by (alert) (plimsoll_alerts_firing{@})", "{{alert}}")],
                ),
            ],
        ),
    ],
};
