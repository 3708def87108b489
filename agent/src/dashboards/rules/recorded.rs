//! The recording rules, each with series and what it has to be on them.
//!
//! For who shows many nodes at once or keeps figures for long: what costs most to ask for again.

/// A query that Prometheus evaluates beforehand.
#[derive(Debug)]
pub(in crate::dashboards) struct Recorded {
    /// By level:metric:operation.
    pub name: &'static str,
    pub expr: &'static str,
    /// Series and their values every 15 s.
    pub series: &'static [(&'static str, &'static str)],
    /// What it then is after five minutes: further labels and value.
    pub becomes: &'static [(&'static str, f64)],
}

pub(in crate::dashboards) const RECORDED: &[Recorded] = &[
    Recorded {
        name: "job_instance:plimsoll_node_memory_used:ratio",
        expr: "plimsoll_node_mem_used_bytes / plimsoll_node_mem_total_bytes",
        series: &[
            (r#"plimsoll_node_mem_used_bytes{job="plimsoll",instance="a:9977"}"#, "3x40"),
            (r#"plimsoll_node_mem_total_bytes{job="plimsoll",instance="a:9977"}"#, "4x40"),
        ],
        becomes: &[("", 0.75)],
    },
    Recorded {
        name: "job_instance:plimsoll_node_psi_memory_some:rate5m",
        expr: r#"rate(plimsoll_node_psi_memory_seconds_total{kind="some"}[5m])"#,
        series: &[
            (
                "plimsoll_node_psi_memory_seconds_total{job=\"plimsoll\",\
instance=\"a:9977\",kind=\"some\"}",
                "0+3x40",
            ),
            (
                "plimsoll_node_psi_memory_seconds_total{job=\"plimsoll\",\
instance=\"a:9977\",kind=\"full\"}",
                "0+1x40",
            ),
        ],
        becomes: &[(r#",kind="some""#, 0.2)],
    },
    Recorded {
        name: "job_instance_cgroup:plimsoll_cgroup_working_set:ratio_of_limit",
        expr: "plimsoll_cgroup_working_set_bytes / \
plimsoll_cgroup_limit_bytes",
        series: &[
            (
                "plimsoll_cgroup_working_set_bytes{job=\"plimsoll\",\
instance=\"a:9977\",cgroup=\"/api\"}",
                "1x40",
            ),
            (
                "plimsoll_cgroup_limit_bytes{job=\"plimsoll\",instance=\"a:9977\",\
cgroup=\"/api\"}",
                "8x40",
            ),
            // Without a limit there is no share of it.
            (
                "plimsoll_cgroup_working_set_bytes{job=\"plimsoll\",\
instance=\"a:9977\",cgroup=\"/free\"}",
                "1x40",
            ),
        ],
        becomes: &[(r#",cgroup="/api""#, 0.125)],
    },
    Recorded {
        name: "job_instance_state:plimsoll_targets:sum",
        expr: "sum by (job, instance, state) (plimsoll_targets)",
        series: &[
            (
                "plimsoll_targets{job=\"plimsoll\",instance=\"a:9977\",\
kind=\"process\",state=\"ok\"}",
                "5x40",
            ),
            (
                "plimsoll_targets{job=\"plimsoll\",instance=\"a:9977\",\
kind=\"cgroup\",state=\"ok\"}",
                "2x40",
            ),
        ],
        becomes: &[(r#",state="ok""#, 7.0)],
    },
    Recorded {
        name: "job_instance:plimsoll_agent_cpu:rate5m",
        expr: "rate(plimsoll_agent_cpu_seconds_total[5m])",
        series: &[(
            r#"plimsoll_agent_cpu_seconds_total{job="plimsoll",instance="a:9977"}"#,
            "0+1.5x40",
        )],
        becomes: &[("", 0.1)],
    },
    Recorded {
        name: "job_instance:plimsoll_cache_hits:ratio_rate5m",
        expr: "sum by (job, instance) (rate(memcached_commands_total{command=\"get\",\
               status=\"hit\"}[5m])) \
               / sum by (job, instance) (rate(memcached_commands_total{command=\"get\"}[5m]))",
        series: &[
            (
                "memcached_commands_total{job=\"plimsoll\",instance=\"a:9977\",\
command=\"get\",status=\"hit\"}",
                "0+30x40",
            ),
            (
                "memcached_commands_total{job=\"plimsoll\",instance=\"a:9977\",\
command=\"get\",status=\"miss\"}",
                "0+30x40",
            ),
            (
                "memcached_commands_total{job=\"plimsoll\",instance=\"a:9977\",\
command=\"set\",status=\"hit\"}",
                "0+90x40",
            ),
        ],
        becomes: &[("", 0.5)],
    },
];
