//! One cgroup's directory and the files in it, by file descriptor, so that a cgroup that was
//! removed and made anew under the same name is not taken for the old one.

use super::layout::Layout;
use super::stat;
use crate::sources::{Malformed, ReadError};
use crate::units::{Bytes, Limit};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// v2's `memory.stat` has 2 KiB at most; v1's 1 KiB.
const BUFFER_BYTES: usize = 16 << 10;
const FILE_BYTES_MAX: usize = 1 << 20;

/// An open cgroup directory.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

impl Dir {
    /// # Errors
    /// [`ReadError::Gone`] if there is no such cgroup, else as [`ReadError::of`].
    pub(super) fn open(layout: &Layout, path: &str) -> Result<Self, ReadError> {
        let path = layout.dir(path);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path }),
            Err(error) => Err(gone_or(&path, error, Errno::NOENT)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens one file; None if this kernel or this cgroup does not have it.
    ///
    /// # Errors
    /// As [`ReadError::of`].
    pub(super) fn open_file(&self, name: &str) -> Result<Option<OwnedFd>, ReadError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(gone_or(&self.path.join(name), error, Errno::NODEV)),
        }
    }

    /// As [`Dir::open_file`], for a file that every memory cgroup has.
    ///
    /// # Errors
    /// [`ReadError::Gone`] if the cgroup was removed, [`ReadError::Absent`] if it stands and the
    /// memory controller is not enabled in it.
    pub(super) fn require(&self, name: &str) -> Result<OwnedFd, ReadError> {
        self.open_file(name)?.ok_or_else(|| self.missing(name))
    }

    /// Why a file that every memory cgroup has is not there, as [`Dir::require`] says.
    pub(super) fn missing(&self, name: &str) -> ReadError {
        if self.path.exists() { ReadError::Absent(self.path.join(name)) } else { ReadError::Gone }
    }

    /// Reads one file and parses it; None if it is not there.
    ///
    /// # Errors
    /// As [`Dir::open_file`] and [`pread`]; [`ReadError::Malformed`] as `parse` says.
    pub(super) fn parse<T>(
        &self,
        name: &str,
        buf: &mut Vec<u8>,
        parse: impl Fn(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Option<T>, ReadError> {
        let Some(fd) = self.open_file(name)? else { return Ok(None) };
        let bytes = pread(&fd, buf, || self.path.join(name))?;
        parse(bytes)
            .map(Some)
            .map_err(|what| ReadError::Malformed { path: self.path.join(name), what })
    }

    /// # Errors
    /// As [`Dir::parse`].
    pub(super) fn limit(&self, name: &str, buf: &mut Vec<u8>) -> Result<Limit, ReadError> {
        Ok(self.parse(name, buf, stat::parse_limit)?.unwrap_or(Limit::Max))
    }

    /// # Errors
    /// As [`Dir::parse`].
    pub(super) fn bytes(&self, name: &str, buf: &mut Vec<u8>) -> Result<Option<Bytes>, ReadError> {
        Ok(self.parse(name, buf, stat::parse_number)?.map(Bytes))
    }
}

/// Reads a file that the kernel prints as one record, so all but lists of processes, from its start
/// into `buf`, which keeps its size for the next one. `path` is only asked for on an error.
///
/// # Errors
/// [`ReadError::Gone`] if the cgroup was removed: both versions then answer ENODEV on every file
/// that was kept open. Else as [`ReadError::of`].
#[inline]
pub(super) fn pread(
    fd: impl AsFd,
    buf: &mut Vec<u8>,
    path: impl Fn() -> PathBuf,
) -> Result<&[u8], ReadError> {
    if buf.len() < BUFFER_BYTES {
        buf.resize(BUFFER_BYTES, 0);
    }
    let mut filled = 0;
    loop {
        // The length stays under FILE_BYTES_MAX, so the offset fits.
        match rustix::io::pread(&fd, &mut buf[filled..], filled as u64) {
            Ok(n) => filled += n,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(gone_or(&path(), error, Errno::NODEV)),
        }
        // One record comes whole in one call unless the buffer was too small.
        if filled < buf.len() {
            return Ok(&buf[..filled]);
        }
        if filled >= FILE_BYTES_MAX {
            return Err(ReadError::of(&path(), std::io::ErrorKind::FileTooLarge.into()));
        }
        buf.resize(filled * 2, 0);
    }
}

fn gone_or(path: &Path, error: Errno, gone: Errno) -> ReadError {
    if error == gone { ReadError::Gone } else { ReadError::of(path, error.into()) }
}
