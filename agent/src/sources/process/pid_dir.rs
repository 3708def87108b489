//! An open `/proc/PID`, below which the other readers read.
//!
//! The descriptor is bound to the process and not to the number: once the process is reaped every
//! access below it fails, even if a new process has the pid. Opened with O_PATH, which asks for no
//! more right than to search the directory.

use super::stat::{self, Stat};
use crate::sources::{Malformed, ReadError, Roots};
use crate::target::ProcessId;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::ffi::CStr;
use std::io;
use std::path::{Path, PathBuf};

/// `stat` has 52 fields of at most 20 digits, and a name of at most 64 bytes.
pub(super) const STAT_MAX: usize = 2048;

/// What most files need; a longer one costs further reads.
const CHUNK: usize = 4096;

pub(super) struct PidDir {
    fd: OwnedFd,
    path: PathBuf,
}

impl PidDir {
    /// Opens `/proc/PID` of whichever process has the pid now.
    pub(super) fn open(roots: &Roots, pid: u32) -> Result<Self, ReadError> {
        let path = roots.proc.join(pid.to_string());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(CWD, &path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path }),
            Err(Errno::NOENT) => Err(ReadError::Gone),
            Err(errno) => Err(ReadError::of(&path, errno.into())),
        }
    }

    /// Opens `/proc/PID` if it still is the process `id`, and gives its `stat` as well.
    pub(super) fn open_same(roots: &Roots, id: ProcessId) -> Result<(Self, Stat), ReadError> {
        let dir = Self::open(roots, id.pid)?;
        let stat = dir.stat()?;
        if stat.starttime == id.start_time { Ok((dir, stat)) } else { Err(ReadError::Gone) }
    }

    pub(super) fn stat(&self) -> Result<Stat, ReadError> {
        let mut buffer = [0; STAT_MAX];
        let bytes = self.read_once(c"stat", &mut buffer)?;
        stat::parse(bytes).map_err(|what| self.malformed(c"stat", what))
    }

    /// Reads a file that is known to fit into `buffer`.
    pub(super) fn read_once<'b>(
        &self,
        name: &CStr,
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], ReadError> {
        let read = self.try_open(name).and_then(|fd| rustix::io::read(fd, &mut *buffer));
        match read {
            Ok(length) => Ok(&buffer[..length]),
            Err(errno) => Err(self.error(name, errno)),
        }
    }

    /// Reads the first `max` bytes of a file.
    ///
    /// The files of `/proc/PID` give all they have to a read that has room for it, so a read that
    /// leaves room was the last.
    pub(super) fn read_head(&self, name: &CStr, max: usize) -> Result<Vec<u8>, ReadError> {
        let error = |errno| self.error(name, errno);
        let fd = self.try_open(name).map_err(error)?;
        let mut bytes = Vec::with_capacity(CHUNK);
        loop {
            let spare = rustix::buffer::spare_capacity(&mut bytes);
            rustix::io::read(&fd, spare).map_err(error)?;
            if bytes.len() < bytes.capacity() || bytes.len() >= max {
                bytes.truncate(max);
                return Ok(bytes);
            }
            bytes.reserve(CHUNK);
        }
    }

    /// Reads a whole file of at most `max` bytes.
    pub(super) fn read_whole(&self, name: &CStr, max: usize) -> Result<Vec<u8>, ReadError> {
        let bytes = self.read_head(name, max + 1)?;
        if bytes.len() > max {
            let what = io::ErrorKind::FileTooLarge.into();
            return Err(ReadError::Io { path: self.path_of(name), what });
        }
        Ok(bytes)
    }

    /// Reads a whole file of at most `max` bytes that comes in pieces, as `smaps` does: the kernel
    /// gives out as many mappings as fit into its own buffer, whatever the room.
    pub(super) fn read_pieces(&self, name: &CStr, max: usize) -> Result<Vec<u8>, ReadError> {
        let error = |errno| self.error(name, errno);
        let fd = self.try_open(name).map_err(error)?;
        let mut bytes = Vec::with_capacity(CHUNK);
        loop {
            if bytes.capacity() - bytes.len() < CHUNK / 2 {
                bytes.reserve(CHUNK.max(bytes.len()));
            }
            let spare = rustix::buffer::spare_capacity(&mut bytes);
            if rustix::io::read(&fd, spare).map_err(error)? == 0 {
                return Ok(bytes);
            }
            if bytes.len() > max {
                let what = io::ErrorKind::FileTooLarge.into();
                return Err(ReadError::Io { path: self.path_of(name), what });
            }
        }
    }

    pub(super) fn open_file(&self, name: &CStr) -> Result<OwnedFd, ReadError> {
        self.try_open(name).map_err(|errno| self.error(name, errno))
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Sorts an error on the file `name`.
    ///
    /// ENOENT and ESRCH mean either that the process has ended or that this one has no such file,
    /// for example a kernel thread no mappings: its `stat` tells which.
    pub(super) fn error(&self, name: &CStr, errno: Errno) -> ReadError {
        match errno {
            Errno::NOENT | Errno::SRCH if self.is_alive() => ReadError::Absent(self.path_of(name)),
            Errno::NOENT | Errno::SRCH => ReadError::Gone,
            other => ReadError::of(&self.path_of(name), other.into()),
        }
    }

    pub(super) fn malformed(&self, name: &CStr, what: Malformed) -> ReadError {
        ReadError::Malformed { path: self.path_of(name), what }
    }

    fn is_alive(&self) -> bool {
        let mut buffer = [0; STAT_MAX];
        let length = self.try_open(c"stat").and_then(|fd| rustix::io::read(fd, &mut buffer));
        let stat = length.ok().and_then(|length| stat::parse(&buffer[..length]).ok());
        stat.is_some_and(|stat| !stat.is_dead())
    }

    fn try_open(&self, name: &CStr) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.fd, name, flags, Mode::empty())
    }

    fn path_of(&self, name: &CStr) -> PathBuf {
        self.path.join(Path::new(&*name.to_string_lossy()))
    }
}
