//! `/proc/PID/cgroup`: in which cgroup a process's memory is counted.
//!
//! Paths are as this process's cgroup namespace shows them; `/../..` is left as it is. Refuses to
//! tell hierarchies other than v1's memory and the unified one.

use crate::sources::{Malformed, ReadError, Roots, read_parsed};

/// A dozen hierarchies, each with a path of 4 KiB at most.
const FILE_BYTES_MAX: usize = 64 << 10;

/// Paths below the mount of the hierarchy, starting with `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupPaths {
    /// In the v1 hierarchy that has the memory controller.
    pub memory: Option<String>,
    /// In the unified (v2) hierarchy.
    pub unified: Option<String>,
}

impl CgroupPaths {
    /// Where the memory of the process is counted: v1's memory controller if it is mounted there,
    /// for then the unified hierarchy lacks it.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.memory.as_deref().or(self.unified.as_deref())
    }
}

/// Parses lines of `ID:controllers:path`. A removed cgroup's ` (deleted)` is cut off.
///
/// The kernel refuses newlines in cgroup names but nothing else, so a path may hold colons, and
/// bytes that are not UTF-8, which are replaced.
///
/// Source: cgroups(7), proc_cgroup_show in kernel/cgroup/cgroup.c.
///
/// # Errors
/// [`Malformed`] with a line that has not three parts or whose path does not start with `/`.
pub fn parse(bytes: &[u8]) -> Result<CgroupPaths, Malformed> {
    let mut paths = CgroupPaths::default();
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        if line.is_empty() {
            continue;
        }
        let mut parts = line.splitn(3, |&byte| byte == b':');
        let (Some(id), Some(controllers), Some(path @ [b'/', ..])) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed::new(number, line, "ID:controllers:/path"));
        };
        let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
        if controllers.split(|&byte| byte == b',').any(|name| name == b"memory") {
            paths.memory = Some(String::from_utf8_lossy(path).into_owned());
        } else if id == b"0" && controllers.is_empty() {
            paths.unified = Some(String::from_utf8_lossy(path).into_owned());
        }
    }
    Ok(paths)
}

/// Reads in which cgroups a process is now.
///
/// # Errors
/// As [`read_parsed`]; a process that has ended is [`ReadError::Absent`] or [`ReadError::Gone`].
pub fn read_cgroup(roots: &Roots, pid: u32) -> Result<CgroupPaths, ReadError> {
    read_parsed(&roots.proc.join(pid.to_string()).join("cgroup"), FILE_BYTES_MAX, parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> (Option<String>, Option<String>) {
        let paths = parse(text.as_bytes()).unwrap();
        (paths.memory, paths.unified)
    }

    #[test]
    fn on_a_hybrid_host_the_memory_line_goes_first() {
        let paths = parse(include_bytes!("../../../fixtures/process/cgroup-hybrid")).unwrap();
        assert_eq!(paths.memory.as_deref(), Some("/jobs/9cb3e9a4"));
        assert_eq!(paths.unified.as_deref(), Some("/"));
        assert_eq!(paths.path(), Some("/jobs/9cb3e9a4"));
    }

    #[test]
    fn on_v2_the_unified_line_is_it() {
        let paths = parse(include_bytes!("../../../fixtures/process/cgroup-v2")).unwrap();
        let path = paths.path().unwrap();
        assert!(path.starts_with("/kubepods.slice/kubepods-burstable.slice/"), "{path}");
        assert!(
            path.ends_with(
                "/cri-containerd-5f3a9e0c7b1d2846af90c1b2d3e4f506\
                                1728394a5b6c7d8e9f0a1b2c3d4e5f60.scope"
            ),
            "{path}"
        );
        assert_eq!((paths.memory.as_deref(), paths.unified.as_deref()), (None, Some(path)));
    }

    #[test]
    fn a_path_may_hold_colons_and_the_mark_of_removal_is_cut() {
        let (memory, unified) = parsed("4:cpu,memory:/a:b:cri-containerd:1f (deleted)\n0::/x:y\n");
        assert_eq!(memory.as_deref(), Some("/a:b:cri-containerd:1f"));
        assert_eq!(unified.as_deref(), Some("/x:y"));
    }

    #[test]
    fn named_hierarchies_and_lookalikes_are_passed_over() {
        assert_eq!(parsed("1:name=memory:/a\n2:hugetlb,memoryx:/b\n10:pids:/c\n"), (None, None));
        assert_eq!(parse(b"").unwrap().path(), None);
    }

    #[test]
    fn a_line_without_three_parts_is_malformed() {
        assert_eq!(parse(b"0::/\nnonsense\n").unwrap_err().line, 2);
        assert!(parse(b"0::relative\n").is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_path_of_one_line_is_read(name in "[^\n]{0,40}[^)\n]") {
            let path = format!("/{name}");
            let (memory, unified) = parsed(&format!("7:memory:{path}\n0::{path}\n"));
            prop_assert_eq!(memory.as_deref(), Some(path.as_str()));
            prop_assert_eq!(unified, memory);
        }
    }
}
