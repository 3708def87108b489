//! Builds the programs below `tests/programs`, starts them, and asks them for their own figures.

use plimsoll_heap::maps;
use plimsoll_heap::memory::Live;
use plimsoll_heap::modules::Modules;
use plimsoll_heap::runtimes;
use plimsoll_heap::scene::{Finding, Scene};
use plimsoll_heap::target::Opened;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running program that answers a line with a line. It goes with this.
pub struct Program {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Program {
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let asks = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, asks, answers }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads on until a line is `word`.
    pub fn skip_to(&mut self, word: &str) {
        let mut line = String::new();
        while line.trim() != word {
            line.clear();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "it ended before {word}");
        }
    }

    /// Its own figures, once it is ready for the question.
    pub fn ask(&mut self) -> Vec<u64> {
        self.asks.write_all(b"\n").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.split_whitespace().map(|word| word.parse().unwrap()).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What all readers find in a process.
pub fn examine(pid: u32) -> Vec<Finding> {
    let opened = Opened::open(pid).unwrap();
    let mappings = maps::parse::maps(&opened.text("maps").unwrap()).unwrap();
    let live = Live::new(opened.target());
    let modules = Modules::find(&opened, &live, &mappings);
    let exe = opened.link("exe");
    let scene = Scene {
        target: &opened,
        exe: exe.as_deref(),
        mappings: &mappings,
        modules: &modules,
        memory: &live,
    };
    runtimes::examine(&scene)
}

/// The figures of one runtime.
#[track_caller]
pub fn stats(found: &[Finding], name: &str) -> Value {
    let of = |finding: &Finding| {
        let (key, stats) = finding.stats.as_ref()?;
        (key == name).then(|| stats.clone())
    };
    found.iter().find_map(of).unwrap_or_else(|| panic!("no {name} in {found:?}"))
}

pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name)
}

/// Runs a compiler. False where it is not there, which is told.
pub fn built(command: &mut Command) -> bool {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Err(error) => !skipped(&format!("{name}: {error}")),
        Ok(output) => {
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            true
        }
    }
}

/// The library of that name where Debian puts it. None where it is not there, which is told.
pub fn library(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let mut paths = folders.map(|folder| Path::new(folder).join(name)).into_iter();
    let found = paths.find(|path| path.exists());
    assert!(found.is_some() || skipped(&format!("{name} is not installed")));
    found
}

/// Says so and returns true; where every test must run it fails instead.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn skipped(why: &str) -> bool {
    assert!(
        std::env::var_os("PLIMSOLL_TESTS_MUST_RUN").is_none(),
        "this test must run here: {why}"
    );
    eprintln!("skipped: {why}");
    true
}
