//! jemalloc preloaded into a C program, and linked into this test, against `mallctl`.

use crate::programs::{Program, built, examine, library, source, stats};
use plimsoll_heap::scene::Finding;
use plimsoll_heap::target::Opened;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const CHILD: &str = "PLIMSOLL_TEST_JEMALLOC_CHILD";

/// The figures in the order in which the programs say theirs.
fn figures(found: &[Finding]) -> Vec<u64> {
    let read = stats(found, "jemalloc");
    let names = ["allocated", "active", "retained", "dirty", "small", "large"];
    names.iter().map(|name| read[format!("{name}_bytes")].as_u64().unwrap()).collect()
}

#[track_caller]
fn check(program: &mut Program, version: &str) {
    // The first answers take what is kept for the next ones, such as buffers.
    program.ask();
    let before = program.ask();
    let found = examine(program.pid());
    assert_eq!(figures(&found), before, "allocated, active, retained, dirty, small, large");
    assert_eq!(program.ask(), before, "looking changed nothing");
    let allocator = found.iter().find_map(|finding| finding.allocator.as_ref()).unwrap();
    assert_eq!((allocator.name.as_str(), allocator.confidence), ("jemalloc", 1.0));
    assert_eq!(allocator.version.as_deref(), Some(version));
    assert_eq!(allocator.in_use_bytes, Some(before[0]));
    let classes: u64 = allocator.size_classes.iter().map(|class| class.in_use_bytes).sum();
    assert_eq!(classes, before[0], "the size classes add up");
}

#[test]
fn debians_stripped_library_is_read_to_the_byte() {
    let Some(jemalloc) = library("libjemalloc.so.2") else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("hold");
    let mut cc = Command::new("cc");
    if !built(cc.args(["-O1", "-fno-builtin", "-o"]).arg(&out).arg(source("hold.c"))) {
        return;
    }
    check(&mut Program::start(Command::new(&out).env("LD_PRELOAD", jemalloc)), "5.3.0");
}

/// The child in `program`, with a probe or without.
fn child(program: &Path, is_probed: bool) -> Program {
    let mut command = Command::new(program);
    command.args(["--exact", "jemalloc::the_child_of_the_others", "--nocapture"]);
    let mut child = Program::start(command.env(CHILD, if is_probed { "probed" } else { "bare" }));
    child.skip_to("ready");
    child
}

fn this_test() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// Is started by the others, and says what its own jemalloc says.
#[test]
fn the_child_of_the_others() {
    let Some(role) = std::env::var_os(CHILD) else { return };
    use tikv_jemalloc_ctl::{Access as _, AsName as _, epoch};
    let probe = (role == "probed").then(|| plimsoll_probe::Probe::start("test").unwrap());
    let kept: Vec<Vec<u8>> = (0..20_000).map(|i| vec![1; i * 37 % 3000 + 8]).collect();
    let large: Vec<Vec<u8>> = (0..20).map(|i| vec![1; 20_000 + i * 9_000]).collect();
    let size = |name: &'static [u8]| -> usize { name.name().read().unwrap() };
    let mut line = String::with_capacity(64);
    let stdin = std::io::stdin();
    // What the test harness has printed ends here.
    std::io::stdout().write_all(b"\nready\n").unwrap();
    while stdin.lock().read_line(&mut line).unwrap() > 0 {
        line.clear();
        epoch::advance().unwrap();
        let page = size(b"arenas.page\0");
        let said = [
            size(b"stats.allocated\0"),
            size(b"stats.active\0"),
            size(b"stats.retained\0"),
            page * size(b"stats.arenas.4096.pdirty\0"),
            size(b"stats.arenas.4096.small.allocated\0"),
            size(b"stats.arenas.4096.large.allocated\0"),
        ];
        let mut out = std::io::stdout().lock();
        for figure in said {
            write!(out, "{figure} ").unwrap();
        }
        writeln!(out).unwrap();
    }
    drop((kept, large, probe));
}

#[test]
fn a_rust_program_with_symbols_is_read_to_the_byte() {
    check(&mut child(&this_test(), false), "5.3.1");
}

#[test]
fn a_probe_agrees_with_what_is_read_from_outside() {
    let program = child(&this_test(), true);
    let found = examine(program.pid());
    let said = stats(&found, "probe");
    let read = stats(&found, "jemalloc");
    assert_eq!(said["name"], "test");
    // The answer itself takes a buffer or two in its thread.
    let (said, read) = (said["allocated_bytes"].as_u64(), read["allocated_bytes"].as_u64());
    assert!(said.unwrap().abs_diff(read.unwrap()) < 64 << 10, "{said:?} {read:?}");
}

#[test]
fn a_stripped_program_is_read_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let stripped = dir.path().join("stripped");
    let mut strip = Command::new("strip");
    if !built(strip.arg("-o").arg(&stripped).arg(this_test())) {
        return;
    }
    check(&mut child(&stripped, false), "5.3.1");
}

#[test]
fn a_program_without_a_probe_is_not_asked() {
    let mut sleeper = Program::start(Command::new("cat").arg("-"));
    let opened = Opened::open(sleeper.pid()).unwrap();
    assert!(plimsoll_heap::runtimes::probe_socket::ask(&opened).is_none());
    assert!(sleeper.ask().is_empty());
}
