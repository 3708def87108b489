//! What the tests of this source run on: made-up trees in a temporary directory, and real memory
//! cgroups where this machine has v1 and lets us make some.

use super::layout::{Layout, Version};
use crate::sources::Roots;
use crate::units::Bytes;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const V2_CONTROLLERS: &str = "cpuset cpu io memory hugetlb pids rdma misc\n";

/// A made-up `proc` and `sys` that vanish when dropped.
pub(crate) struct Tree(tempfile::TempDir);

impl Tree {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots { proc: self.0.path().join("proc"), sys: self.0.path().join("sys") }
    }

    /// Writes a file and makes the directories above it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// This machine's v1 memory hierarchy, if we may make cgroups in it. Otherwise says so, and fails
/// in CI, where it must not be skipped.
pub(super) fn live_v1() -> Option<Layout> {
    let layout = Layout::detect(&Roots::default()).ok().filter(|layout| {
        layout.version() != Version::V2
            && rustix::fs::access(layout.dir("/"), rustix::fs::Access::WRITE_OK).is_ok()
    });
    if layout.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI needs a writable v1 memory hierarchy");
        eprintln!("skipped: no writable cgroup v1 memory hierarchy");
    }
    layout
}

/// A real memory cgroup, removed when dropped.
pub(super) struct Memcg {
    path: String,
    dir: PathBuf,
}

impl Memcg {
    pub(super) fn make(layout: &Layout, name: &str) -> Self {
        let path = format!("/plimsoll-test-{}-{name}", std::process::id());
        Self::at(layout.dir(&path), path)
    }

    pub(super) fn child(&self, name: &str) -> Self {
        Self::at(self.dir.join(name), format!("{}/{name}", self.path))
    }

    fn at(dir: PathBuf, path: String) -> Self {
        std::fs::create_dir(&dir).unwrap();
        Self { path, dir }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn set(&self, file: &str, value: &str) {
        std::fs::write(self.dir.join(file), value).unwrap();
    }

    /// Starts a shell in the cgroup that holds `size` in a variable, and waits until it does or is
    /// killed.
    pub(super) fn hold_anon(&self, size: Bytes) -> Member {
        let script = "echo 0 >\"$1/cgroup.procs\" || exit 9\n\
                      held=$(head -c \"$2\" /dev/zero | tr '\\0' x)\n\
                      [ ${#held} = \"$2\" ] && echo ready && read wait";
        Member::start(script, &self.dir, size)
    }
}

impl Drop for Memcg {
    fn drop(&mut self) {
        // Processes that were killed leave the cgroup a moment after they were waited for.
        let deadline = Instant::now() + Duration::from_secs(2);
        while std::fs::remove_dir(&self.dir).is_err() && Instant::now() < deadline {
            std::thread::yield_now();
        }
    }
}

/// A process in a cgroup, killed when dropped.
pub(super) struct Member {
    child: Child,
    ready: bool,
}

impl Member {
    fn start(script: &str, dir: &Path, size: Bytes) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(dir)
            .arg(size.0.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        Self { child, ready: said == "ready\n" }
    }

    /// Whether it holds what it should.
    pub(super) const fn is_ready(&self) -> bool {
        self.ready
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
