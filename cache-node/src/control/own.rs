//! The memory this process may have: its own cgroup, what stands above it, and the node. Read only.
//!
//! Input: `/proc/self/{cgroup,mountinfo}` once, then `memory.stat`, the limits and the pressure
//! files of the cgroup and of each one above it, and `/proc/meminfo`. Both versions and the hybrid
//! of the two are read. What a kernel lacks is None; nothing here fails.
//!
//! Held memory is what reclaim cannot drop: the anonymous lists and what the kernel keeps. Version
//! 1's `usage_in_bytes` is not read: it lags behind and counts the page cache.

mod text;

use super::Bytes;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use text::{Mount, meminfo, mounts, own_paths, total_stall};

/// Cgroups are seldom nested deeper. More are not read.
const DEPTH_MAX: usize = 32;

/// Version 1 cannot tell the kernel's caches from the rest of kernel memory, so no more than this
/// share of a limit is counted: one in so many.
const KERNEL_SHARE: Bytes = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// Where this process's memory is bounded. Made once.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its own cgroup first, the root of the mount last.
    dirs: Vec<(Version, PathBuf)>,
    /// The cgroup's own pressure file, where there is one.
    pressure: Option<PathBuf>,
    proc: PathBuf,
}

/// One bound and what is held below it. Units: bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub limit_bytes: Bytes,
    pub held_bytes: Bytes,
}

impl Room {
    /// What is left before the kernel has to kill.
    #[must_use]
    pub const fn headroom(&self) -> Bytes {
        self.limit_bytes.saturating_sub(self.held_bytes)
    }
}

/// What was read at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The cgroup with the least room, ancestors included. None: no limit anywhere.
    pub cgroup: Option<Room>,
    pub node: Option<Room>,
    /// Time in which some task waited for memory, since boot.
    pub cgroup_stall: Option<Duration>,
    pub node_stall: Option<Duration>,
}

impl Reading {
    /// The bound that is nearest.
    #[must_use]
    pub fn tightest(&self) -> Option<Room> {
        [self.cgroup, self.node].into_iter().flatten().min_by_key(Room::headroom)
    }
}

impl Own {
    /// Finds where this process is bounded.
    #[must_use]
    pub fn find() -> Self {
        Self::find_in(Path::new("/proc"))
    }

    fn find_in(proc: &Path) -> Self {
        let cgroup = fs::read_to_string(proc.join("self/cgroup")).unwrap_or_default();
        let mountinfo = fs::read_to_string(proc.join("self/mountinfo")).unwrap_or_default();
        let paths = own_paths(&cgroup);
        let mounts = mounts(&mountinfo);
        let dirs_of = |path: Option<&str>, version, is_v1: bool| -> Vec<(Version, PathBuf)> {
            let mount = mounts.iter().find(|mount| mount.is_v1 == is_v1);
            let Some((path, mount)) = path.zip(mount) else { return Vec::new() };
            upwards(path, mount).into_iter().map(|dir| (version, dir)).collect()
        };
        let v1 = dirs_of(paths.v1_memory, Version::V1, true);
        let v2 = dirs_of(paths.v2, Version::V2, false);
        let pressure = v2.iter().map(|(_, dir)| dir.join("memory.pressure"));
        let pressure = pressure.take(1).find(|path| path.exists());
        let dirs = if v1.is_empty() { v2 } else { v1 };
        Self { dirs, pressure, proc: proc.to_owned() }
    }

    /// Reads everything anew. Cost: about 0.1 ms, most of it for `memory.stat`.
    #[must_use]
    pub fn read(&self) -> Reading {
        let rooms = self.dirs.iter().filter_map(|(version, dir)| room(*version, dir));
        let stall = |path: &Path| total_stall(&fs::read_to_string(path).ok()?);
        let node_pressure = self.proc.join("pressure/memory");
        Reading {
            cgroup: rooms.min_by_key(Room::headroom),
            node: self.node(),
            cgroup_stall: self.pressure.as_deref().and_then(stall),
            node_stall: stall(&node_pressure),
        }
    }

    /// The smallest limit of the cgroup and those above it. Units: bytes.
    #[must_use]
    pub fn limit(&self) -> Option<Bytes> {
        self.dirs.iter().filter_map(|(version, dir)| limit(*version, dir)).min()
    }

    /// All memory of the node. Units: bytes.
    #[must_use]
    pub fn node_bytes(&self) -> Option<Bytes> {
        self.node().map(|room| room.limit_bytes)
    }

    fn node(&self) -> Option<Room> {
        let text = fs::read_to_string(self.proc.join("meminfo")).ok()?;
        let limit_bytes = meminfo(&text, "MemTotal:")?;
        let available = meminfo(&text, "MemAvailable:")?;
        Some(Room { limit_bytes, held_bytes: limit_bytes.saturating_sub(available) })
    }
}

/// The directory of `path` below its mount and those above it, the mount's own last.
fn upwards(path: &str, mount: &Mount) -> Vec<PathBuf> {
    // A mount that shows another part of the hierarchy has no directory of ours but its top.
    let below = path.strip_prefix(mount.root.trim_end_matches('/')).unwrap_or("");
    let dir = mount.point.join(below.trim_start_matches('/'));
    let dir = if dir.is_dir() { dir } else { mount.point.clone() };
    let above = dir.ancestors().take_while(|dir| dir.starts_with(&mount.point));
    above.take(DEPTH_MAX).map(Path::to_owned).collect()
}

fn limit(version: Version, dir: &Path) -> Option<Bytes> {
    let number = |name: &str| -> Option<Bytes> {
        let text = fs::read_to_string(dir.join(name)).ok()?;
        text.trim().parse().ok()
    };
    match version {
        // "No limit" is the largest number that is a multiple of a page.
        Version::V1 => number("memory.limit_in_bytes").filter(|limit| *limit < 1 << 62),
        // Above `high` all is slowed down until it is unusable; "max" is no number.
        Version::V2 => [number("memory.max"), number("memory.high")].into_iter().flatten().min(),
    }
}

fn room(version: Version, dir: &Path) -> Option<Room> {
    let limit_bytes = limit(version, dir)?;
    let stat = fs::read_to_string(dir.join("memory.stat")).ok()?;
    let held_bytes = match version {
        Version::V1 => {
            let kernel = fs::read_to_string(dir.join("memory.kmem.usage_in_bytes")).ok();
            let kernel: Bytes = kernel.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            text::held_v1(&stat)? + kernel.min(limit_bytes / KERNEL_SHARE)
        }
        Version::V2 => text::held_v2(&stat)?,
    };
    Some(Room { limit_bytes, held_bytes })
}

#[cfg(test)]
mod tests;
