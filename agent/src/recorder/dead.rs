//! Who ended of late: the names that a kill is told of with, after the process is gone. Pure.

use super::DEAD_MAX;
use crate::clock::Stamp;
use crate::history::Split;
use crate::target::ProcessId;
use crate::units::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Smaller ones are not remembered: storms of them would push out who matters.
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
pub struct Dead(VecDeque<Death>);

impl Dead {
    pub fn bury(&mut self, death: Death) {
        if death.split.used < USED_MIN {
            return;
        }
        if self.0.len() >= DEAD_MAX {
            self.0.pop_front();
        }
        self.0.push_back(death);
    }

    /// The last process that had this pid and ended about `now`.
    #[must_use]
    pub fn by_pid(&self, pid: u32, now: Stamp) -> Option<&Death> {
        self.recent(now).find(|death| death.id.pid == pid)
    }

    /// Those that ended in `cgroup` within `within` before `now`, newest first.
    pub fn in_cgroup(
        &self,
        cgroup: &str,
        within: Duration,
        now: Stamp,
    ) -> impl Iterator<Item = &Death> {
        let here = move |death: &&Death| {
            death.cgroup.as_deref() == Some(cgroup) && now.since(death.at) <= within
        };
        self.recent(now).filter(here)
    }

    fn recent(&self, now: Stamp) -> impl Iterator<Item = &Death> {
        self.0.iter().rev().take_while(move |death| now.since(death.at) <= RECENT)
    }
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
        assert!(dead.by_pid(3, now).is_none(), "too small to be remembered");
        let here = dead.in_cgroup("/a", Duration::from_secs(30), now).count();
        assert_eq!((here, dead.in_cgroup("/b", RECENT, now).count()), (1, 0));
        for pid in 0..1_000 {
            dead.bury(death(pid, 70, 10));
        }
        assert_eq!(dead.0.len(), DEAD_MAX);
    }
}
