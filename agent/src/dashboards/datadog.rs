//! Writes a dashboard and monitors for Datadog, over the metrics that are sent by OTLP.
//!
//! Names and attributes are those of the export with the profile `datadog`; there are no quantile
//! queries, for the forecast carries its quantile as the tag `plimsoll.quantile`. What a node, its
//! pods and its containers all count is taken as the largest of them, which is the node's.

use super::Runbooks;
use serde_json::{Value, json};

/// Group, title, and queries with what a line is called.
type Widget = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const WIDGETS: &[Widget] = &[
    (
        "Fleet",
        "Memory of the nodes by state",
        &[("avg:system.memory.usage{$host} by {host,state}", "memory")],
    ),
    (
        "Fleet",
        "Time spent waiting for memory",
        &[(
            "sum:plimsoll.pressure.stall.time{$host} by \
{host,plimsoll.pressure.stall}.as_rate()",
            "stalled",
        )],
    ),
    (
        "Fleet",
        "Verdict of the worst target",
        &[("max:plimsoll.leak.state{$host} by {host}", "state")],
    ),
    ("Fleet", "OOM kills", &[("max:plimsoll.oom.kills{$host} by {host}.as_count()", "kills")]),
    (
        "Suspects",
        "Growth",
        &[(
            "top(max:plimsoll.leak.growth{$host} by \
{host,plimsoll.workload}, 20, 'last', 'desc')",
            "growth",
        )],
    ),
    (
        "Suspects",
        "Time to the limit",
        &[(
            "min:plimsoll.leak.time_to_limit{$host,plimsoll.quantile:0.5} \
by {host,plimsoll.workload}",
            "p50",
        )],
    ),
    (
        "Suspects",
        "How sure",
        &[(
            "max:plimsoll.leak.confidence{$host} by \
{host,plimsoll.workload}",
            "confidence",
        )],
    ),
    (
        "Containers",
        "Working set",
        &[(
            "top(max:container.memory.working_set{$host} by \
{container_id}, 20, 'last', 'desc')",
            "working set",
        )],
    ),
    (
        "Containers",
        "Left below the limit",
        &[("min:container.memory.available{$host} by {container_id}", "available")],
    ),
    (
        "Containers",
        "Working set of pods",
        &[(
            "top(max:k8s.pod.memory.working_set{$host} by \
{kube_namespace,pod_name}, 20, 'last', 'desc')",
            "working set",
        )],
    ),
    (
        "Processes",
        "Resident memory",
        &[(
            "top(max:process.memory.usage{$host} by \
{process.pid,process.command}, 20, 'last', 'desc')",
            "resident",
        )],
    ),
    (
        "Incidents",
        "Incidents",
        &[("sum:plimsoll.incidents{$host} by {host}.as_count()", "incidents")],
    ),
    (
        "Pressure",
        "Level",
        &[(
            "max:plimsoll.pressure.level{$host} by \
{host,plimsoll.pressure.scope}",
            "level",
        )],
    ),
    (
        "Pressure",
        "Headroom",
        &[(
            "min:plimsoll.pressure.headroom{$host} by \
{host,plimsoll.pressure.scope}",
            "headroom",
        )],
    ),
    (
        "Pressure",
        "Given back",
        &[("sum:plimsoll.pressure.freed{$host} by {host}.as_rate()", "freed")],
    ),
    (
        "Cost of the agent",
        "CPU",
        &[("sum:plimsoll.agent.cpu.time{$host} by {host}.as_rate()", "cpu")],
    ),
    (
        "Cost of the agent",
        "Resident memory",
        &[("max:plimsoll.agent.memory.usage{$host} by {host}", "resident")],
    ),
    (
        "Cost of the agent",
        "Requests to the collector",
        &[
            ("sum:plimsoll.export.sent{$host} by {plimsoll.signal}.as_count()", "taken"),
            ("sum:plimsoll.export.dropped{$host} by {plimsoll.signal}.as_count()", "given up"),
        ],
    ),
    (
        "Cost of the agent",
        "Left out of the export",
        &[("max:plimsoll.export.omitted{$host} by {host,plimsoll.entity}", "left out")],
    ),
];

/// Name, query, alert whose runbook holds, threshold, and priority from 1 (high) to 5.
const MONITORS: &[(&str, &str, &str, f64, u32)] = &[
    (
        "Plimsoll: about to be killed for want of memory",
        "max(last_5m):max:plimsoll.leak.state{*} by \
{host,plimsoll.workload} >= 4",
        "PlimsollOomImminent",
        4.0,
        1,
    ),
    (
        "Plimsoll: foretold to run out of memory",
        "min(last_5m):max:plimsoll.leak.state{*} by \
{host,plimsoll.workload} >= 3",
        "PlimsollOomPredicted",
        3.0,
        3,
    ),
    (
        "Plimsoll: the kernel killed for want of memory",
        "sum(last_10m):max:plimsoll.oom.kills{*} by {host}.as_count() \
> 0",
        "PlimsollOomKill",
        0.0,
        2,
    ),
    (
        "Plimsoll: memory is critically short",
        "min(last_5m):max:plimsoll.pressure.level{*} by \
{host,plimsoll.pressure.scope} >= 3",
        "PlimsollPressureCritical",
        3.0,
        1,
    ),
    (
        "Plimsoll: exports are lost",
        "sum(last_15m):sum:plimsoll.export.dropped{*} by {host,plimsoll.signal}.as_count() > 0",
        "PlimsollExportLost",
        0.0,
        3,
    ),
    (
        "Plimsoll: the agent takes too much memory",
        "min(last_10m):max:plimsoll.agent.memory.usage{*} by {host} > \
150000000",
        "PlimsollAgentTooLarge",
        150e6,
        3,
    ),
];

pub(super) fn dashboard() -> Value {
    let mut groups: Vec<(&str, Vec<Value>)> = Vec::new();
    for (group, title, queries) in WIDGETS {
        let widget = widget(title, queries);
        match groups.last_mut().filter(|(name, _)| name == group) {
            Some((_, widgets)) => widgets.push(widget),
            None => groups.push((group, vec![widget])),
        }
    }
    let groups = groups.into_iter().map(|(title, widgets)| {
        json!({"definition": {
            "type": "group", "title": title, "layout_type": "ordered", "widgets": widgets,
        }})
    });
    json!({
        "title": "Plimsoll",
        "description": "Who takes on memory, how fast, and how long until the kernel \
    kills.",
        "layout_type": "ordered",
        "template_variables": [{"name": "host", "prefix": "host", "defaults": ["*"]}],
        "widgets": groups.collect::<Vec<_>>(),
    })
}

fn widget(title: &str, queries: &[(&str, &str)]) -> Value {
    let named = |n: usize| format!("query{}", n + 1);
    // `top` is a function over a query, which formulas call.
    let bare = |query: &str| {
        let inner = query.strip_prefix("top(").and_then(|q| q.split_once(", 20"));
        inner.map_or(query, |(inner, _)| inner).to_owned()
    };
    let formula = |n: usize, (query, alias): &(&str, &str)| {
        let mut formula = json!({"formula": named(n), "alias": alias});
        if query.starts_with("top(") {
            formula["limit"] = json!({"count": 20, "order": "desc"});
        }
        formula
    };
    let formulas: Vec<Value> = queries.iter().enumerate().map(|(n, q)| formula(n, q)).collect();
    let queries = queries.iter().enumerate().map(
        |(n, (query, _))| json!({"data_source": "metrics", "name": named(n), "query": bare(query)}),
    );
    json!({"definition": {
        "type": "timeseries",
        "title": title,
        "show_legend": true,
        "requests": [{
            "response_format": "timeseries",
            "display_type": "line",
            "queries": queries.collect::<Vec<_>>(),
            "formulas": formulas,
        }],
    }})
}

pub(super) fn monitors(runbooks: &Runbooks) -> Value {
    let each = MONITORS.iter().map(|(name, query, runbook, threshold, priority)| {
        json!({
            "name": name,
            "type": "query alert",
            "query": query,
            "message": format!(
                "{name} on {{{{host.name}}}}. What to do: {}",
                runbooks.of(runbook)
            ),
            "tags": ["service:plimsoll"],
            "priority": priority,
            "options": {
                "thresholds": {"critical": threshold},
                "notify_no_data": false,
                "include_tags": true,
            },
        })
    });
    each.collect()
}
