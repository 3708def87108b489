//! The demo's memory cgroups, one for each program, removed when the demo ends.

use super::LIMIT;
use super::program::Shape;
use crate::sources::Roots;
use crate::sources::cgroup::{Layout, Version};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PREFIX: &str = "plimsoll-demo-";
/// A cgroup can be removed once its last process is reaped, which takes the kernel a moment.
const REMOVED_WITHIN: Duration = Duration::from_secs(3);

/// Directories of the mounted hierarchy, or the reason why there are none.
#[derive(Debug)]
pub struct Cages {
    root: Option<PathBuf>,
    pub why_not: Option<String>,
}

impl Cages {
    /// Makes a cgroup with [`LIMIT`] for each program, where that is allowed.
    #[must_use]
    pub fn make(roots: &Roots) -> Self {
        let made = Layout::detect(roots)
            .map_err(|e| e.to_string())
            .and_then(|layout| make_under(&layout).map_err(|e| e.to_string()));
        match made {
            Ok(root) => Self { root: Some(root), why_not: None },
            Err(why) => Self { root: None, why_not: Some(why) },
        }
    }

    #[must_use]
    pub fn of(&self, shape: Shape) -> Option<PathBuf> {
        Some(self.root.as_ref()?.join(shape.name()))
    }
}

impl Drop for Cages {
    fn drop(&mut self) {
        if let Some(root) = &self.root {
            remove(root);
        }
    }
}

fn make_under(layout: &Layout) -> io::Result<PathBuf> {
    let base = layout.dir("/");
    sweep_stale(&base);
    let root = base.join(format!("{PREFIX}{}", std::process::id()));
    let made = build(&root, layout.version());
    if made.is_err() {
        remove(&root);
    }
    made.map(|()| root)
}

fn build(root: &Path, version: Version) -> io::Result<()> {
    fs::create_dir(root)?;
    if version == Version::V2 {
        fs::write(root.join("cgroup.subtree_control"), "+memory")?;
    }
    for shape in Shape::ALL {
        let dir = root.join(shape.name());
        fs::create_dir(&dir)?;
        let limit = LIMIT.0.to_string();
        if version == Version::V2 {
            fs::write(dir.join("memory.max"), &limit)?;
            // Without swap accounting there is no such file, and nothing to forbid.
            let _ = fs::write(dir.join("memory.swap.max"), "0");
        } else {
            fs::write(dir.join("memory.limit_in_bytes"), &limit)?;
        }
    }
    Ok(())
}

/// Takes away what a killed demo left behind: empty directories of ours without a process.
fn sweep_stale(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid =
            name.to_str().and_then(|n| n.strip_prefix(PREFIX)).and_then(|p| p.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            remove(&entry.path());
        }
    }
}

fn remove(root: &Path) {
    let deadline = Instant::now() + REMOVED_WITHIN;
    for dir in
        Shape::ALL.map(|shape| root.join(shape.name())).iter().map(PathBuf::as_path).chain([root])
    {
        while dir.exists() && fs::remove_dir(dir).is_err() && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}
