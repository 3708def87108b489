//! Grafana's files: against Grafana's own schema, as tsc reads it, and against the rules that
//! Grafana's dashboard-linter has and the house adds.

use super::{boards, checked_in, panels};
use plimsoll_tests::skipped;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Grafana's ids of the units that are used; another one is looked up before it is added here.
const UNITS: [&str; 8] =
    ["bytes", "Bps", "s", "percentunit", "ops", "cps", "short", "dateTimeAsIso"];

/// What `tests/dashboards/check.mjs` says of files; None where it cannot be run.
fn checked(files: &[PathBuf]) -> Option<(bool, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards");
    if !folder.join("node_modules").exists() {
        let what = "tests/dashboards/node_modules: npm ci --ignore-scripts in tests/dashboards";
        assert!(skipped(what));
        return None;
    }
    let done = Command::new("node").arg("check.mjs").args(files).current_dir(folder).output();
    let Ok(done) = done else {
        assert!(skipped("node is not installed"));
        return None;
    };
    let said = [done.stdout, done.stderr].concat();
    Some((done.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn each_dashboard_fits_the_schema_of_the_oldest_and_of_the_newest_grafana() {
    let dir = checked_in().canonicalize().expect("dashboards/ is there");
    let files: Vec<PathBuf> = boards().iter().map(|(name, _)| dir.join(name)).collect();
    let Some((good, said)) = checked(&files) else { return };
    assert!(good && said.contains("7 dashboards fit newest,oldest"), "{said}");
}

#[test]
fn what_grafana_does_not_know_is_found() {
    let (_, good) = boards().swap_remove(0);
    let scratch = tempfile::tempdir().expect("a directory");
    let faults: [(&str, Value); 6] = [
        ("/refresh", json!(30)),
        ("/panels/1/typo", json!(true)),
        ("/panels/1/type", json!("graph")),
        ("/panels/1/fieldConfig/defaults/thresholds/mode", json!("relative")),
        ("/panels/1/options/graphMode", json!("sometimes")),
        ("/templating/list/1/refresh", json!(3)),
    ];
    let mut files = Vec::new();
    for (at, (place, value)) in faults.iter().enumerate() {
        let mut bad = good.clone();
        let (above, key) = place.rsplit_once('/').expect("a pointer");
        let above = bad.pointer_mut(above).and_then(Value::as_object_mut).expect("an object");
        above.insert((*key).to_owned(), value.clone());
        let file = scratch.path().join(format!("bad{at}.json"));
        std::fs::write(&file, bad.to_string()).expect("it can be written");
        files.push(file);
    }
    let Some((good, said)) = checked(&files) else { return };
    assert!(!good);
    for (at, fault) in faults.iter().enumerate() {
        for schema in ["newest", "oldest"] {
            let found = said
                .lines()
                .any(|line| line.starts_with(schema) && line.contains(&format!("/bad{at}.json:")));
            assert!(found, "{fault:?} fits the {schema}: {said}");
        }
    }
}

#[test]
fn each_dashboard_keeps_to_the_rules_for_dashboards() {
    let boards = boards();
    assert_eq!(boards.len(), 7);
    let uids: BTreeSet<String> = boards.iter().map(|(_, board)| text(&board["uid"])).collect();
    assert_eq!(uids.len(), boards.len());
    for (name, board) in &boards {
        assert!(name.ends_with(&format!("/{}.json", text(&board["uid"]))), "{name}");
        assert!(board["id"].is_null() && board["editable"] == false, "{name}");
        assert!(board["tags"][0] == "plimsoll" && board["schemaVersion"] == 41, "{name}");
        assert!(text(&board["title"]).starts_with("Plimsoll / "), "{name}");
        check_variables(name, board);
        let mut places: Vec<[u64; 4]> = Vec::new();
        for panel in panels(board) {
            check_panel(name, panel, &uids);
            let at = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
            let place = ["x", "y", "w", "h"].map(at);
            assert!(place[0] + place[2] <= 24 && !places.iter().any(|o| overlap(place, *o)));
            places.push(place);
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A data source, job and instance can be chosen, from that source, many at once.
fn check_variables(name: &str, board: &Value) {
    let variables = board["templating"]["list"].as_array().expect("variables");
    let sources: Vec<&Value> = variables.iter().filter(|v| v["type"] == "datasource").collect();
    assert_eq!(sources.len(), 1, "{name}");
    assert!(sources[0]["name"] == "datasource" && sources[0]["label"] == "Data source", "{name}");
    let names: Vec<&Value> = variables.iter().map(|variable| &variable["name"]).collect();
    assert!(names.starts_with(&[&json!("datasource"), &json!("job"), &json!("instance")]));
    for variable in &variables[1..] {
        let own = &variable["name"];
        assert_eq!(variable["datasource"]["uid"], "${datasource}", "{name}: {own}");
        assert!(variable["label"] == *own && variable["multi"] == true, "{name}: {own}");
        // Read anew when the range changes.
        assert!(variable["includeAll"] == true && variable["refresh"] == 2, "{name}: {own}");
        let query = text(&variable["query"]["query"]);
        assert!(query.starts_with("label_values("), "{name}: {query}");
        let all = if own == "job" || own == "instance" { ".+" } else { ".*" };
        assert_eq!(variable["allValue"], all, "{name}: {own}");
    }
}

fn check_panel(name: &str, panel: &Value, uids: &BTreeSet<String>) {
    let title = text(&panel["title"]);
    let what = text(&panel["description"]);
    assert!(title.len() > 2 && what.len() > 2 && what.ends_with('.'), "{name}: {title}: {what}");
    let defaults = &panel["fieldConfig"]["defaults"];
    let unit = text(&defaults["unit"]);
    assert!(UNITS.contains(&&*unit), "{name}: {title}: {unit}");
    assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {title}");
    // Without a first step of its own Grafana would paint it as it likes.
    let steps = defaults["thresholds"]["steps"].as_array().expect("steps");
    assert!(steps[0]["value"].is_null(), "{name}: {title}");
    let rises = steps.windows(2).all(|two| two[0]["value"].as_f64() < two[1]["value"].as_f64());
    assert!(rises, "{name}: {title}");
    for target in panel["targets"].as_array().expect("targets") {
        let expr = text(&target["expr"]);
        check_query(&expr);
        assert_eq!(target["datasource"]["uid"], "${datasource}", "{name}: {title}");
        if panel["type"] == "timeseries" {
            check_legend(&expr, &text(&target["legendFormat"]));
            let per_second = expr.contains("rate(") || expr.contains("deriv(");
            let of_rates = ["Bps", "ops", "cps", "percentunit"].contains(&&*unit) || title == "CPU";
            assert!(!per_second || of_rates, "{name}: {title}: {unit} of {expr}");
        }
    }
    for one in panel["fieldConfig"]["overrides"].as_array().expect("overrides") {
        let url = text(&one["properties"][0]["value"][0]["url"]);
        let board = url.strip_prefix("/d/").and_then(|rest| rest.split('?').next());
        assert!(board.is_some_and(|board| uids.contains(board)), "{name}: {title}: {url}");
    }
}

fn overlap(a: [u64; 4], b: [u64; 4]) -> bool {
    a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + b[3] && b[1] < a[1] + a[3]
}

/// Each line has a name, and where lines of several nodes are drawn it tells them apart.
#[track_caller]
fn check_legend(expr: &str, legend: &str) {
    assert!(!legend.is_empty(), "{expr}");
    let inner = expr.trim_start_matches("topk(10, ").trim_start_matches("topk(20, ");
    let summed = ["sum", "max", "min", "count", "time()"].iter().any(|f| inner.starts_with(f));
    match inner.split_once(" by (").filter(|_| summed) {
        Some((_, rest)) => {
            let labels = rest.split(')').next().expect("it is closed");
            for label in labels.split(", ") {
                assert!(legend.contains(&format!("{{{{{label}}}}}")), "{legend} of {expr}");
            }
        }
        None => assert_eq!(legend.contains("{{instance}}"), !summed, "{legend} of {expr}"),
    }
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
