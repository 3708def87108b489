//! What is kept of heap reports across restarts, floods, age, full disks and foreign files.

use super::*;
use crate::config::Config;
use crate::units::Bytes;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;

fn report() -> Report {
    let text = include_str!("../../../../crates/heap/fixtures/leaking.json");
    serde_json::from_str(text).unwrap()
}

fn config(reports_max: usize) -> ReportsConfig {
    let ttl = Duration::from_secs(3600);
    ReportsConfig { reports_max, ttl, ..Config::default().reports }
}

fn open(dir: &Path, config: ReportsConfig, now_ms: i64) -> ReportShelf {
    ReportShelf::open(Some(dir.to_owned()), config, now_ms).0
}

fn asked(pid: u32) -> ReportSummary {
    let target = format!("process:{pid}@1");
    ReportSummary { pid, target, ..ReportSummary::default() }
}

/// Puts up a finished report and returns its id.
fn put(shelf: &ReportShelf, pid: u32, at_ms: i64) -> String {
    let id = shelf.begin(asked(pid), at_ms);
    assert!(shelf.put(&id, report(), at_ms).is_some());
    id
}

#[test]
fn reports_come_back_after_a_restart_newest_first_in_files_that_only_their_owner_reads() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = open(dir.path(), config(10), DAY_MS);
    let ids = [put(&shelf, 7, DAY_MS), put(&shelf, 7, DAY_MS + 5)];
    assert_eq!(ids[0], "19700102T000000000Z-7");
    drop(shelf);
    let folder = dir.path().join("reports");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    let shelf = open(dir.path(), config(10), DAY_MS);
    let listed = shelf.list();
    assert_eq!(listed.iter().map(|s| &s.id).collect::<Vec<_>>(), [&ids[1], &ids[0]]);
    assert!(listed.iter().all(|s| s.on_disk && s.state == ReportState::Ready));
    assert_eq!(listed[0].unreachable_bytes, Some(Bytes(35_200_000)));
    let ReportFound::Ready(found) = shelf.find(&ids[0]) else { panic!("it is not there") };
    assert_eq!(*found, Report { id: Some(ids[0].clone()), ..report() });
    let newest = shelf.newest_of(ProcessId { pid: 7, start_time: 1 }).unwrap();
    assert_eq!(newest.id.as_ref(), Some(&ids[1]));
    assert!(shelf.newest_of(ProcessId { pid: 7, start_time: 2 }).is_none(), "another life");
    assert!(matches!(shelf.find("../../etc/passwd"), ReportFound::None));
}

#[test]
fn the_oldest_go_beyond_number_bytes_and_age_and_the_newest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = open(dir.path(), config(3), DAY_MS);
    let ids: Vec<String> = (0..6).map(|n| put(&shelf, 7, DAY_MS + n)).collect();
    assert_eq!((shelf.len(), shelf.counts().deleted), (3, 3));
    shelf.prune(DAY_MS + 3_600_004);
    assert_eq!(shelf.list().iter().map(|s| &s.id).collect::<Vec<_>>(), [&ids[5], &ids[4]]);
    let files = || fs::read_dir(dir.path().join("reports")).unwrap().count();
    assert_eq!(files(), 2);
    drop(shelf);
    let small = ReportsConfig { disk_budget: Bytes::kib(5), ..config(10) };
    let shelf = open(dir.path(), small, DAY_MS);
    assert_eq!((shelf.len(), files()), (1, 1), "the bounds hold from the start");
    put(&shelf, 8, DAY_MS + 9);
    assert_eq!((shelf.len(), shelf.list()[0].pid), (1, 8));
    drop(shelf);
    assert_eq!(open(dir.path(), config(10), 9 * DAY_MS).len(), 0, "so does the age");
    assert_eq!(files(), 0);
}

#[test]
fn what_is_torn_foreign_or_a_link_is_told_apart_and_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = open(dir.path(), config(10), DAY_MS);
    let [whole, torn] = [put(&shelf, 1, DAY_MS), put(&shelf, 2, DAY_MS)];
    drop(shelf);
    let folder = dir.path().join("reports");
    let path = |id: &str| folder.join(format!("report-{id}.json"));
    let text = fs::read(path(&torn)).unwrap();
    fs::write(path(&torn), &text[..text.len() / 2]).unwrap();
    fs::write(folder.join("report-half.tmp"), "{").unwrap();
    fs::copy(path(&whole), path("19700102T000000000Z-3")).unwrap();
    std::os::unix::fs::symlink(path(&whole), path("19700102T000000000Z-4")).unwrap();
    let (shelf, notes) = ReportShelf::open(Some(dir.path().to_owned()), config(10), DAY_MS);
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes.iter().all(|note| note.contains("report.damaged")), "{notes:?}");
    assert_eq!(shelf.list().iter().map(|s| &s.id).collect::<Vec<_>>(), [&whole]);
    assert!(!folder.join("report-half.tmp").exists());
    fs::write(path(&whole), "garbage").unwrap();
    assert!(matches!(shelf.find(&whole), ReportFound::None), "torn while the agent ran");
}

#[test]
fn without_a_disk_the_newest_few_are_kept_in_memory_and_a_full_disk_is_told_of() {
    let (shelf, _) = ReportShelf::open(None, config(10), 0);
    let ids: Vec<String> = (0..11).map(|n| put(&shelf, 1, n)).collect();
    assert_eq!(shelf.len(), MEMORY_MAX);
    assert!(matches!(shelf.find(&ids[0]), ReportFound::None));
    assert!(matches!(shelf.find(ids.last().unwrap()), ReportFound::Ready(_)));
    let dir = tempfile::tempdir().unwrap();
    let shelf = open(dir.path(), config(10), 0);
    fs::remove_dir_all(dir.path()).unwrap();
    let id = put(&shelf, 1, 0);
    assert!(shelf.health().is_some_and(|why| why.contains("report-")));
    assert_eq!(shelf.counts().write_failures, 1);
    assert!(matches!(shelf.find(&id), ReportFound::Ready(_)), "kept in memory");
}

#[test]
fn ids_never_repeat_and_refusals_are_kept_up_to_a_number() {
    let (shelf, _) = ReportShelf::open(None, config(10), 0);
    let ids: std::collections::BTreeSet<String> =
        (0..20).map(|_| shelf.begin(asked(5), 77)).collect();
    assert_eq!(ids.len(), 20);
    assert!(ids.iter().all(|id| is_id(id)));
    for id in &ids {
        assert!(matches!(shelf.find(id), ReportFound::Unfinished(_)));
        shelf.refuse(id, "gone".into());
    }
    for _ in 0..REFUSED_MAX * 2 {
        let id = shelf.begin(asked(6), 78);
        shelf.refuse(&id, "gone".into());
    }
    assert_eq!(shelf.len(), REFUSED_MAX);
}

#[test]
fn a_report_too_long_to_be_kept_loses_the_ends_of_its_lists_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = open(dir.path(), config(10), 0);
    let id = shelf.begin(asked(1), 0);
    let mut long = report();
    let leaks = long.leaks.as_mut().unwrap();
    let stack = leaks.by_stack[0].clone();
    leaks.by_stack = vec![stack; 100_000];
    shelf.put(&id, long, 0);
    let ReportFound::Ready(kept) = shelf.find(&id) else { panic!("it is not there") };
    assert!(kept.leaks.as_ref().unwrap().by_stack.len() >= 2_048);
    assert!(!kept.method.complete && kept.method.notes.iter().any(|n| n.contains("too long")));
    assert!(shelf.bytes() <= files::REPORT_BYTES_MAX as u64 + 4_096);
}
