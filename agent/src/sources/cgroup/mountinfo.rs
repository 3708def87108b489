//! The cgroup mounts of `/proc/self/mountinfo`. Pure.

use crate::sources::Malformed;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
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
/// Source: proc_pid_mountinfo(5). A root that is not UTF-8 is skipped.
///
/// # Errors
/// [`Malformed`] if a line lacks the fields that every kernel prints.
pub fn parse(mountinfo: &[u8]) -> Result<Vec<Mount>, Malformed> {
    let mut mounts = Vec::new();
    for (number, line) in (1..).zip(mountinfo.split(|&b| b == b'\n')) {
        if !line.is_empty() {
            let line = split(line).ok_or_else(|| Malformed::new(number, line, "a mount"))?;
            mounts.extend(mount_of(&line));
        }
    }
    Ok(mounts)
}

/// The fields of one line that matter here, still escaped.
struct Fields<'a> {
    root: &'a [u8],
    point: &'a [u8],
    fs_type: &'a [u8],
    super_options: &'a [u8],
}

/// `36 35 98:0 ROOT POINT rw,noatime shared:1 - TYPE SOURCE SUPER_OPTIONS`, where the optional
/// fields before the dash may be none or many.
fn split(line: &[u8]) -> Option<Fields<'_>> {
    let mut fields = line.split(|&b| b == b' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    let _options = fields.next()?;
    fields.find(|field| *field == b"-")?;
    let fs_type = fields.next()?;
    let _source = fields.next()?;
    Some(Fields { root, point, fs_type, super_options: fields.next()? })
}

fn mount_of(fields: &Fields) -> Option<Mount> {
    let has_memory = || fields.super_options.split(|&b| b == b',').any(|o| o == b"memory");
    let kind = match fields.fs_type {
        b"cgroup2" => MountKind::V2,
        b"cgroup" if has_memory() => MountKind::V1Memory,
        _ => return None,
    };
    let root = String::from_utf8(unescape(fields.root)).ok()?;
    Some(Mount { root, point: OsString::from_vec(unescape(fields.point)).into(), kind })
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
