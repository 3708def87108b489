//! The checked-in dashboards and rules: made by the generator, as Grafana, Datadog, promtool and
//! the house want them, and none with a panel that stays empty.

mod datadog;
mod grafana;
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
fn runbooks_are_where_they_are_said_to_be() {
    let generated = |args: &[&str]| {
        let done = ran(&[&["generate"], args].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    };
    let top = checked_in().join("..");
    for url in of_alerts("runbook_url:") {
        let path: String = serde_json::from_str(&url).expect("it is quoted");
        assert!(top.join(&path).is_file(), "{path} is not in the tree");
    }
    let monitors = std::fs::read_to_string(checked_in().join("datadog/monitors.json"));
    let monitors: Value = serde_json::from_str(&monitors.expect("it is there")).expect("JSON");
    for monitor in monitors.as_array().expect("monitors") {
        let path = monitor["message"].as_str().and_then(|text| text.rsplit(' ').next());
        assert!(path.is_some_and(|path| top.join(path).is_file()), "{monitor}");
    }
    let elsewhere = "https://wiki.example/runbooks/";
    let rules = generated(&["rules", "--runbook-url", elsewhere]);
    let here = "runbook_url: \"https://wiki.example/runbooks/PlimsollOomKill.md\"";
    // In the rules, and in promtool's test of them.
    assert_eq!(rules.matches(here).count(), 2);
    assert!(!rules.contains("docs/runbooks"));
    let boards = generated(&["dashboards", "--runbook-url", elsewhere]);
    assert!(boards.contains("https://wiki.example/runbooks/PlimsollOomKill.md"));
    for odd in ["", "/", "two words", "a\"b", "{{ $labels.x }}"] {
        let refused = ran(&["generate", "rules", "--runbook-url", odd]);
        assert_eq!(refused.status.code(), Some(2), "{odd}");
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
