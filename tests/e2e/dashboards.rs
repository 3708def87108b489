//! The checked-in dashboards and rules: made by the generator, as Grafana, promtool and the house
//! want them, and none with a panel that stays empty.

mod live;

use plimsoll_tests::{ran, skipped};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const WRITE: &str = "write them anew: plimsoll generate dashboards|rules --out dashboards";

fn checked_in() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards")
}

/// The files below `dir`, by their names from there.
fn files(dir: &Path) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for folder in ["grafana", "datadog", "prometheus"] {
        for entry in std::fs::read_dir(dir.join(folder)).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            let name = path.strip_prefix(dir).expect("it is below").display().to_string();
            found.insert((name, std::fs::read_to_string(&path).expect("it is text")));
        }
    }
    found
}

pub(super) fn boards() -> Vec<(String, Value)> {
    let of_grafana = files(&checked_in()).into_iter().filter(|(n, _)| n.starts_with("grafana/"));
    of_grafana
        .map(|(name, text)| (name, serde_json::from_str(&text).expect("it is JSON")))
        .collect()
}

/// Panels that draw something.
pub(super) fn panels(board: &Value) -> impl Iterator<Item = &Value> {
    let panels = board["panels"].as_array().expect("a board has panels");
    panels.iter().filter(|panel| panel["type"] != "row")
}

#[test]
fn the_files_are_those_that_the_generator_writes() {
    let scratch = tempfile::tempdir().expect("a directory");
    let to = scratch.path().to_str().expect("the path is text");
    for what in ["dashboards", "rules"] {
        assert!(ran(&["generate", what, "--out", to]).status.success());
    }
    let (made, kept) = (files(scratch.path()), files(&checked_in()));
    let apart: Vec<&str> = made.symmetric_difference(&kept).map(|(n, _)| n.as_str()).collect();
    assert!(apart.is_empty(), "{apart:?} differ; {WRITE}");
    let printed = ran(&["generate", "rules"]).stdout;
    assert!(String::from_utf8_lossy(&printed).starts_with("# prometheus/recording.yml\n"));
}

#[test]
fn each_dashboard_keeps_to_the_rules_for_dashboards() {
    let boards = boards();
    assert_eq!(boards.len(), 7);
    let mut uids = BTreeSet::new();
    for (name, board) in &boards {
        let uid = board["uid"].as_str().expect("a uid");
        assert!(uids.insert(uid.to_owned()) && name.ends_with(&format!("/{uid}.json")), "{name}");
        assert!(board["id"].is_null() && board["editable"] == false, "{name}");
        assert!(board["tags"][0] == "plimsoll" && board["schemaVersion"].as_u64() > Some(38));
        let variables = board["templating"]["list"].as_array().expect("variables");
        let has = |wanted: &str| variables.iter().any(|variable| variable["name"] == wanted);
        assert!(has("datasource") && has("job") && has("instance"), "{name}");
        let mut places: Vec<[u64; 4]> = Vec::new();
        for panel in panels(board) {
            let title = panel["title"].as_str().unwrap_or_default();
            let says = |key: &str| panel[key].as_str().is_some_and(|text| text.len() > 2);
            assert!(says("title") && says("description"), "{name}: {title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{name}: {title}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {title}");
            for target in panel["targets"].as_array().expect("targets") {
                check_query(target["expr"].as_str().expect("a query"));
                assert_eq!(target["datasource"]["uid"], "${datasource}");
            }
            let place =
                ["x", "y", "w", "h"].map(|k| panel["gridPos"][k].as_u64().expect("a place"));
            assert!(place[0] + place[2] <= 24 && !places.iter().any(|o| overlap(place, *o)));
            places.push(place);
        }
    }
}

fn overlap(a: [u64; 4], b: [u64; 4]) -> bool {
    a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + b[3] && b[1] < a[1] + a[3]
}

/// Every selector is of the job and instance chosen, and counters are drawn as rates. Totals since
/// boot are shown as such in one place.
#[track_caller]
fn check_query(expr: &str) {
    let selectors = expr.matches("{").count();
    let chosen = expr.matches(r#"job=~"$job",instance=~"$instance""#).count();
    assert!(chosen > 0 && chosen == selectors, "{expr}");
    for (at, _) in expr.match_indices("_total{") {
        let before = &expr[..at];
        let name = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let call = before[..name.map_or(0, |at| at + 1)].trim_end_matches('(');
        let since_boot = expr.contains("plimsoll_node_oom_kills_total")
            || expr.contains("plimsoll_cgroup_oom_kills_total");
        assert!(call.ends_with("rate") || call.ends_with("increase") || since_boot, "{expr}");
    }
    for range in expr.split('[').skip(1).filter(|_| expr.contains("rate(")) {
        assert!(range.starts_with("$__rate_interval]"), "{expr}");
    }
}

#[test]
fn promtool_accepts_the_rules_and_their_tests_pass() {
    let dir = checked_in().join("prometheus");
    for args in [
        &["check", "rules", "--lint=all", "--lint-fatal", "recording.yml", "alerts.yml"][..],
        &["test", "rules", "alerts.test.yml"],
    ] {
        let Ok(done) = Command::new("promtool").args(args).current_dir(&dir).output() else {
            return assert!(skipped("promtool is not installed: apt-get install prometheus"));
        };
        let said = String::from_utf8_lossy(&done.stdout).into_owned()
            + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{args:?}: {said}");
    }
}

/// What stands behind `key` in the lines of the alerts.
pub(super) fn of_alerts(key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(checked_in().join("prometheus/alerts.yml")).expect("rules");
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix(key));
    lines.map(|value| value.trim().to_owned()).collect()
}

#[test]
fn every_alert_has_a_severity_and_a_runbook_that_says_what_to_do() {
    let names: BTreeSet<String> = of_alerts("- alert:").into_iter().collect();
    assert!(names.len() >= 12);
    assert!(of_alerts("severity:").iter().all(|s| ["critical", "warning", "info"].contains(&&**s)));
    for key in ["for:", "severity:", "summary:", "description:", "runbook_url:"] {
        assert_eq!(of_alerts(key).len(), names.len(), "{key}");
    }
    let dir = checked_in().join("../docs/runbooks");
    let runbooks = std::fs::read_dir(&dir).expect("docs/runbooks");
    let runbooks: BTreeSet<String> = runbooks
        .filter_map(|entry| {
            entry.ok()?.file_name().to_str()?.strip_suffix(".md").map(str::to_owned)
        })
        .collect();
    assert_eq!(runbooks, names, "one for each alert");
    for name in &names {
        let text = std::fs::read_to_string(dir.join(format!("{name}.md"))).expect("it is text");
        for heading in ["## What it means", "## First look", "## What to do", "## How to silence"] {
            assert!(text.contains(heading), "{name} lacks {heading}");
        }
    }
}
