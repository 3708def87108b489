//! Holds the reference of the cache's metrics in docs/metrics.md to what a running cache serves.
//!
//! With `PLIMSOLL_BLESS` set it writes the reference instead, between the two marks.

use plimsoll_tests::Cache;
use std::collections::{BTreeMap, BTreeSet};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
const BEGIN: &str = "<!-- cache: written by a test from what is served -->\n";
const END: &str = "<!-- end of cache -->\n";

/// Names of labels, by the name of the series.
fn labels(exposition: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in exposition.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let names = rest.split("=\"").filter_map(|part| part.rsplit([',', '{']).next());
        let is_name =
            |name: &&str| !name.is_empty() && name.chars().all(|c| matches!(c, 'a'..='z' | '_'));
        labels.entry(name).or_default().extend(names.filter(is_name));
    }
    labels
}

/// One row for each family: name as it is queried, type, labels, help.
fn table(exposition: &str) -> String {
    let labels = labels(exposition);
    let mut helps: BTreeMap<&str, &str> = BTreeMap::new();
    let mut out = String::from("| metric | type | labels | what it is |\n|---|---|---|---|\n");
    for line in exposition.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            helps.insert(name, help);
        }
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
        else {
            continue;
        };
        let of = labels
            .get(name)
            .map_or(String::new(), |of| of.iter().copied().collect::<Vec<_>>().join(", "));
        let help = helps.get(name).copied().unwrap_or_default();
        out += &format!("| `{name}` | {kind} | {of} | {help} |\n");
    }
    out
}

#[test]
fn the_reference_names_every_metric_of_the_cache() {
    let scratch = tempfile::tempdir().expect("a directory");
    let file = scratch.path().join("items").display().to_string();
    // With a file for snapshots, whose figures are served only where there is one.
    let cache = Cache::start(&["-m", "64", "-e", &file]);
    let exposition = cache.get("/metrics").body;
    // Where a bound above the cache is known there is a headroom; elsewhere not.
    let wanted: String = table(&exposition)
        .lines()
        .filter(|line| !line.contains("headroom"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(wanted.lines().count() > 30, "{wanted}");
    let document = std::fs::read_to_string(DOCUMENT).expect("docs/metrics.md is there");
    let (before, rest) = document.split_once(BEGIN).expect("docs/metrics.md has the mark");
    let (found, after) = rest.split_once(END).expect("docs/metrics.md has the end mark");
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        let new = format!("{before}{BEGIN}{wanted}{END}{after}");
        std::fs::write(DOCUMENT, new).expect("it is written");
    } else {
        assert!(found == wanted, "set PLIMSOLL_BLESS and run again; wanted:\n{wanted}");
    }
}
