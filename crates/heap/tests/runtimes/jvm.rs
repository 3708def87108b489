//! A JVM against its own management beans.

use crate::programs::{Program, built, examine, source, stats};
use std::process::Command;

fn java(flags: &[&str]) -> Option<(tempfile::TempDir, Program)> {
    let dir = tempfile::tempdir().unwrap();
    if !built(Command::new("javac").arg("-d").arg(dir.path()).arg(source("Hold.java"))) {
        return None;
    }
    let mut java = Command::new("java");
    java.args(["-Xmx128m", "-XX:+UseSerialGC"]).args(flags);
    let program = Program::start(java.arg("-cp").arg(dir.path()).arg("Hold"));
    Some((dir, program))
}

#[test]
fn the_old_generation_after_a_collection_is_what_the_jvm_says() {
    let Some((_dir, mut program)) = java(&[]) else { return };
    let said = program.ask();
    let found = examine(program.pid());
    let jvm = stats(&found, "jvm");
    assert_eq!(jvm["old_used_bytes"].as_u64(), Some(said[0]), "{jvm}");
    assert_eq!(jvm["old_max_bytes"].as_u64(), Some(said[1]), "{jvm}");
    assert_eq!(jvm["last_cause"], "System.gc()");
    assert!(jvm["threads"]["live"].as_u64().unwrap() >= said[2], "{jvm}");
    assert!(jvm["metaspace"]["used_bytes"].as_u64().unwrap() > 0, "{jvm}");
    let full = &jvm["collectors"][1];
    assert!(full["invocations"].as_u64().unwrap() >= 1, "{jvm}");
    assert!(found.iter().any(|finding| finding.runtime.as_deref() == Some("jvm")));
}

#[test]
fn a_jvm_that_publishes_nothing_is_a_jvm_all_the_same() {
    let Some((_dir, mut program)) = java(&["-XX:-UsePerfData"]) else { return };
    program.ask();
    let found = examine(program.pid());
    let jvm = found.iter().find(|finding| finding.runtime.as_deref() == Some("jvm")).unwrap();
    assert!(jvm.stats.is_none() && jvm.incomplete);
    assert!(jvm.notes[0].contains("hsperfdata"), "{:?}", jvm.notes);
}
