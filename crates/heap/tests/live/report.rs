//! Whole reports of level 0.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use plimsoll_heap::maps::split::sum;
use plimsoll_heap::take::{Options, Progress};
use plimsoll_heap::target::Opened;
use plimsoll_heap::{Refusal, Report, take};

use crate::programs::{Blocks, Link, compiled};

fn report(pid: u32) -> Report {
    report_with(pid, &Options::default())
}

fn report_with(pid: u32, options: &Options) -> Report {
    let opened = Opened::open(pid).expect("it can be opened");
    take(&opened, options, &mut |_| {}).expect("a report is taken")
}

/// The parts sum to the total, and the total is what the kernel says.
#[track_caller]
fn check_split(report: &Report, rss_kib: u64) {
    let rss = report.rss.as_ref().expect("there is a split");
    assert_eq!(sum(&rss.parts), rss.total_bytes);
    assert_eq!(rss.total_bytes / 1024, rss_kib);
}

#[test]
fn a_report_says_what_the_program_holds_and_where() {
    let mut blocks = Blocks::start(Link::Dynamic, &["threads", "40000", "4"]);
    let said = blocks.ask("count");
    let mut steps = Vec::new();
    let opened = Opened::open(blocks.pid()).expect("it can be opened");
    let options = Options { limit_bytes: Some(1 << 30), ..Options::default() };
    let mut progress = |now: Progress| {
        if steps.last() != Some(&now.step) {
            steps.push(now.step);
        }
    };
    let report = take(&opened, &options, &mut progress).expect("a report is taken");
    assert!(report.method.complete, "{:?}", report.method.notes);
    assert!(steps.len() >= 4, "{steps:?}");
    assert_eq!((report.method.level, report.method.pause_us), (0, 0));
    check_split(&report, said.rss_kib);
    let parts = &report.rss.as_ref().expect("there is a split").parts;
    assert!(parts.arenas > 10 << 20 && parts.stacks > 4 * 4096 && parts.file > 100 << 10);
    assert!(parts.unattributed < 64 << 10, "{parts:?}");
    let allocator = report.allocator.as_ref().expect("glibc is found");
    assert_eq!((allocator.name.as_str(), allocator.confidence), ("glibc", 0.99));
    assert!(allocator.version.as_ref().is_some_and(|version| version.starts_with("2.")));
    assert_eq!(
        allocator.in_use_bytes.zip(allocator.tcache_bytes).map(|(a, b)| a + b),
        Some(said.in_use)
    );
    assert_eq!(allocator.free_bytes.zip(allocator.top_bytes).map(|(a, b)| a + b), Some(said.free));
    assert_eq!(allocator.arenas.len(), 5);
    assert_eq!(report.identity.limit_bytes, Some(1 << 30));
    assert_eq!(report.identity.runtime.as_deref(), Some("native"));
    assert!(report.identity.exe.is_some() && report.identity.cgroup.is_some());
    let text = serde_json::to_string(&report).expect("it is a document");
    assert_eq!(serde_json::from_str::<Report>(&text).expect("it can be read"), report);
}

#[test]
fn counting_pages_gives_the_same_split_as_smaps() {
    let mut blocks = Blocks::start(Link::Dynamic, &["mapped", "40"]);
    let said = blocks.ask("count");
    let exact = report(blocks.pid());
    let options = Options { stall_max: Duration::ZERO, ..Options::default() };
    let counted = report_with(blocks.pid(), &options);
    check_split(&exact, said.rss_kib);
    let (exact, counted) = (exact.rss.expect("a split"), counted.rss.expect("a split"));
    let off = exact.total_bytes.abs_diff(counted.total_bytes);
    assert!(off < 64 << 10, "{exact:?} {counted:?}");
    assert_eq!(exact.parts.mmap_chunks, counted.parts.mmap_chunks);
    // Aligned blocks were not written to.
    assert!((said.mapped / 2..=said.mapped).contains(&exact.parts.mmap_chunks));
    assert_eq!(exact.parts.heap, counted.parts.heap);
}

#[test]
fn holes_are_called_fragmentation_and_a_trim_is_suggested() {
    let blocks = Blocks::start(Link::Dynamic, &["holes", "20000"]);
    let report = report(blocks.pid());
    let fragmentation = report.fragmentation.expect("there is a heap");
    let suggestion = fragmentation.suggestion.expect("something can be done");
    assert!(suggestion.action.contains("malloc_trim"));
    assert_eq!(Some(suggestion.predicted_gain_bytes), fragmentation.trimmable_bytes);
    assert!(fragmentation.ratio.is_some_and(|ratio| (0.8..1.0).contains(&ratio)));
}

#[test]
fn as_many_mappings_as_the_kernel_allows_are_a_matter_of_seconds() {
    // More than the kernel allows unless it was told otherwise: the program stops at its limit.
    let program = compiled("mappings", &[]);
    let mut child = waiting(Command::new(program).arg("200000"));
    let begun = Instant::now();
    let report = report(child.0.id());
    let took = begun.elapsed();
    let rss = report.rss.expect("there is a split");
    assert_eq!(sum(&rss.parts), rss.total_bytes);
    assert!(took < Duration::from_secs(20), "it took {took:?}");
    let mappings = std::fs::read_to_string(format!("/proc/{}/maps", child.0.id()));
    let count = mappings.expect("it lives").lines().count();
    assert!(count > 10_000, "only {count} mappings were made");
    println!("{count} mappings: {took:?}");
    drop(child.0.stdin.take());
}

#[test]
fn who_may_not_read_a_process_is_told_what_is_missing() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can become somebody else");
        return;
    }
    let own = std::env::current_exe().expect("the test has a file");
    let name = "report::reading_a_process_of_root_as_somebody_else";
    let mut command = Command::new(own);
    command
        .args([name, "--exact", "--nocapture"])
        .env("HEAP_READ_PID", std::process::id().to_string());
    let output = command.uid(65534).gid(65534).output();
    // Where the build directory is closed to others the test cannot even be started.
    let Ok(output) = output else {
        println!("skipped: nobody may not run the test");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("CAP_SYS_PTRACE"), "{said}");
}

#[test]
fn reading_a_process_of_root_as_somebody_else() {
    let Ok(pid) = std::env::var("HEAP_READ_PID") else {
        println!("skipped: the test before this one runs it");
        return;
    };
    let refused = Opened::open(pid.parse().expect("a pid")).expect_err("it may not be read");
    assert!(matches!(refused, Refusal::Denied { .. }), "{refused}");
    println!("{refused}");
}

struct Mortal(Child);

impl Drop for Mortal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that has said a line and waits.
fn waiting(command: &mut Command) -> Mortal {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = Mortal(child.expect("the program starts"));
    let stdout = child.0.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut String::new()).expect("it says a line");
    child
}
