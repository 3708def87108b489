//! Go programs against `runtime.ReadMemStats` and `runtime.MemProfile`.

use crate::programs::{Program, built, examine, source, stats};
use plimsoll_heap::runtimes::go::buckets::estimate;
use serde_json::Value;
use std::process::Command;

fn program(name: &str, flags: &[&str]) -> Option<(tempfile::TempDir, Program)> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join(name);
    let mut go = Command::new("go");
    go.env("GO111MODULE", "off").env("GOCACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/go-cache"));
    let go = go.args(["build", "-o"]).arg(&out).args(flags).arg(source(&format!("{name}.go")));
    built(go).then(|| (dir, Program::start(&mut Command::new(&out))))
}

/// What the largest site holds, which has to be the one named so.
#[track_caller]
fn site(go: &Value, function: &str) -> u64 {
    let largest = &go["heap_profile"]["sites"][0];
    assert!(largest["frames"][0].as_str().unwrap().starts_with(function), "{go}");
    largest["bytes"].as_u64().unwrap()
}

#[track_caller]
fn check_site(go: &Value, sampled: u64) {
    let (_, bytes) = estimate(sampled / 2048, sampled, 512 << 10);
    let read = site(go, "main.keepSessions (hold.go:");
    assert!((read as f64 - bytes).abs() < bytes * 0.01, "{read} {bytes}: {go}");
}

#[test]
fn statistics_and_sites_are_those_of_the_runtime() {
    let Some((_dir, mut program)) = program("hold", &[]) else { return };
    program.ask();
    let said = program.ask();
    let found = examine(program.pid());
    let go = stats(&found, "go");
    let memstats = &go["memstats"];
    let near = |name: &str, said: u64| {
        let read = memstats[name].as_u64().unwrap();
        assert!(read.abs_diff(said) <= said / 100 + (64 << 10), "{name}: {read}, not {said}");
    };
    near("heap_alloc_bytes", said[0]);
    near("heap_inuse_bytes", said[1]);
    near("heap_idle_bytes", said[2]);
    near("heap_released_bytes", said[3]);
    near("stack_inuse_bytes", said[4]);
    assert_eq!(memstats["gc_count"].as_u64(), Some(said[5]));
    assert!(go["version"].as_str().unwrap().starts_with("go1."), "{go}");
    check_site(&go, said[6]);
    let allocator = found.iter().find_map(|finding| finding.allocator.as_ref()).unwrap();
    assert_eq!(allocator.name, "go");
}

#[test]
fn a_stripped_program_still_tells_its_sites() {
    for flags in [&["-ldflags=-s -w"][..], &["-buildmode=pie", "-ldflags=-s -w"]] {
        let Some((_dir, mut program)) = program("hold", flags) else { return };
        let said = program.ask();
        let found = examine(program.pid());
        let go = stats(&found, "go");
        check_site(&go, said[6]);
        assert!(go["version"].as_str().unwrap().starts_with("go1."), "{go}");
        assert_eq!(go["memstats"], Value::Null);
        let notes: Vec<&String> = found.iter().flat_map(|finding| &finding.notes).collect();
        assert!(notes.iter().any(|note| note.contains("stripped")), "{notes:?}");
    }
}

#[test]
fn a_program_whose_profile_is_off_is_told_so() {
    let Some((_dir, mut program)) = program("quiet", &[]) else { return };
    program.ask();
    let found = examine(program.pid());
    let go = stats(&found, "go");
    assert_eq!(go["heap_profile"]["enabled"], false);
    assert!(go["memstats"]["heap_alloc_bytes"].as_u64().unwrap() > 10_000_000, "{go}");
    let notes: Vec<&String> = found.iter().flat_map(|finding| &finding.notes).collect();
    assert!(notes.iter().any(|note| note.contains("profile is off")), "{notes:?}");
}
