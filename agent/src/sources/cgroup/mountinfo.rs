//! The cgroup mounts of `/proc/self/mountinfo`. Pure.

use crate::sources::Malformed;
use procfs::process::MountInfo;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

/// One mount of a cgroup hierarchy that can hold the memory controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Which directory of the hierarchy is mounted, seen from our cgroup namespace: `/` as a rule,
    /// `/docker/ID` in a container that was given only its own, `/../..` where the namespace is
    /// private and the mount is the host's.
    pub root: String,
    pub point: PathBuf,
    pub kind: MountKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountKind {
    V1Memory,
    V2,
}

/// Parses mountinfo; keeps v2 mounts and v1 mounts of the memory controller, in the kernel's order.
///
/// Source: proc_pid_mountinfo(5); the `procfs` crate takes a line apart. A line that is not UTF-8
/// is skipped.
///
/// # Errors
/// [`Malformed`] if a line lacks the fields that every kernel prints.
pub fn parse(mountinfo: &[u8]) -> Result<Vec<Mount>, Malformed> {
    let mut mounts = Vec::new();
    for (number, line) in (1..).zip(mountinfo.split(|&b| b == b'\n')) {
        let Ok(text) = std::str::from_utf8(line) else { continue };
        if !text.is_empty() {
            let mount =
                MountInfo::from_line(text).map_err(|_| Malformed::new(number, line, "a mount"))?;
            mounts.extend(mount_of(&mount));
        }
    }
    Ok(mounts)
}

fn mount_of(mount: &MountInfo) -> Option<Mount> {
    let kind = match mount.fs_type.as_str() {
        "cgroup2" => MountKind::V2,
        "cgroup" if mount.super_options.contains_key("memory") => MountKind::V1Memory,
        _ => return None,
    };
    let root = String::from_utf8(unescape(mount.root.as_bytes())).ok()?;
    let point = unescape(mount.mount_point.as_os_str().as_bytes());
    Some(Mount { root, point: OsString::from_vec(point).into(), kind })
}

/// Undoes the kernel's `\040`: blank, tab, newline and backslash are written as three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        match (first, octal(after)) {
            (b'\\', Some(byte)) => {
                plain.push(byte);
                rest = &after[3..];
            }
            _ => {
                plain.push(first);
                rest = after;
            }
        }
    }
    plain
}

fn octal(text: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(text.get(..3)?).ok()?;
    digits.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    u8::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mount(kind: MountKind, root: &str, point: &str) -> Mount {
        Mount { root: root.into(), point: point.into(), kind }
    }

    #[test]
    fn only_the_hierarchies_that_can_hold_memory_are_kept() {
        let hybrid = include_bytes!("../../../fixtures/cgroup/v1-6.18.mountinfo");
        assert_eq!(
            parse(hybrid).unwrap(),
            [
                mount(MountKind::V1Memory, "/", "/sys/fs/cgroup/memory"),
                mount(MountKind::V2, "/", "/sys/fs/cgroup/unified"),
            ]
        );
    }

    #[test]
    fn a_private_namespace_shows_in_the_root_of_the_hosts_mount() {
        let private =
            include_bytes!("../../../fixtures/cgroup/v1-6.18-private-namespace.mountinfo");
        assert_eq!(
            parse(private).unwrap()[0],
            mount(MountKind::V1Memory, "/..", "/sys/fs/cgroup/memory")
        );
        let v2 = include_bytes!("../../../fixtures/cgroup/v2-6.12.mountinfo");
        assert_eq!(parse(v2).unwrap(), [mount(MountKind::V2, "/", "/sys/fs/cgroup")]);
        let daemonset = include_bytes!("../../../fixtures/cgroup/v2-daemonset.mountinfo");
        assert_eq!(
            parse(daemonset).unwrap(),
            [
                mount(MountKind::V2, "/", "/sys/fs/cgroup"),
                mount(MountKind::V2, "/../../../..", "/host/sys/fs/cgroup"),
            ]
        );
    }

    #[test]
    fn blanks_in_mount_points_are_unescaped() {
        let line = br"36 35 0:9 /a\134b /mnt/c\040d\08 rw master:1 shared:2 - cgroup2 none rw";
        assert_eq!(parse(line).unwrap(), [mount(MountKind::V2, r"/a\b", r"/mnt/c d\08")]);
    }

    #[test]
    fn a_line_that_is_no_mount_is_named() {
        let error = parse(b"36 35 0:9 / / rw - proc proc rw\n37 36 0:10 / /x rw\n").unwrap_err();
        assert_eq!((error.line, error.expected), (2, "a mount"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = unescape(&bytes);
        }

        #[test]
        fn arbitrary_escapes_never_panic(path in r"[/a\\0-9]{0,20}") {
            let _ = parse(format!("1 2 3 {path} {path} rw - cgroup2 x rw").as_bytes());
        }
    }
}
