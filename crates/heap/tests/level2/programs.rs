//! Compiles the programs of `tests/programs` that leak while they work, runs them, takes reports.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use plimsoll_heap::Report;
use plimsoll_heap::report::{ByStack, Leaks};
use plimsoll_heap::take::{Options, take};
use plimsoll_heap::target::Opened;

/// A program that runs. It ends with its test.
pub struct Running {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    _dir: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    pub fn line(&mut self) -> String {
        self.output.next().expect("the program goes on").expect("in text")
    }

    /// How many operations it has made after so many more of its lines.
    pub fn made_after(&mut self, lines: usize) -> u64 {
        let last = (0..lines).map(|_| self.line()).last().expect("at least one");
        last.split(' ').nth(1).and_then(|made| made.parse().ok()).expect("a number")
    }

    pub fn report(&self, window: Duration) -> Report {
        let opened = Opened::open(self.pid()).expect("the program runs");
        let options = Options { level: 2, max_pause_ms: 20_000, window, ..Options::default() };
        take(&opened, &options, &mut |_| {}).expect("a report")
    }
}

/// As [`started`], with a seccomp filter that knows no system call of probes.
pub fn started_strict(source: &str, arguments: &[&str]) -> Option<Running> {
    started_with(source, &[], arguments, &[("STRICT", "1")])
}

pub fn started(source: &str, flags: &[&str], arguments: &[&str]) -> Option<Running> {
    started_with(source, flags, arguments, &[])
}

/// Compiles `source` with `flags` and starts it. None, and said, where it cannot be, or where BPF
/// is refused.
#[expect(clippy::print_stdout, reason = "a test that cannot run says why")]
fn started_with(
    source: &str,
    flags: &[&str],
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Option<Running> {
    if let Some(lacks) = plimsoll_bpf::capabilities_lacking() {
        println!("skipped: lacks {lacks}");
        return None;
    }
    let c_flags = ["-O2", "-fomit-frame-pointer", "-pthread"];
    let (dir, program) = crate::compiled::compiled(source, flags, &c_flags)?;
    let mut command = Command::new(program);
    command.envs(environment.iter().copied());
    let child = command.args(arguments).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("the program starts");
    let output = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut running = Running { child, output, _dir: dir };
    assert_eq!(running.line(), "ready");
    Some(running)
}

/// The first of all stacks, and its share of what was lost, in blocks.
#[track_caller]
pub fn first(report: &Report) -> (&ByStack, f64) {
    assert_eq!(report.method.level, 2, "{:?}", report.method.notes);
    let leaks: &Leaks = report.leaks.as_ref().expect("something is lost");
    let first = leaks
        .by_stack
        .first()
        .unwrap_or_else(|| unreachable!("no stack: {leaks:?} {:?}", report.method.notes));
    let all: u64 = leaks.by_stack.iter().map(|stack| stack.count).sum();
    (first, first.count as f64 / all as f64)
}
