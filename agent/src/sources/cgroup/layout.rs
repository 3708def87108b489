//! Where the memory hierarchy is mounted, in which version, and how the paths that
//! `/proc/PID/cgroup` shows are found in it.
//!
//! Input: `self/mountinfo` and `self/cgroup` under the proc root, and the well-known mount points
//! under the sys root. Mounts nothing and enters no namespace: what is not visible stays unseen.

use super::mountinfo::{self, Mount, MountKind};
use crate::sources::{ReadError, Roots, read_bounded};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A node with thousands of containers has about 150 bytes of mountinfo for each of several mounts.
const MOUNTINFO_BYTES_MAX: usize = 16 << 20;
const SMALL_FILE_BYTES_MAX: usize = 64 << 10;
/// `cgroup.procs` of a cgroup that is searched for this process; longer ones are passed over.
const PROCS_BYTES_MAX: usize = 4 << 20;
/// How many cgroups are searched for this process, once, at start.
const SEARCHED_MAX: usize = 16_384;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
    /// v1 has the memory controller; a v2 hierarchy is mounted without it.
    Hybrid,
}

/// The memory hierarchy of this node.
#[derive(Clone, Debug)]
pub struct Layout {
    version: Version,
    mount: PathBuf,
    base: Base,
}

/// How a path of `/proc/PID/cgroup`, which starts at our cgroup namespace, lies in the mount.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Base {
    /// The mount shows what lies below this path, as the namespace sees it. Empty as a rule.
    Below(String),
    /// The namespace is private and its root lies here in the mount.
    Namespace(String),
}

impl Layout {
    /// Finds the memory hierarchy: a mount under the sys root, then the well-known places
    /// there, then any mount. In a private cgroup namespace that has the host's hierarchy mounted,
    /// it also searches for this process in it, to know where the namespace begins.
    ///
    /// Cost: below 1 ms; with the search some 10 µs per cgroup, once.
    ///
    /// # Errors
    /// [`ReadError::Absent`] if no hierarchy has a memory controller; [`ReadError::Malformed`] if
    /// mountinfo is none.
    pub fn detect(roots: &Roots) -> Result<Self, ReadError> {
        let candidates = candidates(roots)?;
        let mut unified_without_memory = false;
        let mut memory = None;
        for mount in candidates {
            match controls_memory(&mount) {
                Some(true) if memory.is_none() => memory = Some(mount),
                Some(false) => unified_without_memory = true,
                _ => {}
            }
        }
        let Some(Mount { root, point, kind }) = memory else {
            return Err(ReadError::Absent(roots.sys.join("fs/cgroup")));
        };
        let version = match kind {
            MountKind::V2 => Version::V2,
            MountKind::V1Memory if unified_without_memory => Version::Hybrid,
            MountKind::V1Memory => Version::V1,
        };
        let climbs = climbs(&root);
        let base = Base::Below(root.trim_end_matches('/').to_owned());
        let mut layout = Self { version, mount: point, base };
        if climbs && let Some(namespace) = layout.namespace_root(roots) {
            layout.base = Base::Namespace(namespace);
        }
        Ok(layout)
    }

    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Whether the memory files are those of v2.
    pub(super) const fn is_v2(&self) -> bool {
        matches!(self.version, Version::V2)
    }

    /// Whether the kernel tells when usage crosses a threshold: v1 does.
    #[must_use]
    pub const fn has_thresholds(&self) -> bool {
        !self.is_v2()
    }

    /// Whether we may ask to be told of thresholds; on v2 there is nothing to ask for.
    #[must_use]
    pub fn may_ask(&self) -> bool {
        let control = self.dir("/").join("cgroup.event_control");
        self.is_v2() || rustix::fs::access(control, rustix::fs::Access::WRITE_OK).is_ok()
    }

    /// For people: `cgroup v1 memory controller at /sys/fs/cgroup/memory`.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = match self.version {
            Version::V1 | Version::Hybrid => "cgroup v1 memory controller".to_owned(),
            Version::V2 => "cgroup v2".to_owned(),
        };
        let _ = write!(text, " at {}", self.mount.display());
        if self.version == Version::Hybrid {
            text.push_str(" (hybrid: cgroup v2 is mounted without it)");
        }
        match &self.base {
            Base::Below(root) if root.is_empty() => {}
            Base::Below(root) => {
                let _ = write!(text, ", which shows only {root}");
            }
            Base::Namespace(root) => {
                let _ = write!(text, ", private namespace of {root}");
            }
        }
        text
    }

    /// The directory of a cgroup of this hierarchy.
    #[must_use]
    pub fn dir(&self, path: &str) -> PathBuf {
        self.mount.join(path.trim_start_matches('/'))
    }

    /// The memory cgroup of a process, as [`Layout::walk`] names it, from the `memory:` and the
    /// `0::` line of its `/proc/PID/cgroup`.
    ///
    /// In a private cgroup namespace those lines climb (`/../..`) and are brought back to paths of
    /// the mount; only then is the path a new string. None if the line is missing, the cgroup is
    /// deleted, or it lies outside of what is mounted.
    #[must_use]
    pub fn path_of<'a>(
        &self,
        memory: Option<&'a str>,
        unified: Option<&'a str>,
    ) -> Option<Cow<'a, str>> {
        let path = if self.is_v2() { unified } else { memory }?;
        if !path.starts_with('/') || path.ends_with(" (deleted)") {
            return None;
        }
        match &self.base {
            Base::Below(root) => {
                let below = path.strip_prefix(root.as_str())?;
                match below {
                    "" => Some("/".into()),
                    _ if below.starts_with('/') && !climbs(below) => Some(below.into()),
                    _ => None,
                }
            }
            Base::Namespace(root) => Some(climb(root, path)?.into()),
        }
    }

    /// Where in the mount our cgroup namespace begins: where this process is found, less its own
    /// path within the namespace.
    fn namespace_root(&self, roots: &Roots) -> Option<String> {
        let own = read_bounded(&roots.proc.join("self/cgroup"), SMALL_FILE_BYTES_MAX).ok()?;
        let own = own_path(&own, self.is_v2())?;
        if climbs(own) {
            return None;
        }
        let mut cgroups = Vec::new();
        self.walk(SEARCHED_MAX, &mut cgroups).ok()?;
        let pid = std::process::id().to_string();
        let found = cgroups.into_iter().find(|path| {
            read_bounded(&self.dir(path).join("cgroup.procs"), PROCS_BYTES_MAX)
                .is_ok_and(|procs| procs.split(|&b| b == b'\n').any(|p| p == pid.as_bytes()))
        })?;
        Some(found.strip_suffix(own.trim_end_matches('/'))?.to_owned())
    }
}

/// Mounts in the order in which they are preferred; a later mount on the same point hides earlier
/// ones.
fn candidates(roots: &Roots) -> Result<Vec<Mount>, ReadError> {
    let path = roots.proc.join("self/mountinfo");
    let mounts = match read_bounded(&path, MOUNTINFO_BYTES_MAX) {
        Ok(bytes) => {
            mountinfo::parse(&bytes).map_err(|what| ReadError::Malformed { path, what })?
        }
        Err(_) => Vec::new(),
    };
    let (near, far): (Vec<_>, Vec<_>) =
        mounts.into_iter().partition(|mount| mount.point.starts_with(&roots.sys));
    let known = |kind, place| Mount { root: "/".into(), point: roots.sys.join(place), kind };
    let well_known = [
        known(MountKind::V2, "fs/cgroup"),
        known(MountKind::V1Memory, "fs/cgroup/memory"),
        known(MountKind::V2, "fs/cgroup/unified"),
    ];
    Ok(near.into_iter().rev().chain(well_known).chain(far.into_iter().rev()).collect())
}

/// Whether the mount has the memory controller, by its files; None if it is not what it should be.
fn controls_memory(mount: &Mount) -> Option<bool> {
    match mount.kind {
        MountKind::V1Memory => mount.point.join("memory.usage_in_bytes").exists().then_some(true),
        MountKind::V2 => {
            let path: &Path = &mount.point.join("cgroup.controllers");
            let controllers = read_bounded(path, SMALL_FILE_BYTES_MAX).ok()?;
            Some(controllers.split(u8::is_ascii_whitespace).any(|name| name == b"memory"))
        }
    }
}

/// The path of the memory cgroup in `/proc/self/cgroup`: lines of `ID:CONTROLLERS:PATH`.
fn own_path(cgroup: &[u8], v2: bool) -> Option<&str> {
    std::str::from_utf8(cgroup).ok()?.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let wanted =
            if v2 { id == "0" } else { controllers.split(',').any(|name| name == "memory") };
        wanted.then_some(path)
    })
}

fn climbs(path: &str) -> bool {
    path.split('/').any(|name| name == "..")
}

/// Walks `path` from `root`; None where it climbs out of the mount.
fn climb(root: &str, path: &str) -> Option<String> {
    let mut names: Vec<&str> = root.split('/').filter(|name| !name.is_empty()).collect();
    for name in path.split('/') {
        match name {
            "" => {}
            ".." => {
                names.pop()?;
            }
            _ => names.push(name),
        }
    }
    Some(format!("/{}", names.join("/")))
}

#[cfg(test)]
mod tests;
