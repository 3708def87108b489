//! The kernel's memory files taken apart. Pure; a line that is not as expected is passed over.

use super::Bytes;
use std::path::PathBuf;
use std::time::Duration;

/// The process's paths as `/proc/self/cgroup` names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paths<'a> {
    pub v1_memory: Option<&'a str>,
    pub v2: Option<&'a str>,
}

pub fn own_paths(cgroup: &str) -> Paths<'_> {
    let mut paths = Paths::default();
    for line in cgroup.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(id), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if controllers.split(',').any(|name| name == "memory") {
            paths.v1_memory = Some(path);
        } else if id == "0" && controllers.is_empty() {
            paths.v2 = Some(path);
        }
    }
    paths
}

/// A mount of a hierarchy that can hold the memory controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub is_v1: bool,
    /// Which directory of the hierarchy is mounted.
    pub root: String,
    pub point: PathBuf,
}

/// Source: proc_pid_mountinfo(5).
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
    Some(Mount { is_v1, root: root.to_owned(), point: PathBuf::from(unescaped(point)) })
}

/// Undoes what the kernel does to blanks in paths.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

/// The number behind `key` in lines of a key and a number.
pub fn keyed(text: &str, key: &str) -> Option<Bytes> {
    let number = |line: &str| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(number)
}

/// Anonymous memory and what is locked, of the cgroup and those below it.
pub fn held_v1(stat: &str) -> Option<Bytes> {
    let active = keyed(stat, "total_active_anon")?;
    let inactive = keyed(stat, "total_inactive_anon")?;
    let locked = keyed(stat, "total_unevictable").unwrap_or(0);
    Some(active.saturating_add(inactive).saturating_add(locked))
}

/// The same, and what the kernel keeps on behalf of it. Sockets' buffers count.
pub fn held_v2(stat: &str) -> Option<Bytes> {
    let number = |key| keyed(stat, key).unwrap_or(0);
    let anonymous = keyed(stat, "active_anon")?.saturating_add(keyed(stat, "inactive_anon")?);
    let kernel = number("kernel").saturating_sub(number("slab_reclaimable"));
    let beside = number("unevictable").saturating_add(number("sock"));
    Some(anonymous.saturating_add(kernel).saturating_add(beside))
}

/// Units: bytes.
pub fn meminfo(text: &str, key: &str) -> Option<Bytes> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<Bytes>().ok()?.checked_mul(1024)
}

/// How long some task has waited. Source: the kernel's documentation of pressure stall information.
pub fn total_stall(pressure: &str) -> Option<Duration> {
    let some = pressure.lines().find(|line| line.starts_with("some "))?;
    let total = some.split(' ').find_map(|field| field.strip_prefix("total="))?;
    total.parse().ok().map(Duration::from_micros)
}
