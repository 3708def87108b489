//! The details of the processes that matter: parts of the resident set, faults, descriptors.
//!
//! Takes no lock of the target. Refuses to open anything below `fd`: only counts.

use super::pid_dir::PidDir;
use super::stat::Stat;
use super::status::{self, Status};
use crate::sources::{ReadError, Roots};
use crate::target::ProcessId;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, openat, statat};

/// Groups of a process may fill it: 65,536 of ten digits.
const STATUS_MAX: usize = 1024 * 1024;

/// Counting goes no further. Before Linux 6.2 an entry costs about 0.2 µs.
const OPEN_FDS_MAX: u64 = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    pub status: Status,
    pub stat: Stat,
    /// `None` where it may not be read: before Linux 6.2 the descriptors of others need
    /// CAP_SYS_PTRACE.
    pub open_fds: Option<u64>,
}

/// Reads the details of the process `id`.
///
/// Cost: 14 µs for a small process since Linux 6.2, where the size of the directory `fd` is the
/// number of descriptors; before that each open descriptor costs about 0.2 µs.
///
/// # Errors
/// [`ReadError::Gone`] if the process ended, even if another has its pid now.
pub fn read_details(roots: &Roots, id: ProcessId) -> Result<Details, ReadError> {
    let (dir, stat) = PidDir::open_same(roots, id)?;
    let bytes = dir.read_whole(c"status", STATUS_MAX)?;
    let status = status::parse(&bytes).map_err(|what| dir.malformed(c"status", what))?;
    Ok(Details { status, stat, open_fds: open_fds(&dir) })
}

fn open_fds(dir: &PidDir) -> Option<u64> {
    let size = statat(dir.fd(), c"fd", AtFlags::SYMLINK_NOFOLLOW).ok()?.st_size;
    match u64::try_from(size) {
        Ok(count @ 1..) => Some(count),
        _ => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            count_entries(&openat(dir.fd(), c"fd", flags, Mode::empty()).ok()?)
        }
    }
}

fn count_entries(directory: &OwnedFd) -> Option<u64> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    let mut count = 0;
    while let Some(entry) = entries.next() {
        let is_descriptor = entry.ok()?.file_name().to_bytes().first()?.is_ascii_digit();
        count += u64::from(is_descriptor);
        if count == OPEN_FDS_MAX {
            break;
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::CWD;

    #[test]
    fn counting_entries_agrees_with_the_size_of_the_directory() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, c"/proc/self/fd", flags, Mode::empty()).unwrap();
        let listed = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        // The listing above had one descriptor more: its own.
        assert_eq!(count_entries(&directory), Some(listed - 1));
    }
}
