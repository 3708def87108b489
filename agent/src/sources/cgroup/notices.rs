//! Being told by the kernel that a cgroup comes near its limit, instead of looking.
//!
//! v1: one eventfd, registered through `cgroup.event_control` for thresholds of
//! `memory.usage_in_bytes`, for `memory.pressure_level` and for `memory.oom_control`. v2: a change
//! of `memory.events` (POLLPRI on the open file) and, where asked for, a PSI trigger on
//! `memory.pressure`; v2 tells of no threshold of usage. Waits for nothing: the caller polls.
//!
//! Source: kernel documents cgroup-v1/cgroups and cgroup-v1/memory, cgroup-v2, accounting/psi.

use super::files::{Dir, pread};
use super::layout::Layout;
use crate::sources::ReadError;
use crate::sources::psi::Trigger;
use crate::units::Bytes;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Where usage is reported to cross, in percent of the limit: denser towards the limit, and begun
/// early enough that 100 MiB/s into a container of 256 MiB is seen more than a second ahead.
pub(super) const THRESHOLDS: [u64; 8] = [50, 60, 70, 80, 85, 90, 94, 97];

/// How the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// v1: a threshold was crossed, up or down, reclaim got hard, or the limit was reached.
    Threshold,
    /// v2: a counter of `memory.events` rose.
    Events,
    /// v2: tasks of the cgroup wait for memory.
    Pressure,
}

impl Notice {
    /// For metrics and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Threshold => "cgroup_threshold",
            Self::Events => "cgroup_events",
            Self::Pressure => "cgroup_pressure",
        }
    }
}

/// The kernel's word to us about one cgroup. Holds one descriptor on v1, one or two on v2.
#[derive(Debug)]
pub struct Notices {
    main: OwnedFd,
    v2: bool,
    trigger: Option<Trigger>,
    dir: Dir,
}

impl Notices {
    /// Asks to be told about the cgroup `path`, whose own limit is `limit`. `pressure`: with a PSI
    /// trigger, where the kernel has one for cgroups and lets us.
    ///
    /// Cost: 30 µs.
    ///
    /// # Errors
    /// [`ReadError::Gone`] if there is no such cgroup, else as [`ReadError::of`].
    pub fn open(
        layout: &Layout,
        path: &str,
        limit: Bytes,
        pressure: bool,
    ) -> Result<Self, ReadError> {
        let dir = Dir::open(layout, path)?;
        let v2 = layout.is_v2();
        let main = if v2 { dir.require("memory.events")? } else { register(&dir, limit)? };
        let trigger = (v2 && pressure)
            .then(|| Trigger::arm(&dir.path().join("memory.pressure")).ok())
            .flatten();
        let notices = Self { main, v2, trigger, dir };
        // On v2 only what comes after a reading is news.
        notices.hear(notices.main_notice(), &mut Vec::new())?;
        Ok(notices)
    }

    /// What to poll: v1's for POLLIN, v2's for POLLPRI.
    pub fn fds(&self) -> impl Iterator<Item = (Notice, BorrowedFd<'_>)> {
        let trigger = self.trigger.iter().map(|t| (Notice::Pressure, t.as_fd()));
        std::iter::once((self.main_notice(), self.main.as_fd())).chain(trigger)
    }

    /// Takes the notice in, so that the next one is news again.
    ///
    /// # Errors
    /// [`ReadError::Gone`] if what woke us was the end of the cgroup.
    pub fn hear(&self, notice: Notice, buf: &mut Vec<u8>) -> Result<(), ReadError> {
        match notice {
            Notice::Threshold => {
                match rustix::io::read(&self.main, &mut [0_u8; 8]) {
                    Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(error) => return Err(ReadError::of(self.dir.path(), error.into())),
                }
                // The end of a cgroup is told like a crossing.
                self.dir.require("memory.usage_in_bytes").map(drop)
            }
            // A trigger is armed again by having been polled; that the cgroup is gone shows here.
            Notice::Events | Notice::Pressure => {
                pread(&self.main, buf, || self.dir.path().join("memory.events")).map(drop)
            }
        }
    }

    const fn main_notice(&self) -> Notice {
        if self.v2 { Notice::Events } else { Notice::Threshold }
    }
}

/// Registers one eventfd for all that v1 tells. The kernel forgets it when the eventfd closes.
fn register(dir: &Dir, limit: Bytes) -> Result<OwnedFd, ReadError> {
    let of = |name: &str, error: Errno| ReadError::of(&dir.path().join(name), error.into());
    let told = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|error| of("eventfd", error))?;
    let control = dir.path().join("cgroup.event_control");
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let control = rustix::fs::open(&control, flags, Mode::empty())
        .map_err(|error| of("cgroup.event_control", error))?;
    let ask = |fd: &OwnedFd, arguments: &str| {
        let line = format!("{} {} {arguments}", told.as_raw_fd(), fd.as_raw_fd());
        rustix::io::write(&control, line.as_bytes()).map(drop)
    };
    let usage = dir.require("memory.usage_in_bytes")?;
    for percent in THRESHOLDS {
        let at = limit.0 / 100 * percent;
        ask(&usage, &at.to_string()).map_err(|error| of("memory.usage_in_bytes", error))?;
    }
    // Both are a help beside the thresholds; kernels are free to drop them.
    for (name, arguments) in [("memory.pressure_level", "medium"), ("memory.oom_control", "")] {
        if let Ok(Some(fd)) = dir.open_file(name) {
            let _ = ask(&fd, arguments);
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::cgroup::testbed::{Memcg, Tree, V2_CONTROLLERS, live_v1};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    /// Whether anything is told within half a second.
    fn told(notices: &Notices, wanted: PollFlags) -> bool {
        let mut fds: Vec<PollFd<'_>> =
            notices.fds().map(|(_, fd)| PollFd::from_borrowed_fd(fd, wanted)).collect();
        let timeout = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
        poll(&mut fds, Some(&timeout)).unwrap() > 0
    }

    #[test]
    fn a_real_cgroup_tells_when_usage_crosses_half_of_its_limit() {
        let Some(layout) = live_v1() else { return };
        let memcg = Memcg::make(&layout, "threshold");
        let notices = Notices::open(&layout, memcg.path(), Bytes::mib(64), true).unwrap();
        assert!(!told(&notices, PollFlags::IN), "nothing has happened yet");
        let member = memcg.hold_anon(Bytes::mib(36));
        assert!(member.is_ready() && told(&notices, PollFlags::IN));
        notices.hear(Notice::Threshold, &mut Vec::new()).unwrap();
    }

    #[test]
    fn the_end_of_a_cgroup_is_heard_as_its_end() {
        let Some(layout) = live_v1() else { return };
        let memcg = Memcg::make(&layout, "ended");
        let notices = Notices::open(&layout, memcg.path(), Bytes::mib(64), true).unwrap();
        drop(memcg);
        assert!(told(&notices, PollFlags::IN));
        let heard = notices.hear(Notice::Threshold, &mut Vec::new());
        assert!(matches!(heard, Err(ReadError::Gone)), "{heard:?}");
    }

    #[test]
    fn v2_opens_its_events_and_does_without_a_trigger_where_there_is_none() {
        let tree = Tree::new();
        tree.write("sys/fs/cgroup/cgroup.controllers", V2_CONTROLLERS);
        tree.write("sys/fs/cgroup/a/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
        let layout = Layout::detect(&tree.roots()).unwrap();
        let notices = Notices::open(&layout, "/a", Bytes::mib(64), true).unwrap();
        let kinds: Vec<Notice> = notices.fds().map(|(notice, _)| notice).collect();
        assert_eq!(kinds, [Notice::Events]);
        assert!(matches!(Notices::open(&layout, "/b", Bytes::mib(64), true), Err(ReadError::Gone)));
    }
}
