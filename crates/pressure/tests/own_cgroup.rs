//! A cgroup of this machine's kernel, with a limit and a process that fills it: what a subscriber
//! without an agent makes of it. Skipped, with a word, where no cgroup may be made.

use plimsoll_pressure::own::Own;
use plimsoll_pressure::{Bytes, Level, Options, Source};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: u64 = 64 << 20;
const SOON: Duration = Duration::from_secs(20);

/// Removed with its process when dropped.
struct Cage {
    dir: PathBuf,
    /// As in `/proc/self/cgroup`.
    line: String,
    child: Option<Child>,
}

impl Cage {
    /// None: this process may not make one, or the kernel's v2 does not hand memory down here.
    fn new() -> Option<Self> {
        let name = format!("plimsoll-pressure-test-{}", std::process::id());
        let v1 = Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists();
        let (mount, line, limit) = if v1 {
            ("/sys/fs/cgroup/memory", format!("4:memory:/{name}\n"), "memory.limit_in_bytes")
        } else {
            ("/sys/fs/cgroup", format!("0::/{name}\n"), "memory.max")
        };
        let dir = Path::new(mount).join(name);
        fs::create_dir(&dir).ok()?;
        let cage = Self { dir, line, child: None };
        fs::write(cage.dir.join(limit), LIMIT.to_string()).ok()?;
        Some(cage)
    }

    /// Starts a process inside that keeps all that is written to it.
    fn fill(&mut self, bytes: usize) {
        let script = "echo $$ > \"$0/cgroup.procs\" && exec tail -n 1";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(&self.dir).stdin(Stdio::piped()).stdout(Stdio::null());
        let child = self.child.insert(command.spawn().expect("sh is there"));
        let mut stdin = child.stdin.as_ref().expect("its input is piped");
        stdin.write_all(&vec![b'x'; bytes]).expect("it reads until the end of the line");
    }

    fn empty(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended; then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        self.empty();
        let deadline = Instant::now() + SOON;
        // What a process was charged is let go some time after its end.
        while fs::remove_dir(&self.dir).is_err() && Instant::now() < deadline {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_cgroup_that_fills_up_is_told_of_without_an_agent_and_so_is_its_end() {
    let Some(mut cage) = Cage::new() else {
        println!("skipped: no memory cgroup may be made here");
        assert!(std::env::var_os("PLIMSOLL_TESTS_MUST_RUN").is_none());
        return;
    };
    let proc = tempfile::tempdir().expect("a place for files");
    fs::create_dir(proc.path().join("self")).expect("a new directory");
    fs::write(proc.path().join("self/cgroup"), &cage.line).expect("a place to write");
    let mounts = fs::read("/proc/self/mountinfo").expect("every Linux has one");
    fs::write(proc.path().join("self/mountinfo"), mounts).expect("a place to write");
    let own = Own::find_in(proc.path());
    let room = own.read().cgroup.expect("it has a limit");
    assert_eq!(room.limit_bytes, Bytes(LIMIT));

    let options = Options::new(proc.path().join("no.sock"), "test", Bytes(0));
    let options = Options { own: Some(own), watch: None, ..options };
    let subscriber = options.start().expect("threads can be started");
    assert_eq!(subscriber.level(), Level::None);
    cage.fill(59 << 20);
    let short = subscriber.wait_for(SOON).expect("5 of 64 MiB are left");
    assert!(short.overall >= Level::Low && short.source == Source::Own, "{short:?}");
    assert!(short.reclaim_bytes > Some(Bytes::ZERO), "{short:?}");
    cage.empty();
    let deadline = Instant::now() + SOON;
    while subscriber.level() > Level::None {
        let told = subscriber.wait_for(SOON);
        assert!(Instant::now() < deadline, "not calm: {told:?}");
    }
}
