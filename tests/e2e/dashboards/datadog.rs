//! Datadog's files: against the models of Datadog's own client, and every query of a metric that
//! the agent exports, with attributes that it has.

use super::checked_in;
use plimsoll_tests::otlp::strict;
use plimsoll_tests::skipped;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Datadog's names of attributes that it knows.
const TAGS: [(&str, &str); 4] = [
    ("host", "host.name"),
    ("container_id", "container.id"),
    ("kube_namespace", "k8s.namespace.name"),
    ("pod_name", "k8s.pod.name"),
];

/// A metric, and the attributes that a query wants of it.
pub(super) type Wanted = (String, BTreeSet<String>);

fn validated(dashboard: &Path, monitors: &Path) -> Option<Output> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = top.join("target/validators/bin/python");
    if !python.exists() {
        assert!(skipped("target/validators is not there: cargo xtask test makes it"));
        return None;
    }
    let mut command = Command::new(python);
    command.arg(top.join("tests/dashboards/datadog.py")).arg(dashboard).arg(monitors);
    Some(command.output().expect("python starts"))
}

fn file(name: &str) -> PathBuf {
    checked_in().join("datadog").join(name)
}

/// What the queries of dashboard and monitors want; None where they cannot be read.
pub(super) fn wanted() -> Option<Vec<Wanted>> {
    let done = validated(&file("dashboard.json"), &file("monitors.json"))?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8(done.stdout).expect("text");
    let attribute = |tag: &str| {
        let known = TAGS.iter().find(|(own, _)| *own == tag);
        known.map_or(tag, |(_, attribute)| *attribute).to_owned()
    };
    let each = said.lines().map(|line| {
        let (metric, tags) = line.split_once(' ').expect("a metric and its tags");
        (metric.to_owned(), tags.split(',').map(attribute).collect())
    });
    Some(each.collect())
}

#[test]
fn dashboard_and_monitors_are_what_datadogs_own_client_takes() {
    let Some(wanted) = wanted() else { return };
    assert!(wanted.len() > 20, "{wanted:?}");
    let exported = strict::promised();
    for (metric, attributes) in wanted {
        assert!(exported.contains_key(&metric), "{metric} is not exported");
        assert!(!attributes.is_empty(), "{metric} is asked of all hosts as one");
    }
}

#[test]
fn what_datadog_does_not_know_is_found() {
    let board = std::fs::read_to_string(file("dashboard.json")).expect("it is there");
    let board: Value = serde_json::from_str(&board).expect("it is JSON");
    let scratch = tempfile::tempdir().expect("a directory");
    let first = "/widgets/0/definition/widgets/0/definition";
    for (place, value) in [
        (format!("{first}/typo"), json!(1)),
        (format!("{first}/requests/0/display_type"), json!("lin")),
        (format!("{first}/requests/0/queries/0/nme"), json!("query1")),
        (format!("{first}/requests/0/queries/0/query"), json!("sum:a.b{$hots}")),
        ("/layout_type".to_owned(), json!("loose")),
    ] {
        let mut bad = board.clone();
        let (above, key) = place.rsplit_once('/').expect("a pointer");
        let above = bad.pointer_mut(above).and_then(Value::as_object_mut).expect("an object");
        above.insert(key.to_owned(), value);
        let path = scratch.path().join("bad.json");
        std::fs::write(&path, bad.to_string()).expect("it can be written");
        let Some(done) = validated(&path, &file("monitors.json")) else { return };
        assert!(!done.status.success() && !done.stderr.is_empty(), "{place} went through");
    }
}
