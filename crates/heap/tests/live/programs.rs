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
    /// Without the pages of files, such as the program's code that runs for the first time.
    pub anonymous_kib: u64,
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
        // In one piece: the program takes each read for a line.
        stdin.write_all(format!("{line}\n").as_bytes()).expect("the program listens");
        self.listen();
        self.said
    }

    fn listen(&mut self) {
        let line = self.answers.next().expect("the program answers").expect("in text");
        let numbers: Vec<u64> = line.split(' ').map(|n| n.parse().expect(&line)).collect();
        let numbers: [u64; 6] = numbers.try_into().expect("six numbers");
        let [in_use, free, mapped, mapped_count, rss_kib, anonymous_kib] = numbers;
        self.said = Counts { in_use, free, mapped, mapped_count, rss_kib, anonymous_kib };
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another release of glibc, with `programs/blocks.c` linked against it.
#[derive(Debug)]
pub struct Other {
    loader: PathBuf,
    libraries: PathBuf,
    program: PathBuf,
}

impl Other {
    /// The package unpacked in `place`.
    pub fn find(place: &str) -> Self {
        let dirs = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
        let mut dirs = dirs.iter().map(|dir| Path::new(place).join(dir));
        let libraries = dirs.find(|dir| dir.join("libc.so.6").exists()).expect("libc is there");
        // What Debian's linker would add is bound to the newest symbols of its own libc.
        let (start, libc) =
            (PathBuf::from("/usr/lib/x86_64-linux-gnu"), libraries.join("libc.so.6"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/blocks.c");
        let name = format!("heap-blocks{}", place.replace('/', "-"));
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-fno-builtin", "-nostdlib", "-Wno-deprecated-declarations", "-o"]);
        cc.arg(&program).arg(start.join("Scrt1.o")).arg(start.join("crti.o")).arg(source).arg(libc);
        let older = ["libpthread.so.0", "libdl.so.2", "ld-linux-x86-64.so.2"]
            .map(|name| libraries.join(name));
        cc.args(older.iter().filter(|path| path.exists())).arg(start.join("crtn.o"));
        assert!(cc.status().expect("cc runs").success(), "cc failed");
        let loader = libraries.join("ld-linux-x86-64.so.2");
        Self { loader, libraries, program }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.loader);
        command.arg("--library-path").arg(&self.libraries).arg(&self.program);
        command
    }
}

/// `programs/blocks.c`, linked in this way.
pub fn built(link: Link) -> PathBuf {
    compiled(
        "blocks",
        match link {
            Link::Dynamic => &[],
            Link::Static => &["-static", "-DSTATIC"],
            Link::StaticStripped => &["-static", "-DSTATIC", "-s"],
        },
    )
}

/// `programs/NAME.c`, compiled with these flags if its source is newer than what is there.
pub fn compiled(name: &str, flags: &[&str]) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let out = dir.join(format!("heap-{name}{}", flags.concat()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/programs/{name}.c"));
    let age = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    if age(&out).is_ok_and(|built| age(&source).is_ok_and(|written| written < built)) {
        return out;
    }
    // Tests run beside one another: each compiles for itself, and the last one's stays.
    let own = dir.join(format!("heap-{name}-{}", std::process::id()));
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-fno-builtin", "-Wall", "-Wextra", "-Wno-deprecated-declarations"]);
    cc.args(flags).arg("-o").arg(&own).arg(source).arg("-lpthread");
    assert!(cc.status().expect("cc runs").success(), "cc failed");
    std::fs::rename(&own, &out).expect("it can be given its name");
    out
}
