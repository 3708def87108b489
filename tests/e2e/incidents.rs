//! The black box: real leaks run to real kills, and what is on record of them afterwards.

mod cases;

use plimsoll_tests::{Agent, Cgroup, Load, plimsoll, skipped, wait_for};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const MIB: f64 = 1024.0 * 1024.0;
const SOON: Duration = Duration::from_secs(30);
const LIMIT_MIB: u64 = 64;

/// The incident of a victim, in full, once it satisfies `whole`.
#[track_caller]
fn incident_of(agent: &Agent, pid: u32, whole: impl Fn(&Value) -> bool) -> Value {
    wait_for("the incident is on record", SOON, || {
        let list = agent.json("/api/v1/incidents");
        let list = list.as_array().expect("a list").clone();
        let found = list.iter().find_map(|summary| {
            let id = summary["id"].as_str().expect("an id");
            let incident = agent.json(&format!("/api/v1/incidents/{id}"));
            let victims = incident["victims"].as_array().expect("victims");
            victims.iter().any(|victim| victim["pid"] == pid).then(|| incident.clone())
        });
        found.filter(&whole).ok_or_else(|| format!("{list:#?}\n{}", agent.log()))
    })
}

/// Waits until the kernel has killed a load.
#[track_caller]
fn killed(load: &mut Load, within: Duration) {
    wait_for("the kernel kills it", within, || {
        if load.ended() { Ok(()) } else { Err("it lives".to_owned()) }
    });
}

/// Runs `explain-oom` with arguments; what it printed.
#[track_caller]
fn explained(args: &[&str]) -> String {
    let output = plimsoll(&[&["explain-oom"], args].concat()).output().expect("plimsoll starts");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// A cgroup with a limit and an agent that can read the kernel log; None where that cannot be had.
fn stage(limit_mib: u64, state: &Path) -> Option<(Cgroup, Agent)> {
    let cgroup = match Cgroup::make(limit_mib) {
        Ok(cgroup) => cgroup,
        Err(why) => {
            assert!(skipped(&why));
            return None;
        }
    };
    let agent = Agent::start_in(state, &[]);
    if !agent.source("oom_log").starts_with("[+]") {
        assert!(skipped(&agent.source("oom_log")));
        return None;
    }
    Some((cgroup, agent))
}

#[test]
fn a_leak_run_to_its_kill_is_on_record_whole_and_survives_the_agents_own_kill() {
    let scratch = tempfile::tempdir().expect("a directory");
    let Some((cgroup, mut agent)) = stage(LIMIT_MIB, scratch.path()) else { return };
    let mut leak = Load::named(Some("leaker"), &["leak", "1"], Some(&cgroup));
    let pid = leak.pid();
    killed(&mut leak, Duration::from_secs(200));
    let incident = incident_of(&agent, pid, |incident| !incident["aftermath"].is_null());
    check_what_and_who(&incident, &cgroup, pid);
    check_growth_and_series(&incident, pid);
    check_foretold(&incident);
    check_evidence(&incident);
    check_inside(&agent, &incident, pid);
    let whats: Vec<&str> = strings(&incident["next"], "what");
    assert!(whats.iter().any(|what| what.contains("leaker")), "{whats:?}");
    assert!(whats.iter().any(|what| what.contains("only buy")), "a leak: {whats:?}");

    let id = incident["id"].as_str().expect("an id");
    let alerts = agent.alerts_on(pid, None);
    let alert = alerts.iter().find(|alert| alert["name"] == "OomKill").expect("an alert");
    assert_eq!(alert["labels"]["incident"], id);
    assert!(agent.metric("plimsoll_incidents_total") >= 1.0);
    let url = format!("http://{}", agent.address);
    let said = explained(&[id, "--url", &url]);
    for words in ["WHAT", "leaker", &cgroup.path(), "Yes: suspected", "WHAT TO DO"] {
        assert!(said.contains(words), "{words} in\n{said}");
    }

    agent.kill();
    // Other tests' kills may be newer.
    let said = explained(&[id, "--state-dir", text(scratch.path())]);
    assert!(said.starts_with(&format!("Incident {id}: ")), "{said}");
    let agent = Agent::start_in(scratch.path(), &[]);
    assert_eq!(agent.json(&format!("/api/v1/incidents/{id}")), incident);
    let list = agent.json("/api/v1/incidents");
    let own = list.as_array().expect("a list").iter().filter(|one| one["cgroup"] == cgroup.path());
    assert_eq!(own.count(), 1, "the same kill is not told twice: {list:#?}");
}

fn strings<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    let items = list.as_array().expect("a list");
    items.iter().map(|item| item[key].as_str().expect("text")).collect()
}

fn check_what_and_who(incident: &Value, cgroup: &Cgroup, pid: u32) {
    assert_eq!(incident["schema"], "plimsoll.incident/1");
    assert_eq!(incident["kind"], "main_process", "{incident:#}");
    assert_eq!(
        (&incident["constraint"], &incident["seen_by"]),
        (&"memcg".into(), &"kernel_log".into())
    );
    let victim = &incident["victims"][0];
    assert_eq!((&victim["pid"], &victim["comm"]), (&pid.into(), &"leaker".into()));
    assert_eq!(victim["cgroup"], cgroup.path());
    assert!(victim["exe"].as_str().is_some_and(|exe| exe.ends_with("plimsoll-load")));
    assert!(victim["rss_bytes"].as_f64() > Some(0.8 * LIMIT_MIB as f64 * MIB), "{victim}");
    let memcg = &incident["memcg"];
    assert_eq!(memcg["path"], cgroup.path());
    assert_eq!(memcg["limit_bytes"], LIMIT_MIB * 1024 * 1024);
    assert!(incident["killer"]["comm"].is_string());
    let dump = incident["task_dump"].as_array().expect("a task dump");
    assert!(dump.iter().any(|task| task["pid"] == pid && task["name"] == "leaker"), "{dump:?}");
    assert_eq!(incident["aftermath"]["processes"], 0);
}

fn check_growth_and_series(incident: &Value, pid: u32) {
    let grower = &incident["growers"][0];
    assert!(grower["name"].as_str().is_some_and(|name| name.contains(&pid.to_string())));
    assert_eq!(grower["victim"], true);
    let rate = grower["rate_bytes_per_s"].as_f64().expect("a rate");
    assert!((rate / MIB - 1.0).abs() < 0.25, "{rate} bytes per second");
    assert!(grower["grown_bytes"].as_f64() > Some(0.7 * LIMIT_MIB as f64 * MIB), "{grower}");
    let series = incident["series"].as_array().expect("series");
    let roles: Vec<&str> = strings(&incident["series"], "role");
    assert_eq!(roles, ["victim", "cgroup", "node"]);
    for one in &series[..2] {
        let points = one["points"].as_array().expect("points");
        assert!(points.len() > 30, "at full resolution: {}", points.len());
        let last = points[points.len() - 1][1].as_f64().expect("bytes");
        assert!(last > 0.85 * LIMIT_MIB as f64 * MIB, "it ends near the limit: {last}");
    }
}

fn check_foretold(incident: &Value) {
    let foretold = &incident["foretold"];
    assert_eq!(foretold["predicted"], true, "{foretold:#}");
    let before = foretold["predicted_before_s"].as_f64().expect("how long before");
    assert!((5.0..LIMIT_MIB as f64).contains(&before), "{before} s before");
    let history = foretold["history"].as_array().expect("what was said");
    let forecasts: Vec<f64> = history.iter().filter_map(|said| said["error_s"].as_f64()).collect();
    assert!(!forecasts.is_empty(), "{foretold:#}");
    let last = forecasts[forecasts.len() - 1];
    assert!(last.abs() < 15.0, "the last forecast was off by {last} s");
    let verdict = &incident["verdict"];
    assert!(
        matches!(verdict["state"].as_str(), Some("oom_predicted" | "oom_imminent")),
        "{verdict}"
    );
    assert_eq!(verdict["limit_bytes"], LIMIT_MIB * 1024 * 1024);
}

/// A heap report was taken when it became suspect and another before its limit, and the incident
/// says what changed between them.
fn check_inside(agent: &Agent, incident: &Value, pid: u32) {
    let reports = incident["heap"]["reports"].as_array().expect("heap reports");
    let own: Vec<&Value> = reports
        .iter()
        .filter(|report| report["pid"] == pid && report["state"] == "ready")
        .collect();
    assert!(own.len() >= 2, "{reports:#?}\n{}", agent.log());
    let stages: Vec<&str> = own.iter().filter_map(|report| report["stage"].as_str()).collect();
    assert!(stages.contains(&"suspected") && stages.contains(&"before_limit"), "{stages:?}");
    assert!(own.iter().all(|report| report["asked_by"] == "recorder" && report["level"] == 0));
    let diff = &incident["heap"]["diff"];
    assert_eq!(
        (&diff["schema"], &diff["b"]["pid"]),
        (&"plimsoll.report-diff/1".into(), &pid.into())
    );
    let grown = diff["bytes"]["rss.total_bytes"]["delta"].as_f64().expect("it grew");
    assert!(grown > MIB, "{diff:#}");
    let id = own[0]["id"].as_str().expect("an id");
    assert_eq!(agent.get(&format!("/api/v1/reports/{id}")).status, 200, "in full by its id");
}

fn check_evidence(incident: &Value) {
    let evidence = incident["evidence"].as_array().expect("evidence");
    let of = |stage: &str| evidence.iter().find(|taken| taken["stage"] == stage);
    let first = of("suspected").unwrap_or_else(|| panic!("{incident:#}"));
    let second = of("before_limit").unwrap_or_else(|| panic!("{evidence:#?}"));
    assert!(first["used_bytes"].as_f64() < second["used_bytes"].as_f64());
    assert!(second["before_s"].as_f64() > Some(0.0));
    for taken in [first, second] {
        let parts = ["heap", "anon"].map(|kind| taken["mappings"][kind].as_f64().unwrap_or(0.0));
        assert!(parts.iter().sum::<f64>() > 8.0 * MIB, "{taken:#}");
        assert!(taken["smaps"]["Pss"].is_u64() && taken["memory_stat"].is_object(), "{taken:#}");
        assert!(!taken["growers"].as_array().expect("growers").is_empty());
    }
}
