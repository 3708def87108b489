//! Growth of one life and difference of two, over reports made up here.

use super::*;
use crate::report::{ByType, Leaks, Rss, RssParts};
use crate::verdict::testing::report;
use serde_json::json;

fn at(taken_at: &str, total: u64, unreachable: u64) -> Report {
    let mut report = report();
    report.taken_at = taken_at.to_owned();
    let parts = RssParts { heap: total, ..RssParts::default() };
    report.rss = Some(Rss { total_bytes: total, parts });
    report.leaks = Some(Leaks {
        unreachable_bytes: unreachable,
        by_type: vec![ByType { name: "Session".to_owned(), bytes: unreachable, count: 2 }],
        ..Leaks::default()
    });
    report
}

#[test]
fn growth_is_told_by_dotted_name_and_falls_are_negative() {
    let before = at("2026-01-01T00:00:00Z", 1000, 500);
    let now = at("2026-01-01T00:01:00Z", 3000, 200);
    let growth = growth(&before, &now).unwrap();
    assert_eq!(growth.elapsed_s, 60.0);
    assert_eq!(growth.bytes["rss.total_bytes"], 2000);
    assert_eq!(growth.bytes["rss.parts.heap"], 2000);
    assert_eq!(growth.bytes["leaks.unreachable_bytes"], -300);
    assert_eq!(growth.bytes["leaks.direct_bytes"], 0);
    assert!(!growth.bytes.contains_key("allocator.in_use_bytes"), "{:?}", growth.bytes);
}

#[test]
fn another_life_or_an_earlier_report_has_no_growth_but_a_difference() {
    let before = at("2026-01-01T00:00:00Z", 1000, 500);
    let mut other = at("2026-01-01T00:01:00Z", 3000, 200);
    assert_eq!(growth(&other, &before), None);
    other.identity.start_time += 1;
    assert_eq!(growth(&before, &other), None);
    let diff = diff(&before, &other);
    assert!(!diff.same_life);
    assert_eq!(diff.bytes["rss.total_bytes"].delta, 2000);
}

#[test]
fn rows_of_tables_are_matched_by_name_and_the_largest_change_comes_first() {
    let mut a = at("2026-01-01T00:00:00Z", 1000, 500);
    let mut b = at("2026-01-01T00:01:00Z", 1000, 400);
    let types = |list: &[(&str, u64)]| {
        let row = |(name, bytes): &(&str, u64)| json!({"type": name, "bytes": bytes, "count": 1});
        json!({"types": list.iter().map(row).collect::<Vec<_>>()})
    };
    a.runtime_stats.insert("python".to_owned(), types(&[("dict", 10), ("gone", 5), ("str", 7)]));
    b.runtime_stats.insert("python".to_owned(), types(&[("dict", 40), ("new", 90), ("str", 7)]));
    let diff = diff(&a, &b);
    let rows: Vec<(&str, i64)> = diff.tables["runtime_stats.python.types"]
        .iter()
        .map(|row| (row.name.as_str(), row.bytes.delta))
        .collect();
    assert_eq!(rows, [("new", 90), ("dict", 30), ("gone", -5)]);
    assert_eq!(diff.tables["leaks.by_type"][0].bytes, Change { a: 500, b: 400, delta: -100 });
}

#[test]
fn a_table_that_one_side_could_not_have_is_no_growth() {
    let mut a = at("2026-01-01T00:00:00Z", 1000, 500);
    let b = at("2026-01-01T00:01:00Z", 1000, 400);
    a.leaks = None;
    assert!(diff(&a, &b).tables.is_empty());
}

#[test]
fn a_difference_survives_being_written_and_read() {
    let a = at("2026-01-01T00:00:00Z", u64::MAX, 0);
    let b = at("nonsense", 0, u64::MAX);
    let diff = diff(&a, &b);
    assert_eq!(diff.bytes["rss.total_bytes"].delta, i64::MIN);
    assert_eq!(diff.elapsed_s, None);
    let text = serde_json::to_string(&diff).unwrap();
    assert_eq!(serde_json::from_str::<Diff>(&text).unwrap(), diff);
}
