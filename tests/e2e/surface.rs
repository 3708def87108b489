//! The HTTP surface of a running agent: every route, its values held against the kernel, its
//! stream, and what it says to requests that are wrong.

mod refusals;
mod stream;
mod values;

use plimsoll_tests::{Agent, wait_for};
use serde_json::Value;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until the agent watches `pid`, and gives its document.
#[track_caller]
fn process(agent: &Agent, pid: u32) -> Value {
    wait_for("the process is watched", PATIENCE, || {
        let answer = agent.try_get(&format!("/api/v1/processes/{pid}"))?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.body) }
    })
}

#[test]
fn every_route_answers_with_its_document() {
    let agent = Agent::start(&[]);
    assert_eq!(agent.get("/healthz").body, "ok\n");
    assert_eq!(agent.get("/readyz").body, "ok\n");
    let page = agent.get("/");
    assert!(page.head.contains("text/html") && page.body.contains("<title>Plimsoll</title>"));
    assert!(page.head.to_lowercase().contains("content-security-policy: default-src 'none'"));
    assert_eq!(agent.get("/app.js").status, 200);
    assert!(agent.get("/metrics").body.contains("plimsoll_ready 1"));
    assert_eq!(agent.json("/openapi.json")["openapi"], "3.1.0");
    // Other tests kill and leak meanwhile: what is in the lists is theirs.
    assert!(agent.json("/api/v1/alerts").is_array());
    assert!(agent.json("/api/v1/incidents").is_array());
    assert_eq!(agent.get("/api/v1/incidents/20991121T100900Z-1").status, 404);

    let node = agent.json("/api/v1/node");
    assert!(node["verdict"]["state"].is_string(), "{node}");
    let list = agent.json("/api/v1/processes?sort=pid&limit=3");
    let pids: Vec<u64> = list["processes"].as_array().expect("an array").iter().map(pid).collect();
    assert_eq!(pids.len(), 3);
    assert!(pids.is_sorted() && pids[0] == 1, "{pids:?}");
    assert!(list["total"].as_u64() >= Some(3));

    let series = agent.json("/api/v1/series?target=node&metric=used&from=-15m&step=2");
    assert_eq!((&series["target"], &series["unit"]), (&"node".into(), &"By".into()));
}

fn pid(process: &Value) -> u64 {
    process["pid"].as_u64().expect("a pid")
}

#[test]
fn verdicts_come_by_kind_and_by_state() {
    let agent = Agent::start(&[]);
    let of = |query: &str| {
        let verdicts = agent.json(&format!("/api/v1/verdicts{query}"));
        verdicts.as_array().expect("an array").clone()
    };
    assert_eq!(of("?kind=node").len(), 1);
    for kind in ["node", "workload", "cgroup", "process"] {
        let verdicts = of(&format!("?kind={kind}"));
        assert!(verdicts.iter().all(|verdict| verdict["target"]["kind"] == kind), "{kind}");
        assert!(!verdicts.is_empty() || kind == "cgroup", "{kind}");
    }
    // A young agent has judged nothing yet.
    assert!(of("?kind=process&state=oom_imminent").is_empty());
    assert!(!of("?kind=process&state=warming_up").is_empty());
}

#[test]
fn readyz_verbose_names_every_source_and_what_it_sees() {
    let agent = Agent::start(&[]);
    let text = agent.get("/readyz?verbose").body;
    let sources = [
        "bpf",
        "cgroup",
        "cpu_budget",
        "descriptors",
        "history",
        "incidents",
        "kubernetes",
        "node",
        "oom_log",
        "proc_events",
        "process",
        "psi",
        "smaps",
    ];
    for source in sources {
        let line = text.lines().find(|line| line.contains(&format!("] {source}:")));
        let line = line.unwrap_or_else(|| panic!("{source} is missing in\n{text}"));
        assert!(line.contains(" sees ") || line.contains(" off"), "{line}");
    }
    assert!(text.ends_with("ok\n") || text.ends_with("ok, degraded\n"), "{text}");
    let process = text.lines().find(|line| line.starts_with("[+] process: sees "));
    let seen = process.and_then(|line| line.split(' ').nth(3)?.parse::<usize>().ok());
    assert!(seen >= Some(3), "{text}");
}
