//! `statm` again and again: through a kept descriptor with one syscall, or without one.
//!
//! A kept descriptor survives exec and fails with ESRCH after the exit, so it never tells of
//! another process. It costs the agent about 1.1 KiB of kernel memory and one descriptor of its
//! limit; where descriptors are short, [`read_statm_at`] reads the same at ten times the
//! cost. Neither takes a lock of the target nor needs any rights.

use super::pid_dir::{PidDir, STAT_MAX};
use super::stat;
use super::statm::{self, HEAD_MAX, Statm};
use crate::sources::{ReadError, Roots};
use crate::target::ProcessId;
use crate::units::Pages;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::path::Path;

/// The open `statm` of one process.
#[derive(Debug)]
pub struct Kept(OwnedFd);

impl Kept {
    /// Opens `statm` of the process `id`. Cost: 7 syscalls, 8 µs.
    ///
    /// # Errors
    /// [`ReadError::Gone`] if the process ended, even if another has its pid now;
    /// [`ReadError::Io`] if there are no more descriptors (EMFILE, ENFILE).
    pub fn open(roots: &Roots, id: ProcessId) -> Result<Self, ReadError> {
        let (dir, _) = PidDir::open_same(roots, id)?;
        Ok(Self(dir.open_file(c"statm")?))
    }

    /// Reads `statm` anew. Allocates nothing. Cost: one pread, 0.80 µs, to which parsing adds 1 to
    /// 5 %; measured over 2,000 processes on Linux 6.18, a shared 2-vCPU VM.
    ///
    /// # Errors
    /// [`ReadError::Gone`] once the process is reaped. Before that a zombie reads as
    /// [`Statm::is_without_memory`].
    #[inline]
    pub fn read(&self) -> Result<Statm, ReadError> {
        let mut buffer = [MaybeUninit::uninit(); HEAD_MAX];
        match rustix::io::pread(&self.0, &mut buffer, 0) {
            Ok((head, _)) => statm::parse(head)
                .map_err(|what| ReadError::Malformed { path: "statm".into(), what }),
            Err(Errno::SRCH) => Err(ReadError::Gone),
            Err(errno) => Err(ReadError::of(Path::new("statm"), errno.into())),
        }
    }
}

/// Reads `statm` of the process `id` without a kept descriptor, and the RSS that its `stat` shows
/// at the same time, for [`read_stat_rss`] to be compared with. Cost: 8 syscalls, 8.5 µs.
///
/// # Errors
/// [`ReadError::Gone`] if the process ended, even if another has its pid now.
pub fn read_statm_at(roots: &Roots, id: ProcessId) -> Result<(Statm, Pages), ReadError> {
    let (dir, stat) = PidDir::open_same(roots, id)?;
    let mut buffer = [0; HEAD_MAX];
    let head = dir.read_once(c"statm", &mut buffer)?;
    let statm = statm::parse(head).map_err(|what| dir.malformed(c"statm", what))?;
    Ok((statm, stat.rss))
}

/// Reads the RSS of the process `id` from its `stat` alone: enough to see that nothing changed.
/// Cost: 3 syscalls, 2.9 µs.
///
/// The kernel may count less exactly here than in `statm`, so only two of these can be compared.
///
/// # Errors
/// [`ReadError::Gone`] if the process ended, even if another has its pid now.
pub fn read_stat_rss(roots: &Roots, id: ProcessId) -> Result<Pages, ReadError> {
    let path = roots.proc.join(id.pid.to_string()).join("stat");
    let mut buffer = [0; STAT_MAX];
    let read = openat(CWD, &path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|fd| rustix::io::read(fd, &mut buffer));
    let length = match read {
        Ok(length) => length,
        Err(Errno::NOENT | Errno::SRCH) => return Err(ReadError::Gone),
        Err(errno) => return Err(ReadError::of(&path, errno.into())),
    };
    match stat::parse(&buffer[..length]) {
        Ok(stat) if stat.starttime == id.start_time => Ok(stat.rss),
        Ok(_) => Err(ReadError::Gone),
        Err(what) => Err(ReadError::Malformed { path, what }),
    }
}
