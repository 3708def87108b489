//! A memory cgroup with a limit, on whichever version is mounted, and what the kernel counts in it.
//!
//! v1 is taken where its memory controller is mounted at `/sys/fs/cgroup/memory`, else v2 at
//! `/sys/fs/cgroup`; another place can be given. Names carry the driver's pid: what a driver left
//! that was killed is swept up by the next one.

use crate::Fault;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PREFIX: &str = "plimsoll-loop-";
const GONE_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

impl Version {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    /// Which is mounted, and where. None: no memory cgroup can be made.
    #[must_use]
    pub fn mounted() -> Option<(Self, &'static Path)> {
        let v1 = Path::new("/sys/fs/cgroup/memory");
        let v2 = Path::new("/sys/fs/cgroup");
        if v1.join("memory.usage_in_bytes").exists() {
            Some((Self::V1, v1))
        } else if v2.join("cgroup.controllers").exists() {
            Some((Self::V2, v2))
        } else {
            None
        }
    }

    /// What the cgroup in `dir` holds now. Units: bytes.
    #[must_use]
    pub fn usage(self, dir: &Path) -> Option<u64> {
        let file = match self {
            Self::V1 => "memory.usage_in_bytes",
            Self::V2 => "memory.current",
        };
        fs::read_to_string(dir.join(file)).ok()?.trim().parse().ok()
    }

    /// Kills for want of memory in it, as the kernel counts them.
    #[must_use]
    pub fn oom_kills(self, dir: &Path) -> Option<u64> {
        let file = match self {
            Self::V1 => "memory.oom_control",
            Self::V2 => "memory.events",
        };
        let text = fs::read_to_string(dir.join(file)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.parse().ok()
    }
}

/// Where cgroups are made.
#[derive(Clone, Debug)]
pub struct Ground {
    pub version: Version,
    /// Where the hierarchy is mounted: paths count from here.
    mount: PathBuf,
    root: PathBuf,
}

impl Ground {
    /// Finds it, or takes the directory that was asked for.
    ///
    /// # Errors
    /// When no memory cgroup can be made.
    pub fn find(wished: Option<&Path>) -> Result<Self, Fault> {
        let (version, mount) = Version::mounted()
            .ok_or("no memory cgroup hierarchy is mounted below /sys/fs/cgroup")?;
        let root = wished.unwrap_or(mount).to_owned();
        if !root.starts_with(mount) {
            return Err(format!("{} is not below {}", root.display(), mount.display()));
        }
        if version == Version::V2 {
            // Where it is refused or on already, the limit's file says so.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
        }
        let own = Self { version, mount: mount.to_owned(), root };
        own.sweep();
        Ok(own)
    }

    /// Removes what drivers left that are no more.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
            let pid = pid.and_then(|pid| Pid::from_raw(pid.parse().ok()?));
            if pid.is_some_and(|pid| test_kill_process(pid).is_err()) {
                empty_and_remove(&entry.path());
            }
        }
    }
}

/// A cgroup of our own. Dropped, everything in it is killed and it is removed.
#[derive(Debug)]
pub struct Arena {
    pub version: Version,
    /// It has a limit of its own: only then does the kernel have events of it to tell.
    pub is_limited: bool,
    dir: PathBuf,
    mount: PathBuf,
}

impl Arena {
    /// Makes one with a limit, or with none.
    ///
    /// # Errors
    /// What forbids it.
    pub fn make(ground: &Ground, name: &str, limit_bytes: Option<u64>) -> Result<Self, Fault> {
        // A unit of its own, so that nobody takes it for a part of another workload.
        let dir = ground.root.join(format!("{PREFIX}{}-{name}.service", std::process::id()));
        Self::at(dir, ground.version, &ground.mount, limit_bytes)
    }

    /// Makes one in another, which then holds no processes itself. v2 only.
    ///
    /// # Errors
    /// What forbids it.
    pub fn inside(outer: &Self, name: &str, limit_bytes: Option<u64>) -> Result<Self, Fault> {
        outer.set("cgroup.subtree_control", "+memory")?;
        Self::at(outer.dir.join(name), outer.version, &outer.mount, limit_bytes)
    }

    fn at(
        dir: PathBuf,
        version: Version,
        mount: &Path,
        limit_bytes: Option<u64>,
    ) -> Result<Self, Fault> {
        fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let is_limited = limit_bytes.is_some();
        let own = Self { version, is_limited, dir, mount: mount.to_owned() };
        let file = match own.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        if let Some(limit) = limit_bytes {
            own.set(file, &limit.to_string())?;
        }
        // Swap would put the end off. Where there is none, there is nothing to forbid.
        let _ = match own.version {
            Version::V1 => fs::write(own.dir.join("memory.swappiness"), "0"),
            Version::V2 => fs::write(own.dir.join("memory.swap.max"), "0"),
        };
        Ok(own)
    }

    /// Writes one of its files.
    ///
    /// # Errors
    /// When it is not there, or the kernel refuses.
    pub fn set(&self, file: &str, value: &str) -> Result<(), Fault> {
        fs::write(self.dir.join(file), value).map_err(|e| format!("{file}: {e}"))
    }

    /// Reads one of its files.
    ///
    /// # Errors
    /// When it is not there.
    pub fn read(&self, file: &str) -> Result<String, Fault> {
        fs::read_to_string(self.dir.join(file)).map_err(|e| format!("{file}: {e}"))
    }

    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// By which the kernel's own events name it.
    ///
    /// # Errors
    /// When it is gone.
    pub fn inode(&self) -> Result<u64, Fault> {
        let found = fs::metadata(&self.dir).map_err(|e| format!("{}: {e}", self.dir.display()))?;
        Ok(found.ino())
    }

    /// As the kernel names it.
    #[must_use]
    pub fn path(&self) -> String {
        let below = self.dir.strip_prefix(&self.mount).unwrap_or(&self.dir);
        format!("/{}", below.display())
    }

    /// What it holds now. Units: bytes.
    #[must_use]
    pub fn usage(&self) -> Option<u64> {
        self.version.usage(&self.dir)
    }

    /// Kills for want of memory in it, as the kernel counts them.
    #[must_use]
    pub fn oom_kills(&self) -> Option<u64> {
        self.version.oom_kills(&self.dir)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        empty_and_remove(&self.dir);
    }
}

/// Kills what is in it, by pid, and removes it.
fn empty_and_remove(dir: &Path) {
    let begun = Instant::now();
    while dir.exists() && fs::remove_dir(dir).is_err() && begun.elapsed() < GONE_WITHIN {
        let inside = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        for pid in inside.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
            // Fails only if it has ended already.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
