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
