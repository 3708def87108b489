//! A real Prometheus scrapes a real agent and a real cache while there is a leak, a kill, a heap
//! report, pressure and an export: then every query of every panel finds something, every family
//! is in the reference, and what Datadog's files ask for was sent. A leak is not judged before it
//! is a minute old, which is how long this takes.

use super::{boards, checked_in, datadog, of_alerts, panels};
use plimsoll_tests::otlp::{Receiver, strict};
use plimsoll_tests::{Agent, Alertmanager, Cache, Cgroup, Load, Prometheus, skipped, wait_for};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(60);
/// A leak has to be suspected, foretold, and scraped.
const LONG: Duration = Duration::from_secs(150);
/// As often as Prometheus scrapes: to ask more often would only be in its way.
const PACE: Duration = Duration::from_secs(1);
/// What the export sends only of containers, and with names only where a kubelet tells them: this
/// machine may have any or none.
const OF_CONTAINERS: [&str; 2] = ["container.memory.", "k8s.pod.memory."];

/// All that fills the panels. Dropped, it ends.
struct Scene {
    _leak: Load,
    agent: Agent,
    cache: Cache,
    prometheus: Prometheus,
    collector: Receiver,
    _cgroups: [Cgroup; 2],
    _dir: tempfile::TempDir,
}

fn scene() -> Result<Scene, String> {
    let cgroups = [Cgroup::named("board-leak", 320)?, Cgroup::named("board-kill", 24)?];
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let collector = Receiver::start("127.0.0.1:0");
    let config = dir.path().join("plimsoll.toml");
    // Nobody listens there, so that notices fail and wait.
    let nowhere = Alertmanager::free_address();
    let text = format!(
        "[[destinations]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"http://{nowhere}/\"\n\
         [export.otlp]\nenabled = true\nprofile = \"datadog\"\ninterval = \"2s\"\n\
         processes_max = 50\nendpoint = \"http://{}\"\n",
        collector.address
    );
    std::fs::write(&config, text).map_err(|e| e.to_string())?;
    let config = config.to_str().ok_or("the path is no text")?;
    let agent = Agent::start_in(&dir.path().join("state"), &["--config", config]);
    if !agent.source("oom_log").starts_with("[+]") {
        return Err(agent.source("oom_log"));
    }
    // The leak begins at once: what it has to be seen to do takes longest.
    let leak = Load::start(&["leak", "2"], Some(&cgroups[0]));
    let mut victim = Load::named(Some("greedy"), &["leak", "200"], Some(&cgroups[1]));
    let mut cache = Command::new("sh");
    cache.args(["-c", "echo 0 > \"$0/cgroup.procs\" && exec \"$@\""]).arg(cgroups[0].dir());
    cache.arg(plimsoll_tests::binary("plimsoll-cache"));
    cache.args(["-p", "-1", "--admin", "127.0.0.1:0", "-m", "64", "-u", "root"]);
    cache.arg("--pressure-socket").arg(agent.pressure_socket());
    let cache = Cache::spawn(cache);
    let admin = cache.admin.ok_or("no admin side")?.to_string();
    let rules = checked_in().join("prometheus");
    let rules = rules.canonicalize().map_err(|e| e.to_string())?;
    let prometheus = Prometheus::start(&[&agent.address, &admin], &rules, dir.path())?;
    wait_for("the kernel kills", SOON, || {
        if victim.ended() { Ok(()) } else { Err("it lives".to_owned()) }
    });
    Ok(Scene { _leak: leak, agent, cache, prometheus, collector, _cgroups: cgroups, _dir: dir })
}

fn plain(expr: &str) -> String {
    let chosen = [
        ("$__rate_interval", "30s"),
        ("$__range", "10m"),
        ("$job", ".*"),
        ("$instance", ".*"),
        ("$cgroup", ".*"),
        ("$workload", ".*"),
        ("$target", ".*"),
        ("$incident", ".*"),
    ];
    chosen.iter().fold(expr.to_owned(), |expr, (name, value)| expr.replace(name, value))
}

/// Queries of the panels with where they stand.
fn queries() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, board) in boards() {
        for panel in panels(&board) {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let expr = plain(target["expr"].as_str().expect("a query"));
                all.insert(expr, format!("{name}: {}", panel["title"]));
            }
        }
    }
    all
}

/// What this kernel does not tell, and so no agent can.
fn untold(expr: &str) -> bool {
    expr.contains("psi_memory") && !Path::new("/proc/pressure/memory").exists()
}

#[test]
fn no_panel_is_empty_and_every_rule_knows_its_metrics() {
    let scene = match scene() {
        Ok(scene) => scene,
        Err(why) => return assert!(skipped(&why)),
    };
    let mut client = scene.cache.client();
    let mut waiting = wanted(&scene.prometheus);
    let pid = std::process::id();
    let mut asked: Option<Instant> = None;
    let mut turn = 0_u32;
    let value = "x".repeat(100_000);
    wait_for("every query finds something", LONG, || {
        turn += 1;
        // It may be refused: the leak leaves the cache less and less.
        let _ = client.ask(&format!("set key{} 0 0 100000\r\n{value}", turn % 50));
        let _ = (client.get("key1"), client.get("nothing"));
        if asked.is_some_and(|at| at.elapsed() < PACE) {
            return Err(format!("empty: {waiting:#?}"));
        }
        asked = Some(Instant::now());
        report(&scene.agent, pid);
        // What cannot be asked is kept, so that a failure never counts as found.
        waiting.retain(|expr, place| match scene.prometheus.query(expr) {
            Ok(found) => !found.iter().any(|one| one["value"][1] != "NaN"),
            Err(why) => {
                if !place.ends_with(&why) {
                    *place = format!("{place} {why}");
                }
                true
            }
        });
        if waiting.is_empty() { Ok(()) } else { Err(format!("empty: {waiting:#?}")) }
    });
    every_family_is_in_the_reference(&scene.prometheus);
    if let Some(wanted) = datadog::wanted() {
        wait_for("the export has it too", SOON, || the_export_has(&scene.collector, &wanted));
    }
}

/// All that has to find something, with where it is asked.
fn wanted(prometheus: &Prometheus) -> BTreeMap<String, String> {
    let mut wanted = queries();
    assert!(wanted.len() > 110, "{}", wanted.len());
    for expr in of_alerts("expr:") {
        let expr: String = serde_json::from_str(&expr).expect("it is quoted");
        let found = prometheus.query(&expr);
        assert!(found.is_ok(), "{found:?}");
        for name in metrics_of(&expr) {
            wanted.insert(format!("last_over_time({name}[10m])"), format!("alert: {expr}"));
        }
    }
    for rule in recorded() {
        wanted.insert(rule.clone(), format!("recording rule {rule}"));
    }
    wanted.retain(|expr, _| !untold(expr));
    wanted
}

/// Whatever agent and cache served is in docs/metrics.md.
fn every_family_is_in_the_reference(prometheus: &Prometheus) {
    let answer = prometheus.get("/api/v1/label/__name__/values").expect("Prometheus answers");
    let names = answer.json()["data"].as_array().cloned().expect("names");
    let names = names.iter().filter_map(|name| name.as_str());
    let served: Vec<&str> = names
        .filter(|name| name.starts_with("plimsoll_") || name.starts_with("memcached_"))
        .collect();
    assert!(served.len() > 120, "{served:?}");
    let reference = include_str!("../../../docs/metrics.md");
    let unknown: Vec<&&str> =
        served.iter().filter(|name| !reference.contains(&format!("| `{name}` |"))).collect();
    assert!(unknown.is_empty(), "{unknown:?} are not in docs/metrics.md");
}

/// What Datadog's queries want was sent, with the attributes that they want.
fn the_export_has(collector: &Receiver, wanted: &[datadog::Wanted]) -> Result<(), String> {
    let sent = collector.metrics();
    let of_containers = |metric: &str| OF_CONTAINERS.iter().any(|start| metric.starts_with(start));
    for (metric, attributes) in wanted.iter().filter(|(metric, _)| !of_containers(metric)) {
        let mut seen = BTreeSet::new();
        for resource in sent.iter().flat_map(|request| &request.resource_metrics) {
            let own = resource.resource.as_ref().map(|r| &r.attributes[..]).unwrap_or_default();
            let metrics = resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
            for point in metrics.filter(|m| m.name == *metric).flat_map(strict::points) {
                let keys = own.iter().chain(&point.attributes).map(|one| one.key.clone());
                seen.insert(keys.collect::<BTreeSet<String>>());
            }
        }
        if !seen.iter().any(|keys| attributes.is_subset(keys)) {
            return Err(format!("{metric} by {attributes:?}: {seen:#?}"));
        }
    }
    Ok(())
}

/// Has a heap report of level 0 taken; that it may be too soon for another is no matter.
fn report(agent: &Agent, pid: u32) {
    let body = format!("{{\"pid\":{pid},\"level\":0}}");
    let head = format!("POST /api/v1/reports HTTP/1.1\r\nHost: {}\r\n", agent.address);
    let rest = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = plimsoll_tests::exchange(&agent.address, &(head + &rest));
}

fn metrics_of(expr: &str) -> BTreeSet<String> {
    let words = expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("plimsoll_")).map(str::to_owned).collect()
}

fn recorded() -> Vec<String> {
    let file = checked_in().join("prometheus/recording.yml");
    let text = std::fs::read_to_string(file).expect("the rules are there");
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("- record: "));
    lines.map(str::to_owned).collect()
}
