//! What is kept of incidents across restarts, floods, full disks and foreign files.

use super::*;
use crate::view::{INCIDENT_SCHEMA, IncidentSeries, TaskRow, Victim};
use std::fs;

fn incident(id: &str) -> Incident {
    Incident {
        schema: INCIDENT_SCHEMA.into(),
        id: id.into(),
        boot_id: "boot".into(),
        kernel_time_s: Some(100.0),
        victims: vec![Victim { pid: Some(7), ..Victim::default() }],
        ..Incident::default()
    }
}

fn params(dir: &Path, incidents_max: usize) -> ShelfParams {
    ShelfParams { dir: Some(dir.to_owned()), incidents_max, disk_budget: Bytes::mib(4) }
}

#[test]
fn incidents_come_back_after_a_restart_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let (shelf, _) = Shelf::open(params(dir.path(), 10));
    assert!(shelf.put(incident("20260101T000000Z-1")) && shelf.put(incident("20260102T000000Z-2")));
    drop(shelf);
    let (shelf, notes) = Shelf::open(params(dir.path(), 10));
    assert_eq!(notes, Vec::<String>::new());
    let ids: Vec<String> = shelf.list().into_iter().map(|summary| summary.id).collect();
    assert_eq!(ids, ["20260102T000000Z-2", "20260101T000000Z-1"]);
    assert_eq!(*shelf.read(&ids[0]).unwrap(), incident(&ids[0]));
    assert!(shelf.read("20260103T000000Z-3").is_none() && shelf.read("../../etc/passwd").is_none());
    assert_eq!(read_dir(dir.path()).unwrap().len(), 2);
    assert!(shelf.knows("boot", 130.0, 7) && !shelf.knows("boot", 300.0, 7));
    assert!(!shelf.knows("other", 100.0, 7) && !shelf.knows("boot", 100.0, 8));
}

#[test]
fn the_oldest_are_deleted_beyond_the_number_and_beyond_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (shelf, _) = Shelf::open(params(dir.path(), 3));
    for day in 10..20 {
        assert!(shelf.put(incident(&format!("202601{day}T000000Z-1"))));
    }
    assert_eq!((shelf.len(), shelf.counts()), (3, (7, 0)));
    let small = ShelfParams { disk_budget: Bytes::kib(1), ..params(dir.path(), 100) };
    let (shelf, _) = Shelf::open(small);
    assert!(shelf.put(incident("20260201T000000Z-1")));
    assert_eq!(shelf.len(), 1, "the newest stays");
    assert_eq!(read_dir(dir.path()).unwrap().len(), 1);
}

#[test]
fn what_a_kill_left_half_written_goes_and_foreign_bytes_are_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (shelf, _) = Shelf::open(params(dir.path(), 3));
    assert!(shelf.put(incident("20260101T000000Z-1")));
    let folder = dir.path().join("incidents");
    fs::write(folder.join("incident-20260102T000000Z-1.tmp"), "{\"schema\":").unwrap();
    fs::write(folder.join("incident-20260103T000000Z-1.json"), "\0garbage").unwrap();
    fs::write(folder.join("incident-20260104T000000Z-1.json"), "{\"id\":\"x\"}").unwrap();
    fs::write(folder.join("incident-..json"), "{}").unwrap();
    let (shelf, notes) = Shelf::open(params(dir.path(), 3));
    assert_eq!((shelf.len(), notes.len()), (1, 2), "{notes:?}");
    assert!(folder.join("incident.damaged").exists());
    assert!(!folder.join("incident-20260102T000000Z-1.tmp").exists());
}

#[test]
fn what_cannot_be_written_is_kept_in_memory_told_of_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let (shelf, _) = Shelf::open(params(dir.path(), 3));
    let folder = dir.path().join("incidents");
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "a file in its place").unwrap();
    assert!(!shelf.put(incident("20260101T000000Z-1")));
    assert!(shelf.health().is_some() && !shelf.list()[0].on_disk);
    assert!(shelf.read("20260101T000000Z-1").is_some(), "it is there all the same");
    assert!(!shelf.retry());
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    assert!(shelf.retry() && shelf.health().is_none() && shelf.list()[0].on_disk);
    assert_eq!(shelf.counts(), (0, 2));
}

#[test]
fn without_a_directory_the_newest_eight_are_in_memory() {
    let shelf = Shelf::in_memory();
    for n in 0..12 {
        assert!(!shelf.put(incident(&format!("20260101T0000{n:02}Z-1"))));
    }
    assert_eq!((shelf.len(), shelf.list()[0].id.as_str()), (8, "20260101T000011Z-1"));
    assert!(shelf.health().is_none(), "that is no fault");
}

#[test]
fn a_monstrous_incident_is_cut_to_its_bound() {
    let mut huge = incident("20260101T000000Z-1");
    let points = vec![(1.0e9, 1 << 40, 1 << 40, 1 << 40, 1 << 40, 1 << 40); 40_000];
    huge.series.push(IncidentSeries { points, ..IncidentSeries::default() });
    huge.task_dump = vec![TaskRow { name: "x".repeat(900), ..TaskRow::default() }; 2_000];
    let cut = files::bounded(huge);
    assert!(serde_json::to_vec(&cut).unwrap().len() <= INCIDENT_BYTES_MAX);
    assert!(cut.task_dump_left_out > 0 && !cut.series[0].points.is_empty());
}

#[test]
fn an_id_is_no_path() {
    assert!(is_id("20260101T000000Z-77"));
    for wrong in ["", "..", "a/b", "a.json", "ä", &"x".repeat(65)] {
        assert!(!is_id(wrong), "{wrong}");
    }
}
