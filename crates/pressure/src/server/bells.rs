//! A second socket for those who know systemd's `MEMORY_PRESSURE_WATCH` and not this protocol: they
//! connect, and get one byte when memory they are concerned with becomes short.
//!
//! It says no more than that, asks for no answer and discards what it is sent.

use crate::frame::{CgroupPath, Level, Word};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Connections at one time; what is more is closed at once.
const BELLS_MAX: usize = 64;

/// A word to each of ten subscribers is one alarm.
const APART: Duration = Duration::from_secs(1);

/// Discarded of one connection at one time.
const DISCARDED_BYTES: usize = 4096;

#[derive(Debug)]
struct Bell {
    stream: OwnedFd,
    cgroup: Option<CgroupPath>,
    rung_at: Option<Duration>,
}

#[derive(Debug, Default)]
pub struct Bells {
    bells: Vec<Bell>,
    pub rung: u64,
}

impl Bells {
    /// Takes in a connection, which must not block. False: there is no room.
    pub fn admit(&mut self, stream: OwnedFd, cgroup: Option<CgroupPath>) -> bool {
        let has_room = self.bells.len() < BELLS_MAX;
        if has_room {
            self.bells.push(Bell { stream, cgroup, rung_at: None });
        }
        has_room
    }

    /// Rings for those whom the word concerns, from `medium` on.
    pub fn hear(&mut self, word: &Word, now: Duration) {
        if word.level < Level::Medium {
            return;
        }
        let is_due = |bell: &Bell| bell.rung_at.is_none_or(|at| now.saturating_sub(at) >= APART);
        let concerned = |bell: &Bell| word.scope.concerns(bell.cgroup.as_ref());
        for bell in self.bells.iter_mut().filter(|bell| is_due(bell) && concerned(bell)) {
            bell.rung_at = Some(now);
            // Who has not read the last alarms has been alarmed; who is gone is swept out.
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            self.rung += u64::from(rustix::net::send(&bell.stream, b"!", flags).is_ok());
        }
    }

    /// Where those are who listen, as far as that can be seen from here.
    pub fn cgroups(&self) -> impl Iterator<Item = Option<&CgroupPath>> {
        self.bells.iter().map(|bell| bell.cgroup.as_ref())
    }

    /// Discards what was sent, and parts with those who are gone.
    pub fn sweep(&mut self) {
        let mut buffer = [0; DISCARDED_BYTES];
        self.bells.retain(|bell| {
            match rustix::net::recv(&bell.stream, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((length, _)) => length > 0,
                Err(errno) => matches!(errno, Errno::AGAIN | Errno::INTR),
            }
        });
    }
}
