//! A PSI trigger: the kernel says at once when tasks lost more than a share of a short window to a
//! shortage of memory, so that nobody need poll the averages.
//!
//! Writes a trigger into one pressure file, which changes nothing for those who are measured, and
//! is gone when the descriptor closes. Waits for nothing: the caller polls for POLLPRI.
//!
//! Source: kernel document accounting/psi, "Monitoring for pressure thresholds".

use crate::sources::ReadError;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::path::Path;
use std::time::Duration;

/// What is tried, best first. With CAP_SYS_RESOURCE any window from 500 ms to 10 s is accepted, and
/// the kernel looks ten times in each; without it only multiples of 2 s are (since Linux 6.5; none
/// before), and the kernel looks once in each.
const WISHES: [Wish; 2] = [
    Wish { spec: b"some 50000 1000000\0", window: Duration::from_secs(1), prompt: true },
    Wish { spec: b"some 100000 2000000\0", window: Duration::from_secs(2), prompt: false },
];

#[derive(Clone, Copy, Debug)]
struct Wish {
    spec: &'static [u8],
    window: Duration,
    prompt: bool,
}

/// An armed trigger: some task waited for a twentieth of the window.
#[derive(Debug)]
pub struct Trigger {
    fd: OwnedFd,
    window: Duration,
    prompt: bool,
}

impl Trigger {
    /// Arms the best trigger that this kernel and these privileges allow on the pressure file
    /// `path`.
    ///
    /// # Errors
    /// As [`ReadError::of`]; [`ReadError::Absent`] where PSI is off.
    pub fn arm(path: &Path) -> Result<Self, ReadError> {
        let mut refused = Errno::INVAL;
        for wish in WISHES {
            // One trigger for each open file.
            let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let fd = rustix::fs::open(path, flags, Mode::empty())
                .map_err(|e| ReadError::of(path, e.into()))?;
            match rustix::io::write(&fd, wish.spec) {
                Ok(_) => return Ok(Self { fd, window: wish.window, prompt: wish.prompt }),
                Err(Errno::OPNOTSUPP) => return Err(ReadError::Absent(path.to_owned())),
                Err(error) => refused = error,
            }
        }
        Err(ReadError::of(path, refused.into()))
    }

    /// In which window the kernel adds up what was lost.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// For people: how soon it tells.
    #[must_use]
    pub fn describe(&self) -> String {
        let window = self.window.as_secs();
        if self.prompt {
            format!("stalls within {window} s")
        } else {
            format!("stalls each {window} s (at once with CAP_SYS_RESOURCE)")
        }
    }
}

impl AsFd for Trigger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_own_trigger_is_armed_with_whatever_privilege_there_is() {
        let path = Path::new("/proc/pressure/memory");
        match Trigger::arm(path) {
            Ok(trigger) => {
                assert!(
                    trigger.window() >= Duration::from_secs(if trigger.prompt { 1 } else { 2 })
                );
            }
            Err(why) => {
                assert!(std::env::var_os("CI").is_none(), "CI's kernel has PSI: {why}");
                eprintln!("skipped: {why}");
            }
        }
    }

    #[test]
    fn a_kernel_without_pressure_files_is_told_apart_from_one_that_refuses() {
        let error = Trigger::arm(Path::new("/proc/pressure/no-such-resource")).unwrap_err();
        assert!(matches!(error, ReadError::Absent(_)), "{error}");
    }
}
