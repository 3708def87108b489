//! What cannot be read from outside is named, and nothing is said of it.

use crate::programs::{Program, built, examine, library, skipped, source};
use plimsoll_heap::scene::Finding;
use plimsoll_heap::take::{Options, take};
use plimsoll_heap::target::Opened;
use std::process::Command;

fn notes(found: &[Finding]) -> Vec<&str> {
    found.iter().flat_map(|finding| &finding.notes).map(String::as_str).collect()
}

#[test]
fn tcmalloc_is_named_and_not_introspectable() {
    let Some(tcmalloc) = library("libtcmalloc_minimal.so.4") else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("hold");
    let mut cc = Command::new("cc");
    if !built(cc.args(["-O1", "-fno-builtin", "-o"]).arg(&out).arg(source("hold.c"))) {
        return;
    }
    let mut program = Program::start(Command::new(&out).env("LD_PRELOAD", tcmalloc));
    program.ask();
    let found = examine(program.pid());
    let allocator = found.iter().find_map(|finding| finding.allocator.as_ref()).unwrap();
    assert_eq!((allocator.name.as_str(), allocator.in_use_bytes), ("tcmalloc", None));
    assert!(allocator.detected_by.contains("libtcmalloc_minimal.so.4"), "{allocator:?}");
    assert!(notes(&found)[0].contains("not introspectable"), "{:?}", notes(&found));
}

#[test]
fn musl_is_named_in_static_programs_too_and_not_taken_for_glibc() {
    for flags in [&["-static"][..], &[]] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("hold");
        let mut cc = Command::new("musl-gcc");
        if !built(cc.args(flags).args(["-O1", "-o"]).arg(&out).arg(source("hold.c"))) {
            return;
        }
        let mut program = Program::start(&mut Command::new(&out));
        program.ask();
        let found = examine(program.pid());
        let allocator = found.iter().find_map(|finding| finding.allocator.as_ref()).unwrap();
        assert_eq!((allocator.name.as_str(), allocator.in_use_bytes), ("musl", None));
        let opened = Opened::open(program.pid()).unwrap();
        let report = take(&opened, &Options::default(), &mut |_| {}).unwrap();
        assert_eq!(report.allocator.map(|allocator| allocator.name), Some("musl".to_owned()));
    }
}

#[test]
fn node_is_named_and_its_heap_not_introspectable() {
    let script = "process.stdin.on('data', () => console.log(process.memoryUsage().rss))";
    let mut node = Command::new("node");
    if node.arg("--version").output().is_err() {
        assert!(skipped("node is not installed"));
        return;
    }
    let mut program = Program::start(Command::new("node").args(["-e", script]));
    assert!(program.ask()[0] > 0);
    let found = examine(program.pid());
    assert_eq!(found[0].runtime.as_deref(), Some("node"), "{found:?}");
    assert!(notes(&found)[0].contains("not introspectable"), "{:?}", notes(&found));
}

#[test]
fn a_plain_program_has_nothing_of_all_this() {
    let mut program = Program::start(&mut Command::new("cat"));
    program.ask();
    assert_eq!(examine(program.pid()).len(), 0);
}
