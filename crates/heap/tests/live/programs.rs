//! Compiles and runs the C programs beside the tests. They end with the test, however that ends.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Dynamic,
    Static,
    StaticStripped,
}

/// `programs/blocks.c`, which has said what its malloc counts and waits.
#[derive(Debug)]
pub struct Blocks {
    child: Child,
    answers: Lines<BufReader<ChildStdout>>,
    /// The last answer.
    pub said: Counts,
}

/// mallinfo2(3) of the program, and its resident memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub in_use: u64,
    pub free: u64,
    pub mapped: u64,
    pub mapped_count: u64,
    pub rss_kib: u64,
}

impl Blocks {
    pub fn start(link: Link, args: &[&str]) -> Self {
        Self::run(Command::new(built(link)).args(args))
    }

    /// Starts `command`, which runs the program.
    pub fn run(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("the program starts");
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let mut blocks = Self { child, answers, said: Counts::default() };
        blocks.listen();
        blocks
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a line and returns the counts that come back.
    pub fn ask(&mut self, line: &str) -> Counts {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "{line}").expect("the program listens");
        self.listen();
        self.said
    }

    fn listen(&mut self) {
        let line = self.answers.next().expect("the program answers").expect("in text");
        let numbers: Vec<u64> = line.split(' ').map(|n| n.parse().expect(&line)).collect();
        let numbers: [u64; 5] = numbers.try_into().expect("five numbers");
        let [in_use, free, mapped, mapped_count, rss_kib] = numbers;
        self.said = Counts { in_use, free, mapped, mapped_count, rss_kib };
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, compiled if its source is newer.
pub fn built(link: Link) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let out = dir.join(format!("heap-blocks-{link:?}"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/blocks.c");
    let age = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    if age(&out).is_ok_and(|built| age(&source).is_ok_and(|written| written < built)) {
        return out;
    }
    // Tests run beside one another: each compiles for itself, and the last one's stays.
    let own = dir.join(format!("heap-blocks-{link:?}-{}", std::process::id()));
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-fno-builtin", "-Wall", "-Wextra", "-Wno-deprecated-declarations"]);
    cc.args(match link {
        Link::Dynamic => &[][..],
        Link::Static => &["-static", "-DSTATIC"],
        Link::StaticStripped => &["-static", "-DSTATIC", "-s"],
    });
    let status = cc.arg("-o").arg(&own).arg(source).arg("-lpthread").status();
    assert!(status.expect("cc runs").success(), "cc failed");
    std::fs::rename(&own, &out).expect("it can be given its name");
    out
}
