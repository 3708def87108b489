//! What a process can see of its own memory pressure without the agent: its cgroup, those above it,
//! the node, and how long tasks wait for memory. Reads only; what a kernel lacks is None.
//!
//! Input: `/proc/self/{cgroup,mountinfo}` once, then `memory.stat`, limits, pressure files and
//! `/proc/meminfo`, which are kept open. Held is what reclaim cannot drop: the anonymous lists and
//! what the kernel keeps. It sees no trend and no neighbours, so it comes later than the agent: a
//! fallback.

mod kept;
#[doc(hidden)]
pub mod text;

use crate::frame::{Label, Level};
use crate::units::Bytes;
use kept::Kept;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use text::{Psi, meminfo, mounts, own_paths, psi};

/// Cgroups are seldom nested deeper. More are not read.
const DEPTH_MAX: usize = 32;

/// `memory.stat` has 4 KiB; mountinfo of a node with thousands of containers some megabytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
const MOUNTINFO_BYTES_MAX: u64 = 16 << 20;

/// Version 1 cannot tell the kernel's caches from the rest of kernel memory, so no more than this
/// share of a limit is counted: one in so many.
const KERNEL_SHARE: u64 = 8;

/// Time in which what is missing should be given back.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// How much waiting makes which level. Units: percent of the last ten seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Some task waited: a hint, never more than `medium`.
    pub some_low: f64,
    pub some_medium: f64,
    /// All tasks waited at once: work stands still.
    pub full_medium: f64,
    pub full_critical: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { some_low: 10.0, some_medium: 30.0, full_medium: 10.0, full_critical: 30.0 }
    }
}

impl Thresholds {
    fn level(&self, psi: &Psi) -> Level {
        let full = psi.full_avg10.unwrap_or(0.0);
        if full >= self.full_critical {
            Level::Critical
        } else if full >= self.full_medium || psi.some_avg10 >= self.some_medium {
            Level::Medium
        } else if psi.some_avg10 >= self.some_low {
            Level::Low
        } else {
            Level::None
        }
    }
}

/// One bound, and what below it cannot be dropped. Units: bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub limit_bytes: Bytes,
    pub held_bytes: Bytes,
}

impl Room {
    #[must_use]
    pub const fn headroom(&self) -> Bytes {
        self.limit_bytes.saturating_sub(self.held_bytes)
    }

    /// Below which headroom a level begins: shares of the limit, with a bound on both sides because
    /// neither a program's needs nor the kernel's batches grow with the machine.
    fn marks(&self) -> [(Level, u64); 3] {
        let share = |part: u64, least: u64, most: u64| {
            (self.limit_bytes.0 / part).clamp(least << 20, most << 20)
        };
        [
            (Level::Critical, share(32, 2, 256)),
            (Level::Medium, share(16, 4, 512)),
            (Level::Low, share(10, 6, 1024)),
        ]
    }

    fn level(&self) -> Level {
        let reached = self.marks().into_iter().find(|(_, mark)| self.headroom().0 < *mark);
        reached.map_or(Level::None, |(level, _)| level)
    }

    /// Missing for calm, and a quarter of the lowest mark more.
    fn missing(&self) -> Bytes {
        let [.., (_, low)] = self.marks();
        Bytes(low + low / 4).saturating_sub(self.headroom())
    }
}

/// What was read at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Of the cgroup and those above it, the one with the least room. None: no limit anywhere.
    pub cgroup: Option<Room>,
    pub node: Option<Room>,
    pub cgroup_psi: Option<Psi>,
    pub node_psi: Option<Psi>,
}

/// What a reading amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    pub level: Level,
    /// None: tasks wait, and no reading tells how much would help.
    pub reclaim_bytes: Option<Bytes>,
    pub headroom_bytes: Option<Bytes>,
    pub cause: Label,
}

impl Reading {
    /// The bound that is nearest.
    #[must_use]
    pub fn tightest(&self) -> Option<Room> {
        [self.cgroup, self.node].into_iter().flatten().min_by_key(Room::headroom)
    }

    /// Judges by what is left below the nearest limit and by who waits. The node's waiting counts
    /// only while the node is short: whoever waits may do so at a limit of its own. Pure.
    #[must_use]
    pub fn judge(&self, thresholds: &Thresholds) -> Judged {
        let rooms = [(self.cgroup, "own_cgroup"), (self.node, "own_node")];
        let rooms = rooms.into_iter().filter_map(|(room, cause)| Some((room?, cause)));
        let worst =
            rooms.min_by_key(|(room, _)| (std::cmp::Reverse(room.level()), room.headroom()));
        let by_room = worst.map_or(Level::None, |(room, _)| room.level());
        let node_is_short = self.node.is_some_and(|room| room.level() > Level::None);
        let psi = |psi: Option<Psi>| psi.map_or(Level::None, |psi| thresholds.level(&psi));
        let node_psi = if node_is_short { psi(self.node_psi) } else { Level::None };
        let by_psi = psi(self.cgroup_psi).max(node_psi);
        let missing = worst.map(|(room, _)| room.missing()).filter(|bytes| *bytes > Bytes::ZERO);
        let level = by_room.max(by_psi);
        let is_short = level > Level::None;
        Judged {
            level,
            reclaim_bytes: if is_short { missing } else { Some(Bytes::ZERO) },
            headroom_bytes: worst.map(|(room, _)| room.headroom()),
            cause: match worst {
                Some((_, cause)) if by_room >= by_psi && is_short => cause.into(),
                _ if is_short => "own_psi".into(),
                _ => Label::default(),
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// One cgroup that bounds this process: its files, as far as the kernel has them.
#[derive(Clone, Debug)]
struct Bound {
    version: Version,
    limits: Vec<Kept>,
    stat: Kept,
    /// Version 1 alone counts kernel memory beside the rest.
    kernel: Option<Kept>,
}

/// Where this process's memory is bounded. Made once.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its own cgroup first, the root of the mount last; those without limits left out.
    bounds: Vec<Bound>,
    /// The cgroup's own pressure file, if it is in one; the root's is the node's.
    pressure: Option<Kept>,
    meminfo: Option<Kept>,
    node_pressure: Option<Kept>,
    pub thresholds: Thresholds,
}

impl Own {
    #[must_use]
    pub fn find() -> Self {
        Self::find_in(Path::new("/proc"))
    }

    /// As [`Own::find`], with `/proc` elsewhere.
    #[must_use]
    pub fn find_in(proc: &Path) -> Self {
        let read = |name, max| read_bounded(&proc.join(name), max).unwrap_or_default();
        let (v1_path, v2_path) = own_paths(&read("self/cgroup", FILE_BYTES_MAX));
        let mounts = mounts(&read("self/mountinfo", MOUNTINFO_BYTES_MAX));
        let bounds_of = |path: Option<String>, version: Version| -> Vec<Bound> {
            let is_v1 = version == Version::V1;
            let mount = mounts.iter().find(|mount| mount.is_v1 == is_v1);
            let Some((path, mount)) = path.zip(mount) else { return Vec::new() };
            upwards(&path, mount).into_iter().filter_map(|dir| Bound::open(version, &dir)).collect()
        };
        // Only the root has no `cgroup.events`.
        let mount = mounts.iter().find(|mount| !mount.is_v1);
        let own = v2_path
            .as_deref()
            .zip(mount)
            .and_then(|(p, mount)| upwards(p, mount).into_iter().next());
        let own = own.filter(|dir| dir.join("cgroup.events").exists());
        let v1 = bounds_of(v1_path, Version::V1);
        Self {
            bounds: if v1.is_empty() { bounds_of(v2_path, Version::V2) } else { v1 },
            pressure: own.and_then(|dir| Kept::open(dir.join("memory.pressure"))),
            meminfo: Kept::open(proc.join("meminfo")),
            node_pressure: Kept::open(proc.join("pressure/memory")),
            thresholds: Thresholds::default(),
        }
    }

    /// Reads everything anew. Opens nothing: see [`kept`].
    #[must_use]
    pub fn read(&self) -> Reading {
        let waits = |file: &Option<Kept>| psi(&file.as_ref()?.read()?);
        Reading {
            cgroup: self.bounds.iter().filter_map(Bound::room).min_by_key(Room::headroom),
            node: self.node(),
            cgroup_psi: waits(&self.pressure),
            node_psi: waits(&self.node_pressure),
        }
    }

    /// The smallest limit of the cgroup and those above it.
    #[must_use]
    pub fn limit(&self) -> Option<Bytes> {
        self.bounds.iter().filter_map(Bound::limit).min()
    }

    /// All memory of the node.
    #[must_use]
    pub fn node_bytes(&self) -> Option<Bytes> {
        self.node().map(|room| room.limit_bytes)
    }

    fn node(&self) -> Option<Room> {
        let text = self.meminfo.as_ref()?.read()?;
        let limit_bytes = meminfo(&text, "MemTotal:")?;
        let held_bytes = limit_bytes.saturating_sub(meminfo(&text, "MemAvailable:")?);
        Some(Room { limit_bytes, held_bytes })
    }
}

/// The directory of `path` below its mount and those above it, the mount's own last.
fn upwards(path: &str, mount: &text::Mount) -> Vec<PathBuf> {
    // A mount that shows another part of the hierarchy has no directory of ours but its top.
    let below = path.strip_prefix(mount.root.trim_end_matches('/')).unwrap_or("");
    let dir = mount.point.join(below.trim_start_matches('/'));
    let dir = if dir.is_dir() && !below.contains("..") { dir } else { mount.point.clone() };
    let above = dir.ancestors().take_while(|dir| dir.starts_with(&mount.point));
    above.take(DEPTH_MAX).map(Path::to_owned).collect()
}

impl Bound {
    /// None: this cgroup has no limits to read, as the root of version 2.
    fn open(version: Version, dir: &Path) -> Option<Self> {
        let limits: &[&str] = match version {
            Version::V1 => &["memory.limit_in_bytes"],
            // Above `high` all is slowed down until it is of no use.
            Version::V2 => &["memory.max", "memory.high"],
        };
        let limits: Vec<Kept> =
            limits.iter().filter_map(|name| Kept::open(dir.join(name))).collect();
        if limits.is_empty() {
            return None;
        }
        let kernel = (version == Version::V1).then(|| dir.join("memory.kmem.usage_in_bytes"));
        let (stat, kernel) = (Kept::open(dir.join("memory.stat"))?, kernel.and_then(Kept::open));
        Some(Self { version, limits, stat, kernel })
    }

    /// None: no limit here, or nothing to read. "max" is no number, and version 1 has the largest
    /// multiple of a page that a signed number holds.
    fn limit(&self) -> Option<Bytes> {
        self.limits.iter().filter_map(number).filter(|limit| limit.0 < 1 << 62).min()
    }

    fn room(&self) -> Option<Room> {
        let limit_bytes = self.limit()?;
        let stat = self.stat.read()?;
        let held_bytes = match self.version {
            Version::V1 => {
                let kernel = self.kernel.as_ref().and_then(number).unwrap_or(Bytes::ZERO);
                let kernel = kernel.min(Bytes(limit_bytes.0 / KERNEL_SHARE));
                text::held_v1(&stat)?.saturating_add(kernel)
            }
            Version::V2 => text::held_v2(&stat)?,
        };
        Some(Room { limit_bytes, held_bytes })
    }
}

fn number(file: &Kept) -> Option<Bytes> {
    file.read()?.trim().parse().ok().map(Bytes)
}

/// A whole file of at most `max` bytes; None: it cannot be read, or is longer.
pub(crate) fn read_bounded(path: &Path, max: u64) -> Option<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(max + 1).read_to_end(&mut bytes).ok()?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= max);
    fits.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
