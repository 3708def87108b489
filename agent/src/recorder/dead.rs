//! Who ended of late: the names that a kill is told of with, after the process is gone. Pure.

use super::DEAD_MAX;
use crate::clock::Stamp;
use crate::history::Split;
use crate::target::ProcessId;
use crate::units::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Smaller ones are remembered apart: storms of them would push out who matters. A program that
/// grew since it was last read is one of them.
pub const USED_MIN: Bytes = Bytes::mib(1);
/// A kill is told of within this time of the victim's end.
const RECENT: Duration = Duration::from_secs(60);

/// A process that ended.
#[derive(Clone, Debug)]
pub struct Death {
    pub id: ProcessId,
    pub at: Stamp,
    pub started_at: Stamp,
    pub comm: Box<str>,
    pub exe: Option<Arc<str>>,
    pub uid: Option<u32>,
    pub cgroup: Option<Arc<str>>,
    pub workload: Option<Arc<str>>,
    /// As last read.
    pub split: Split,
}

#[derive(Debug, Default)]
pub struct Dead {
    large: VecDeque<Death>,
    /// Found by their pid alone.
    small: VecDeque<Death>,
}

impl Dead {
    pub fn bury(&mut self, death: Death) {
        let ring = if death.split.used < USED_MIN { &mut self.small } else { &mut self.large };
        if ring.len() >= DEAD_MAX {
            ring.pop_front();
        }
        ring.push_back(death);
    }

    /// The process that had this pid and ended about `now`: the last one, as it was when it was
    /// largest, for it may have been read once more on its way out.
    #[must_use]
    pub fn by_pid(&self, pid: u32, now: Stamp) -> Option<&Death> {
        let of_pid = |death: &&Death| death.id.pid == pid;
        let large = recent(&self.large, now).find(of_pid);
        let small = recent(&self.small, now).find(of_pid);
        let newer = |death: &&Death| large.is_none_or(|l| l.id.start_time < death.id.start_time);
        small.filter(newer).or(large)
    }

    /// Those of some size that ended in `cgroup` within `within` before `now`, newest first.
    pub fn in_cgroup(
        &self,
        cgroup: &str,
        within: Duration,
        now: Stamp,
    ) -> impl Iterator<Item = &Death> {
        let here = move |death: &&Death| {
            death.cgroup.as_deref() == Some(cgroup) && now.since(death.at) <= within
        };
        recent(&self.large, now).filter(here)
    }
}

/// Newest first.
fn recent(ring: &VecDeque<Death>, now: Stamp) -> impl Iterator<Item = &Death> {
    ring.iter().rev().take_while(move |death| now.since(death.at) <= RECENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn death(pid: u32, at_s: i64, mib: u64) -> Death {
        Death {
            id: ProcessId { pid, start_time: 1 },
            at: Stamp(at_s * 1000),
            started_at: Stamp(0),
            comm: "x".into(),
            exe: None,
            uid: None,
            cgroup: Some("/a".into()),
            workload: None,
            split: Split { used: Bytes::mib(mib), ..Split::default() },
        }
    }

    #[test]
    fn the_dead_are_found_by_pid_and_by_cgroup_while_they_are_recent() {
        let mut dead = Dead::default();
        dead.bury(death(1, 0, 10));
        dead.bury(death(2, 50, 10));
        dead.bury(death(3, 55, 0));
        let now = Stamp(70_000);
        assert!(dead.by_pid(1, now).is_none(), "long ago: the pid may be another's");
        assert!(dead.by_pid(2, now).is_some());
        assert!(dead.by_pid(3, now).is_some());
        let here = dead.in_cgroup("/a", Duration::from_secs(30), now).count();
        assert_eq!((here, dead.in_cgroup("/b", RECENT, now).count()), (1, 0), "3 was small");
        for pid in 0..1_000 {
            dead.bury(death(pid, 70, 10));
            dead.bury(death(pid, 70, 0));
        }
        assert_eq!((dead.large.len(), dead.small.len()), (DEAD_MAX, DEAD_MAX));
    }

    #[test]
    fn who_was_small_when_last_read_is_known_by_its_pid_whatever_storm_there_is_of_others() {
        let mut dead = Dead::default();
        dead.bury(death(1, 0, 10));
        // Read once more, without memory, when it was taken off the list.
        dead.bury(death(1, 1, 0));
        let now = Stamp(2_000);
        assert_eq!(dead.by_pid(1, now).unwrap().split.used, Bytes::mib(10));
        let next = Death { id: ProcessId { pid: 1, start_time: 2 }, ..death(1, 2, 0) };
        dead.bury(next);
        assert_eq!(dead.by_pid(1, now).unwrap().id.start_time, 2, "the pid is another's now");
        for pid in 2..1_000 {
            dead.bury(death(pid, 2, 0));
        }
        assert_eq!(dead.by_pid(1, now).unwrap().id.start_time, 1);
    }
}
