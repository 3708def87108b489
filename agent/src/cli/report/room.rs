//! The limit over a process and what is left below it, read of its own cgroup: here is no agent
//! that knows. Nothing is known where it has no limit, or lies outside of what is mounted.

use crate::reports::Room;
use crate::sources::Roots;
use crate::sources::cgroup::{Layout, read_details, read_usage_at, tightest};
use crate::sources::process::read_cgroup;

pub(super) fn of(roots: &Roots, pid: u32) -> Room {
    found(roots, pid).unwrap_or_default()
}

fn found(roots: &Roots, pid: u32) -> Option<Room> {
    let lines = read_cgroup(roots, pid).ok()?;
    let layout = Layout::detect(roots).ok()?;
    let path = layout.path_of(lines.memory.as_deref(), lines.unified.as_deref())?;
    let tightest = tightest(&path, |path| {
        let usage = read_usage_at(&layout, path, &mut Vec::new()).ok()?.usage;
        Some((read_details(&layout, path).ok()?.max, usage))
    });
    Some(Room { limit: tightest.limit.bytes(), headroom: tightest.headroom })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::cgroup::testbed::{Tree, V2_CONTROLLERS};
    use crate::units::Bytes;

    /// A process in `/pod/app`, on v2, with these limits.
    fn bed(pod: &str, app: &str) -> Tree {
        let tree = Tree::new();
        tree.write("sys/fs/cgroup/cgroup.controllers", V2_CONTROLLERS);
        tree.write("proc/7/cgroup", "0::/pod/app\n");
        for (path, limit, usage) in [("pod", pod, "100663296"), ("pod/app", app, "16777216")] {
            let file = |name: &str| format!("sys/fs/cgroup/{path}/memory.{name}");
            tree.write(&file("max"), &format!("{limit}\n"));
            tree.write(&file("current"), &format!("{usage}\n"));
            tree.write(&file("stat"), "anon 1\nfile 1\n");
        }
        tree
    }

    #[test]
    fn the_tightest_limit_counts_and_the_least_that_any_has_left() {
        // 128 MiB, of which 96 are used, around 64 MiB, of which 16 are.
        let tree = bed("134217728", "67108864");
        let room = of(&tree.roots(), 7);
        assert_eq!(room.limit, Some(Bytes::mib(64)));
        assert_eq!(room.headroom, Some(Bytes::mib(32)));
    }

    #[test]
    fn without_a_limit_or_without_the_process_nothing_is_known() {
        let tree = bed("max", "max");
        let room = of(&tree.roots(), 7);
        assert_eq!((room.limit, room.headroom), (None, None));
        let nobody = of(&tree.roots(), 8);
        assert_eq!((nobody.limit, nobody.headroom), (None, None));
    }
}
