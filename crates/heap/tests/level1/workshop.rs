//! Compiles the programs of `tests/programs` and runs them. A program ends with its test.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use plimsoll_heap::target::Opened;

/// A program that runs and has said what there is to find in it.
pub struct Running {
    child: Child,
    pub output: BufReader<ChildStdout>,
    pub lost: u64,
    pub direct: u64,
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

    pub fn opened(&self) -> Opened {
        Opened::open(self.pid()).expect("a program of these tests compiles and runs")
    }

    /// The letter of its state.
    pub fn state(&self) -> char {
        state(self.pid())
    }
}

pub fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('X')
}

/// Waits until `is_so` for ten seconds at most.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Compiles `source` of `tests/programs` with `flags`. None, and said, where there is no compiler.
pub fn compiled(source: &str, flags: &[&str]) -> Option<(tempfile::TempDir, PathBuf)> {
    crate::compiled::compiled(source, flags, &["-O1", "-g0", "-pthread"])
}

/// Compiles and starts, and waits until the program is ready.
pub fn started(source: &str, flags: &[&str], arguments: &[&str]) -> Option<Running> {
    let (dir, program) = compiled(source, flags)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a program of these tests compiles and runs");
    let mut output =
        BufReader::new(child.stdout.take().expect("a program of these tests compiles and runs"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a program of these tests compiles and runs");
    let mut words = line.split_ascii_whitespace();
    assert_eq!(words.next(), Some("ready"), "{line}");
    let mut number = || {
        words
            .next()
            .expect("a program of these tests compiles and runs")
            .parse()
            .expect("a program of these tests compiles and runs")
    };
    let (lost, direct) = (number(), number());
    Some(Running { child, output, lost, direct, _dir: dir })
}
