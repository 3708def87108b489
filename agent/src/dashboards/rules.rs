//! The recording rules and the alerts, each alert with series on which it has to fire.
//!
//! The agent's own alerts carry more; these are for who alerts by Prometheus alone, and for what
//! the agent cannot say of itself. Each has a runbook, `docs/runbooks/NAME.md`.

mod recorded;

pub(super) use recorded::{RECORDED, Recorded};

/// One alert of Prometheus.
#[derive(Debug)]
pub struct Alert {
    pub name: &'static str,
    pub expr: &'static str,
    /// For how long it must be so.
    pub held: &'static str,
    pub severity: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    pub trial: Trial,
}

/// How promtool tries an alert.
#[derive(Debug)]
pub struct Trial {
    /// Series and their values every 15 s, on which it fires.
    pub bad: &'static [(&'static str, &'static str)],
    /// Series that come close, on which it must not.
    pub good: &'static [(&'static str, &'static str)],
    pub not_yet: Option<&'static str>,
    pub at: &'static str,
    /// What it then carries beside its severity.
    pub labels: &'static [(&'static str, &'static str)],
    /// The value as the template shows it.
    pub value: &'static str,
}

const ON_A: (&str, &str) = ("instance", "a:9977");
const OF_P: (&str, &str) = ("job", "plimsoll");

macro_rules! alert {
    ($name:literal, $severity:literal, for $held:literal, $expr:expr, $summary:literal,
     $description:literal, fires at $at:literal $(not $not_yet:literal)? as $value:literal
     with [$($label:literal = $of:literal),*] on $bad:expr, silent on $good:expr) => {
        Alert {
            name: $name,
            expr: $expr,
            held: $held,
            severity: $severity,
            summary: $summary,
            description: $description,
            trial: Trial {
                bad: $bad,
                good: $good,
                not_yet: [$(Some($not_yet),)? None][0],
                at: $at,
                labels: &[OF_P, ON_A $(, ($label, $of))*],
                value: $value,
            },
        }
    };
}

pub static ALERTS: &[Alert] = &[
    alert!("PlimsollOomImminent", "critical", for "15s",
        "max by (job, instance, kind, target, workload) \
(plimsoll_target_state{state=\"oom_imminent\"}) == 1",
        "{{ $labels.workload }} is about to be killed for want of \
memory",
        "{{ $labels.kind }} {{ $labels.target }} on {{ \
$labels.instance }} reaches its limit within minutes.",
        fires at "1m" not "0s" as "1"
        with ["kind" = "process", "target" = "process:1@2", "workload" = "api"]
        on &[("plimsoll_target_state{job=\"plimsoll\",instance=\"a:9977\",\
kind=\"process\",target=\"process:1@2\",workload=\"api\",\
state=\"oom_imminent\",cause=\"heap_leak\"}", "1x20")],
        silent on &[("plimsoll_target_state{job=\"plimsoll\",instance=\"a:9977\",\
kind=\"process\",target=\"process:1@2\",workload=\"api\",\
state=\"oom_predicted\",cause=\"heap_leak\"}", "1x20")]),
    alert!("PlimsollOomPredicted", "warning", for "2m",
        "max by (job, instance, kind, target, workload) \
(plimsoll_target_state{state=\"oom_predicted\"}) == 1",
        "{{ $labels.workload }} is foretold to run out of memory",
        "{{ $labels.kind }} {{ $labels.target }} on {{ \
$labels.instance }} grows towards its limit; the forecast is \
in plimsoll_target_time_to_limit_seconds.",
        fires at "3m" not "1m" as "1"
        with ["kind" = "process", "target" = "process:1@2", "workload" = "api"]
        on &[("plimsoll_target_state{job=\"plimsoll\",instance=\"a:9977\",\
kind=\"process\",target=\"process:1@2\",workload=\"api\",\
state=\"oom_predicted\",cause=\"heap_leak\"}", "1x20")],
        silent on &[("plimsoll_target_state{job=\"plimsoll\",instance=\"a:9977\",\
kind=\"process\",target=\"process:1@2\",workload=\"api\",\
state=\"oom_predicted\",cause=\"heap_leak\"}", "1x5 stale")]),
    alert!("PlimsollLeakSuspected", "info", for "10m",
        "max by (job, instance, kind, target, workload) \
(plimsoll_target_state{state=\"leak_suspected\"}) == 1",
        "{{ $labels.workload }} seems to leak",
        "{{ $labels.kind }} {{ $labels.target }} on {{ \
$labels.instance }} has grown for ten minutes and no limit is \
foretold yet.",
        fires at "12m" not "5m" as "1"
        with ["kind" = "workload", "target" = "workload:api", "workload" = "api"]
        on &[("plimsoll_target_state{job=\"plimsoll\",instance=\"a:9977\",\
kind=\"workload\",target=\"workload:api\",workload=\"api\",\
state=\"leak_suspected\",cause=\"unknown\"}", "1x60")],
        silent on &[("plimsoll_target_state{job=\"plimsoll\",instance=\"a:9977\",\
kind=\"workload\",target=\"workload:api\",workload=\"api\",\
state=\"leak_suspected\",cause=\"unknown\"}", "1x30 stale")]),
    alert!("PlimsollOomKill", "warning", for "0s",
        "increase(plimsoll_oom_kills_seen_total[10m]) > 0",
        "The kernel has killed for want of memory on {{ \
$labels.instance }}",
        "There were OOM kills within ten minutes; `plimsoll \
explain-oom` on the node says who, why and since when.",
        fires at "5m" as "1" with []
        on &[("plimsoll_oom_kills_seen_total{job=\"plimsoll\",\
instance=\"a:9977\"}", "0x10 1x50")],
        silent on &[("plimsoll_oom_kills_seen_total{job=\"plimsoll\",\
instance=\"a:9977\"}", "3x60")]),
    alert!("PlimsollPressureCritical", "critical", for "1m",
        "max by (job, instance, scope) (plimsoll_pressure_level) == 3",
        "Memory of {{ $labels.scope }} has been critically short for a \
minute",
        "{{ $labels.scope }} on {{ $labels.instance }}: what \
subscribers gave back did not suffice.",
        fires at "3m" not "45s" as "3" with ["scope" = "node"]
        on &[("plimsoll_pressure_level{job=\"plimsoll\",instance=\"a:9977\",\
scope=\"node\"}", "3x20")],
        silent on &[("plimsoll_pressure_level{job=\"plimsoll\",instance=\"a:9977\",\
scope=\"node\"}", "2x20")]),
    alert!("PlimsollPressureUnanswered", "warning", for "1m",
        "increase(plimsoll_pressure_late_total[15m]) > 3",
        "Applications on {{ $labels.instance }} do not answer the \
pressure signal",
        "Asks for memory were not answered by their deadline; the \
kernel will take what was not given.",
        fires at "10m" not "15s" as "10" with []
        on &[(r#"plimsoll_pressure_late_total{job="plimsoll",instance="a:9977"}"#, "0+1x60")],
        silent on &[(r#"plimsoll_pressure_late_total{job="plimsoll",instance="a:9977"}"#,
          "0x20 1x40")]),
    alert!("PlimsollAgentDown", "critical", for "5m",
        "up == 0 and on (job, instance) \
last_over_time(plimsoll_build_info[1h])",
        "The agent on {{ $labels.instance }} cannot be scraped",
        "It answered within the last hour. Nobody watches the memory \
of that node.",
        fires at "8m" not "3m" as "0" with []
        on &[(r#"up{job="plimsoll",instance="a:9977"}"#, "1x3 0x60"),
             ("plimsoll_build_info{job=\"plimsoll\",instance=\"a:9977\",\
version=\"1\"}", "1x3 stale")],
        silent on &[(r#"up{job="other",instance="b:1"}"#, "0x60"),
             ("plimsoll_build_info{job=\"plimsoll\",instance=\"a:9977\",\
version=\"1\"}", "1x60")]),
    alert!("PlimsollAgentNotReady", "warning", for "10m",
        "plimsoll_ready == 0",
        "The agent on {{ $labels.instance }} does not get ready",
        "Its first sweep has not ended in ten minutes, so that it \
judges nothing.",
        fires at "12m" not "5m" as "0" with []
        on &[(r#"plimsoll_ready{job="plimsoll",instance="a:9977"}"#, "0x60")],
        silent on &[(r#"plimsoll_ready{job="plimsoll",instance="a:9977"}"#, "0x30 1x30")]),
    alert!("PlimsollSourceBlind", "info", for "15m",
        "plimsoll_source_up == 0",
        "The agent on {{ $labels.instance }} cannot see all of {{ \
$labels.source }}",
        "`/readyz?verbose` of the agent says what is missing and what \
would give it.",
        fires at "20m" not "10m" as "0" with ["source" = "oom_log"]
        on &[("plimsoll_source_up{job=\"plimsoll\",instance=\"a:9977\",\
source=\"oom_log\"}", "0x90")],
        silent on &[("plimsoll_source_up{job=\"plimsoll\",instance=\"a:9977\",\
source=\"oom_log\"}", "0x50 1x40")]),
    alert!("PlimsollNoticesLost", "warning", for "0s",
        "increase(plimsoll_notices_dropped_total[15m]) > 0",
        "Notices of alerts to {{ $labels.destination }} are lost",
        "The agent on {{ $labels.instance }} gave notices up: {{ \
$labels.reason }}.",
        fires at "5m" as "1" with ["destination" = "pager", "reason" = "age"]
        on &[("plimsoll_notices_dropped_total{job=\"plimsoll\",\
instance=\"a:9977\",destination=\"pager\",reason=\"age\"}", "0x10 1x50")],
        silent on &[("plimsoll_notices_dropped_total{job=\"plimsoll\",\
instance=\"a:9977\",destination=\"pager\",reason=\"age\"}", "1x60")]),
    alert!("PlimsollExportLost", "warning", for "0s",
        "increase(plimsoll_export_dropped_total[15m]) > 0",
        "What the agent exports by OTLP is lost on its way",
        "The agent on {{ $labels.instance }} gave requests of {{ $labels.signal }} up: \
{{ $labels.reason }}.",
        fires at "5m" as "1" with ["signal" = "metrics", "reason" = "full"]
        on &[("plimsoll_export_dropped_total{job=\"plimsoll\",\
instance=\"a:9977\",signal=\"metrics\",reason=\"full\"}", "0x10 1x50")],
        silent on &[("plimsoll_export_dropped_total{job=\"plimsoll\",\
instance=\"a:9977\",signal=\"metrics\",reason=\"full\"}", "1x60")]),
    alert!("PlimsollExportUnreachable", "warning", for "10m",
        "plimsoll_export_failing == 1",
        "The agent on {{ $labels.instance }} cannot deliver {{ $labels.signal }} by OTLP",
        "The collector has taken nothing for ten minutes. What waits is in the queue, \
whose bounds are bytes and age.",
        fires at "12m" not "5m" as "1" with ["signal" = "logs"]
        on &[("plimsoll_export_failing{job=\"plimsoll\",instance=\"a:9977\",\
signal=\"logs\"}", "1x60")],
        silent on &[("plimsoll_export_failing{job=\"plimsoll\",instance=\"a:9977\",\
signal=\"logs\"}", "1x30 0x1 1x30")]),
    alert!("PlimsollRequestsRefused", "info", for "5m",
        "sum by (job, instance, reason) (increase(plimsoll_http_refused_total[10m])) > 30",
        "The agent on {{ $labels.instance }} refuses many requests: {{ $labels.reason }}",
        "A client has a wrong credential, asks for more than it may, or somebody tries the door.",
        fires at "20m" not "2m" as "40" with ["reason" = "unauthorized"]
        on &[("plimsoll_http_refused_total{job=\"plimsoll\",instance=\"a:9977\",\
reason=\"unauthorized\"}", "0+1x90")],
        silent on &[("plimsoll_http_refused_total{job=\"plimsoll\",instance=\"a:9977\",\
reason=\"unauthorized\"}", "0x20 20x70")]),
    alert!("PlimsollReloadFailed", "warning", for "1m",
        "plimsoll_config_reload_success == 0",
        "The agent on {{ $labels.instance }} has refused its new configuration",
        "The old one holds. The log names every fault; a restart would not start.",
        fires at "3m" not "30s" as "0" with []
        on &[(r#"plimsoll_config_reload_success{job="plimsoll",instance="a:9977"}"#, "0x60")],
        silent on &[(r#"plimsoll_config_reload_success{job="plimsoll",instance="a:9977"}"#,
          "0x3 1x60")]),
    alert!("PlimsollSamplerBehind", "warning", for "15m",
        "plimsoll_sampler_shed_factor > 4 or \
plimsoll_sampler_lag_seconds > 30",
        "The agent on {{ $labels.instance }} cannot keep its pace",
        "It reads quiet targets much more seldom than it should, or \
late; forecasts of them are coarse.",
        fires at "20m" not "10m" as "8" with []
        on &[(r#"plimsoll_sampler_shed_factor{job="plimsoll",instance="a:9977"}"#, "8x90")],
        silent on &[(r#"plimsoll_sampler_shed_factor{job="plimsoll",instance="a:9977"}"#, "2x90")]),
    alert!("PlimsollStateNotWritten", "warning", for "1m",
        "increase(plimsoll_history_flush_failures_total[15m]) + \
increase(plimsoll_incident_write_failures_total[15m]) + \
increase(plimsoll_heap_report_write_failures_total[15m]) > 0",
        "The agent on {{ $labels.instance }} cannot write its state",
        "History, incidents or heap reports do not reach the disk; a \
restart loses them.",
        fires at "5m" not "15s" as "1" with []
        on &[("plimsoll_history_flush_failures_total{job=\"plimsoll\",\
instance=\"a:9977\"}", "0x4 1x60"),
             ("plimsoll_incident_write_failures_total{job=\"plimsoll\",\
instance=\"a:9977\"}", "0x60"),
             ("plimsoll_heap_report_write_failures_total{job=\"plimsoll\",\
instance=\"a:9977\"}", "0x60")],
        silent on &[("plimsoll_history_flush_failures_total{job=\"plimsoll\",\
instance=\"a:9977\"}", "2x60"),
             ("plimsoll_incident_write_failures_total{job=\"plimsoll\",\
instance=\"a:9977\"}", "0x60"),
             ("plimsoll_heap_report_write_failures_total{job=\"plimsoll\",\
instance=\"a:9977\"}", "0x60")]),
    alert!("PlimsollAgentTooLarge", "warning", for "10m",
        "plimsoll_agent_rss_bytes > 150e6",
        "The agent on {{ $labels.instance }} takes more memory than it \
should",
        "It holds {{ $value }} bytes; ten thousand processes need \
about 22 MiB.",
        fires at "12m" not "5m" as "2e+08" with []
        on &[(r#"plimsoll_agent_rss_bytes{job="plimsoll",instance="a:9977"}"#, "200000000x60")],
        silent on &[(r#"plimsoll_agent_rss_bytes{job="plimsoll",instance="a:9977"}"#,
          "30000000x60")]),
    alert!("PlimsollCacheDown", "critical", for "2m",
        "up == 0 and on (job, instance) \
last_over_time(plimsoll_cache_build_info[1h])",
        "The cache on {{ $labels.instance }} cannot be scraped",
        "It answered within the last hour; its items are gone if it \
was killed.",
        fires at "5m" not "1m" as "0" with []
        on &[(r#"up{job="plimsoll",instance="a:9977"}"#, "1x3 0x60"),
             ("plimsoll_cache_build_info{job=\"plimsoll\",instance=\"a:9977\",\
version=\"1\"}", "1x3 stale")],
        silent on &[(r#"up{job="other",instance="b:1"}"#, "0x60"),
             ("plimsoll_cache_build_info{job=\"plimsoll\",instance=\"a:9977\",\
version=\"1\"}", "1x60")]),
    alert!("PlimsollCacheDeaf", "warning", for "5m",
        "plimsoll_cache_agent_heard == 0 and \
max_over_time(plimsoll_cache_agent_heard[6h]) == 1",
        "The cache on {{ $labels.instance }} does not hear the agent any more",
        "It heard it within the last six hours. Its own readings alone tell it when to give \
memory back: later, and not for others.",
        fires at "10m" not "4m" as "0" with []
        on &[(r#"plimsoll_cache_agent_heard{job="plimsoll",instance="a:9977"}"#, "1x8 0x60")],
        silent on &[(r#"plimsoll_cache_agent_heard{job="plimsoll",instance="a:9977"}"#, "0x60")]),
    alert!("PlimsollCacheRefusesItems", "warning", for "5m",
        "rate(plimsoll_cache_refused_items_total[5m]) > 0",
        "The cache on {{ $labels.instance }} has refused items for \
five minutes",
        "Memory is short, so that sets are answered with SERVER_ERROR; \
gets keep working.",
        fires at "15m" not "2m" as "1" with []
        on &[("plimsoll_cache_refused_items_total{job=\"plimsoll\",\
instance=\"a:9977\"}", "0+15x90")],
        silent on &[("plimsoll_cache_refused_items_total{job=\"plimsoll\",\
instance=\"a:9977\"}", "7x90")]),
    alert!("PlimsollCacheLostWorkers", "critical", for "0s",
        "plimsoll_cache_lost_workers > 0",
        "The cache on {{ $labels.instance }} has lost workers",
        "{{ $value }} of its threads ended by a fault; restart it and \
report the log.",
        fires at "1m" as "1" with []
        on &[(r#"plimsoll_cache_lost_workers{job="plimsoll",instance="a:9977"}"#, "1x20")],
        silent on &[(r#"plimsoll_cache_lost_workers{job="plimsoll",instance="a:9977"}"#, "0x20")]),
];
