//! A memory cgroup of the test's own, on whichever version this machine mounts.

pub use plimsoll_loop::arena::Version;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where a memory cgroup can be made. None if nowhere.
#[must_use]
pub fn cgroup_version() -> Option<(Version, &'static Path)> {
    Version::mounted()
}

#[derive(Debug)]
pub struct Cgroup {
    dir: PathBuf,
    root: &'static Path,
    version: Version,
}

impl Cgroup {
    /// Makes one with a limit. Units: MiB.
    ///
    /// # Errors
    /// What forbids it.
    pub fn make(limit_mib: u64) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::named(&n.to_string(), limit_mib)
    }

    /// The same with a word of its own in its path.
    ///
    /// # Errors
    /// What forbids it.
    pub fn named(name: &str, limit_mib: u64) -> Result<Self, String> {
        let (version, root) = cgroup_version().ok_or("no memory cgroup hierarchy is mounted")?;
        if version == Version::V2 {
            // As systemd does. Where it is refused, the limit's file is missing and says so.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
        }
        // A unit of its own, so that its programs are no part of another test's workload.
        let dir = root.join(format!("plimsoll-test-{}-{name}.service", std::process::id()));
        Self::at(dir, limit_mib)
    }

    /// One below this one, which has to outlive it.
    ///
    /// # Errors
    /// What forbids it.
    pub fn below(&self, name: &str, limit_mib: u64) -> Result<Self, String> {
        if self.version == Version::V2 {
            let _ = fs::write(self.dir.join("cgroup.subtree_control"), "+memory");
        }
        Self::at(self.dir.join(name), limit_mib)
    }

    fn at(dir: PathBuf, limit_mib: u64) -> Result<Self, String> {
        let (version, root) = cgroup_version().ok_or("no memory cgroup hierarchy is mounted")?;
        fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let cgroup = Self { dir, root, version };
        let limit = (limit_mib * 1024 * 1024).to_string();
        let file = match version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        fs::write(cgroup.dir.join(file), limit).map_err(|e| format!("{file}: {e}"))?;
        // Swap would put the end off. Where there is none, there is nothing to forbid.
        let _ = match version {
            Version::V1 => fs::write(cgroup.dir.join("memory.swappiness"), "0"),
            Version::V2 => fs::write(cgroup.dir.join("memory.swap.max"), "0"),
        };
        Ok(cgroup)
    }

    /// The directory, for a program that enters by itself.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
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

    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The path as the kernel names it: `/plimsoll-test-…`.
    ///
    /// # Panics
    /// Never: the directory was made under the root.
    #[must_use]
    pub fn path(&self) -> String {
        let below = self.dir.strip_prefix(self.root).expect("it was made under the root");
        format!("/{}", below.display())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.dir.exists() && fs::remove_dir(&self.dir).is_err() && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}
