//! systemd's protocol for telling a service of memory pressure: a file to poll, named in
//! `MEMORY_PRESSURE_WATCH`, after writing into it what `MEMORY_PRESSURE_WRITE` holds in base64.
//!
//! Source: systemd.io/MEMORY_PRESSURE. It says that tasks wait, not how much is wanted. A FIFO into
//! which something is to be written may hand that back as a first alarm, where nobody else reads.

use rustix::event::PollFlags;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What is discarded at one alarm at most.
const DISCARDED_BYTES_MAX: usize = 64 << 10;

/// A trigger is a few numbers.
const WRITE_BYTES_MAX: usize = 4096;

/// An open watch.
#[derive(Debug)]
pub struct Watch {
    fd: OwnedFd,
    is_psi: bool,
}

/// What a poll of the watch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rang {
    No,
    Yes,
    /// The cgroup or the other end is gone: nothing more will come.
    Over,
}

impl Watch {
    /// Opens what the environment names. None: nothing, or `/dev/null`, which asks not to watch.
    ///
    /// # Errors
    /// What is named cannot be opened, or is neither a regular file, a FIFO nor a unix socket.
    pub fn from_env() -> io::Result<Option<Self>> {
        let value = std::env::var_os;
        Self::from_values(
            value("MEMORY_PRESSURE_WATCH").as_deref(),
            value("MEMORY_PRESSURE_WRITE").as_deref(),
        )
    }

    /// As [`Watch::from_env`], of the values of the two variables.
    ///
    /// # Errors
    /// As [`Watch::from_env`].
    pub fn from_values(watch: Option<&OsStr>, write: Option<&OsStr>) -> io::Result<Option<Self>> {
        let Some(path) = watch.filter(|path| !path.is_empty() && *path != "/dev/null") else {
            return Ok(None);
        };
        let write = match write {
            Some(text) => base64(text.as_encoded_bytes()).ok_or(io::ErrorKind::InvalidData)?,
            None => Vec::new(),
        };
        Self::open(Path::new(path), &write).map(Some)
    }

    /// Opens a watch and writes `trigger` into it.
    ///
    /// # Errors
    /// As [`Watch::from_env`].
    pub fn open(path: &Path, trigger: &[u8]) -> io::Result<Self> {
        let flags = OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let open = |access| rustix::fs::open(path, flags | access, Mode::empty());
        let kind = FileType::from_raw_mode(rustix::fs::stat(path)?.st_mode);
        let is_psi = kind == FileType::RegularFile;
        let fd = match kind {
            FileType::RegularFile if trigger.is_empty() => open(OFlags::RDONLY)?,
            // Held open for writing too, a FIFO does not end when a writer leaves.
            FileType::RegularFile | FileType::Fifo => open(OFlags::RDWR)?,
            FileType::Socket => {
                let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                let unix = AddressFamily::UNIX;
                let fd = rustix::net::socket_with(unix, SocketType::STREAM, flags, None)?;
                rustix::net::connect(&fd, &SocketAddrUnix::new(path)?)?;
                fd
            }
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        if !trigger.is_empty() && rustix::io::write(&fd, trigger)? < trigger.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(Self { fd, is_psi })
    }

    pub(crate) const fn interest(&self) -> PollFlags {
        if self.is_psi { PollFlags::PRI } else { PollFlags::IN }
    }

    /// Takes in what poll has said.
    pub(crate) fn take(&self, polled: PollFlags) -> Rang {
        if polled.intersects(PollFlags::ERR | PollFlags::NVAL) {
            return Rang::Over;
        }
        if self.is_psi {
            return if polled.contains(PollFlags::PRI) { Rang::Yes } else { Rang::No };
        }
        if !polled.intersects(PollFlags::IN | PollFlags::HUP) {
            return Rang::No;
        }
        let mut rang = Rang::No;
        let mut buffer = [0; 4096];
        for _ in 0..DISCARDED_BYTES_MAX / buffer.len() {
            match rustix::io::read(&self.fd, &mut buffer) {
                Ok(0) => return Rang::Over,
                Ok(_) => rang = Rang::Yes,
                Err(Errno::AGAIN | Errno::INTR) => return rang,
                Err(_) => return Rang::Over,
            }
        }
        rang
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Source: RFC 4648, section 4. None: characters of another alphabet, or a wrong length.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if !text.len().is_multiple_of(4) || text.len() > WRITE_BYTES_MAX {
        return None;
    }
    let padding = text.iter().rev().take(2).take_while(|&&byte| byte == b'=').count();
    let digits = &text[..text.len() - padding];
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in digits {
        let value = ALPHABET.iter().position(|byte| byte == digit)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0x3fff;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
