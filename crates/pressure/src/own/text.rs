//! The kernel's texts: cgroup paths, mounts, keyed numbers, pressure. Pure; unknown lines are
//! passed over.

use crate::units::Bytes;
use std::path::PathBuf;
use std::time::Duration;

/// A mounted hierarchy that can hold the memory controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub is_v1: bool,
    /// Which directory of the hierarchy is mounted.
    pub root: String,
    pub point: PathBuf,
}

/// How long tasks waited for memory. Units: percent of the last ten seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Psi {
    pub some_avg10: f64,
    pub full_avg10: Option<f64>,
    /// Time in which some task waited, since boot.
    pub some_total: Option<Duration>,
}

/// The paths in v1's memory hierarchy and in the unified one, of `/proc/PID/cgroup`.
pub fn own_paths(cgroup: &str) -> (Option<String>, Option<String>) {
    let (mut v1, mut v2) = (None, None);
    for line in cgroup.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(id), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if controllers.split(',').any(|name| name == "memory") {
            v1 = Some(path.to_owned());
        } else if id == "0" && controllers.is_empty() {
            v2 = Some(path.to_owned());
        }
    }
    (v1, v2)
}

/// The cgroup mounts of mountinfo. Source: proc_pid_mountinfo(5).
pub fn mounts(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (place, what) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, point) = (place.next()?, place.next()?);
    let mut what = what.split(' ');
    let is_v1 = match what.next()? {
        "cgroup2" => false,
        "cgroup" if what.nth(1)?.split(',').any(|option| option == "memory") => true,
        _ => return None,
    };
    Some(Mount { is_v1, root: unescaped(root), point: PathBuf::from(unescaped(point)) })
}

/// Undoes what the kernel does to blanks in paths.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

/// The number behind `key` in lines of a key and a number.
pub fn keyed(text: &str, key: &str) -> Option<Bytes> {
    let number = |line: &str| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(number).map(Bytes)
}

/// What reclaim cannot drop of a cgroup of version 1 and those below it: anonymous memory and what
/// is locked. `memory.usage_in_bytes` lags behind it and counts the page cache.
pub fn held_v1(stat: &str) -> Option<Bytes> {
    let anonymous =
        keyed(stat, "total_active_anon")?.saturating_add(keyed(stat, "total_inactive_anon")?);
    Some(anonymous.saturating_add(keyed(stat, "total_unevictable").unwrap_or(Bytes::ZERO)))
}

/// The same of version 2, and what the kernel keeps on behalf of it. Sockets' buffers count.
pub fn held_v2(stat: &str) -> Option<Bytes> {
    let number = |key| keyed(stat, key).unwrap_or(Bytes::ZERO);
    let anonymous = keyed(stat, "active_anon")?.saturating_add(keyed(stat, "inactive_anon")?);
    let kernel = number("kernel").saturating_sub(number("slab_reclaimable"));
    let beside = number("unevictable").saturating_add(number("sock"));
    Some(anonymous.saturating_add(kernel).saturating_add(beside))
}

/// A value of `/proc/meminfo`, whose kB are 1024 bytes.
pub fn meminfo(text: &str, key: &str) -> Option<Bytes> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024).map(Bytes)
}

/// A pressure file. None: it has no `some` line.
pub fn psi(text: &str) -> Option<Psi> {
    let avg10 = |which: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(which))?;
        let value = line.split(' ').find_map(|field| field.strip_prefix("avg10="))?;
        value.parse().ok().filter(|value: &f64| (0.0..=100.0).contains(value))
    };
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let total = some.split(' ').find_map(|field| field.strip_prefix("total="));
    Some(Psi {
        some_avg10: avg10("some ")?,
        full_avg10: avg10("full "),
        some_total: total.and_then(|us| us.trim().parse().ok()).map(Duration::from_micros),
    })
}
