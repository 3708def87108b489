//! All cgroups of the memory hierarchy, by reading its directories.
//!
//! Only the names are read. Symlinks are not followed (cgroupfs has none); the kinds of entries
//! come with the listing, so that there is one open and one stat per cgroup, nothing per file.

use super::layout::Layout;
use crate::sources::ReadError;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir};
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;

/// systemd, Kubernetes and a nested container engine together need about a dozen.
const DEPTH_MAX: usize = 64;
/// Room for some 800 entries of a listing at once.
const LISTING_BYTES: usize = 32 << 10;

/// How complete a walk was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// There are more cgroups than were asked for, or deeper ones than 64 levels.
    pub truncated: bool,
    /// Cgroups that were left out with all below them because their name is not UTF-8 (a lossy
    /// name could not be opened again), or whose children are because they may not be listed.
    pub skipped: usize,
}

impl Layout {
    /// Lists all cgroups, `/` first, parents before children, at most `max` of them.
    ///
    /// `out` is cleared first. Cgroups that vanish meanwhile may or may not be listed. Cost:
    /// 1.4 ms for 1,000 leaves in ten parents (kernel 6.18, v1, release build).
    ///
    /// # Errors
    /// As [`ReadError::of`], on the root of the hierarchy only.
    pub fn walk(&self, max: usize, out: &mut Vec<Arc<str>>) -> Result<Walked, ReadError> {
        out.clear();
        let mut walked = Walked { truncated: max == 0, skipped: 0 };
        if max == 0 {
            return Ok(walked);
        }
        out.push("/".into());
        let mut listing = vec![MaybeUninit::uninit(); LISTING_BYTES];
        let mut next = 0;
        while let Some(parent) = out.get(next).cloned() {
            let dir = self.dir(&parent);
            match list(&dir, &parent, &mut listing, max, out) {
                Ok(listed) => {
                    walked.truncated |= listed.truncated;
                    walked.skipped += listed.skipped;
                }
                Err(error) if next == 0 => return Err(ReadError::of(&dir, error.into())),
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::NODEV) => {}
                Err(_) => walked.skipped += 1,
            }
            if walked.truncated && out.len() >= max {
                break;
            }
            next += 1;
        }
        Ok(walked)
    }
}

/// Adds the children of `parent` to `out`.
fn list(
    dir: &Path,
    parent: &str,
    listing: &mut [MaybeUninit<u8>],
    max: usize,
    out: &mut Vec<Arc<str>>,
) -> Result<Walked, rustix::io::Errno> {
    let mut walked = Walked::default();
    // Kernfs counts a directory's links as 2 + its subdirectories; other filesystems say 1 if they
    // do not count. Most cgroups are leaves, and listing one costs more than this.
    if rustix::fs::statat(CWD, dir, AtFlags::SYMLINK_NOFOLLOW)?.st_nlink == 2 {
        return Ok(walked);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(dir, flags, Mode::empty())?;
    let parent = parent.trim_end_matches('/');
    let at_depth_max = parent.matches('/').count() >= DEPTH_MAX;
    let mut entries = RawDir::new(fd, listing);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if entry.file_type() != FileType::Directory || name == b"." || name == b".." {
            continue;
        }
        if out.len() >= max || at_depth_max {
            walked.truncated = true;
            break;
        }
        match std::str::from_utf8(name) {
            Ok(name) => out.push(format!("{parent}/{name}").into()),
            Err(_) => walked.skipped += 1,
        }
    }
    Ok(walked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::cgroup::testbed::{Memcg, Tree, V2_CONTROLLERS, live_v1};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    fn tree() -> (Tree, Layout) {
        let tree = Tree::new();
        tree.write("sys/fs/cgroup/cgroup.controllers", V2_CONTROLLERS);
        let layout = Layout::detect(&tree.roots()).unwrap();
        (tree, layout)
    }

    fn walk(layout: &Layout, max: usize) -> (Vec<String>, Walked) {
        let mut out = vec!["stale".into()];
        let walked = layout.walk(max, &mut out).unwrap();
        (out.iter().map(ToString::to_string).collect(), walked)
    }

    #[test]
    fn every_cgroup_is_listed_once_parents_first() {
        let (tree, layout) = tree();
        for path in ["b/x/deep/deeper", "a", "b/y"] {
            tree.write(&format!("sys/fs/cgroup/{path}/memory.current"), "0\n");
        }
        let (mut paths, walked) = walk(&layout, 100);
        assert_eq!(walked, Walked::default());
        assert_eq!(paths[0], "/");
        assert!(paths.windows(2).all(|p| depth(&p[0]) <= depth(&p[1])), "{paths:?}");
        paths.sort();
        assert_eq!(paths, ["/", "/a", "/b", "/b/x", "/b/x/deep", "/b/x/deep/deeper", "/b/y"]);
    }

    fn depth(path: &str) -> usize {
        path.split('/').filter(|name| !name.is_empty()).count()
    }

    #[test]
    fn a_walk_stops_at_its_bounds_and_says_so() {
        let (tree, layout) = tree();
        for i in 0..10 {
            tree.write(&format!("sys/fs/cgroup/c{i}/memory.current"), "0\n");
        }
        let (paths, walked) = walk(&layout, 11);
        assert_eq!((paths.len(), walked.truncated), (11, false));
        let (paths, walked) = walk(&layout, 10);
        assert_eq!((paths.len(), walked.truncated), (10, true));
        assert_eq!(walk(&layout, 0), (vec![], Walked { truncated: true, skipped: 0 }));

        tree.write(&format!("sys/fs/cgroup/{}memory.current", "d/".repeat(70)), "0\n");
        let (paths, walked) = walk(&layout, 1000);
        assert_eq!(paths.iter().map(|path| depth(path)).max(), Some(DEPTH_MAX));
        assert!(walked.truncated);
    }

    #[test]
    fn symlinks_are_not_followed_and_names_that_are_not_text_are_counted() {
        let (tree, layout) = tree();
        let root = tree.roots().sys.join("fs/cgroup");
        std::os::unix::fs::symlink("/", root.join("link")).unwrap();
        std::fs::create_dir_all(root.join(OsStr::from_bytes(b"caf\xe9")).join("below")).unwrap();
        assert_eq!(walk(&layout, 9), (vec!["/".into()], Walked { truncated: false, skipped: 1 }));
    }

    #[test]
    fn a_hierarchy_that_is_gone_is_an_error() {
        let (tree, layout) = tree();
        drop(tree);
        assert!(matches!(layout.walk(9, &mut Vec::new()), Err(ReadError::Absent(_))));
    }

    #[test]
    fn a_thousand_real_cgroups_are_all_listed() {
        let Some(layout) = live_v1() else { return };
        let top = Memcg::make(&layout, "walk");
        let parents: Vec<Memcg> = (0..10).map(|i| top.child(&format!("p{i}"))).collect();
        let leaves: Vec<Memcg> =
            (0..1000).map(|i| parents[i % 10].child(&format!("leaf{i}"))).collect();
        let mut out = Vec::new();
        layout.walk(100_000, &mut out).unwrap();
        let ours = out.iter().filter(|path| path.starts_with(top.path())).count();
        assert_eq!(ours, 1 + parents.len() + leaves.len());
        drop((leaves, parents));
    }
}
