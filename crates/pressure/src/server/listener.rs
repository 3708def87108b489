//! The socket's place in the file system: made, taken over from a dead agent, removed.
//!
//! A lock file beside it keeps two agents that start at once from taking it from each other; a
//! socket that answers is never touched, whoever it belongs to.

use rustix::fs::{FlockOperation, Mode};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Connections that wait to be taken.
const BACKLOG: i32 = 64;

const DIRECTORY_MODE: u32 = 0o755;

/// Why there is no listening.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{0}: another agent answers there; stop it or choose another pressure socket")]
    Answered(PathBuf),
    #[error("{0}: is no socket; remove it or choose another pressure socket")]
    NoSocket(PathBuf),
    #[error("{path}: {what}")]
    Io { path: PathBuf, what: io::Error },
}

#[derive(Debug)]
pub struct Listener {
    pub socket: UnixListener,
    path: PathBuf,
    mode: u32,
    gid: Option<u32>,
    /// Device and inode, by which it is known whether the socket there is still this one.
    file: (u64, u64),
    lock: File,
}

impl Listener {
    pub fn bind(path: &Path, mode: u32, gid: Option<u32>) -> Result<Self, BindError> {
        let lock = take(path)?;
        let (socket, file) = listen(path, mode, gid)?;
        Ok(Self { socket, path: path.to_owned(), mode, gid, file, lock })
    }

    /// Listens at its place again after somebody removed the socket there. What has connected
    /// stays; what stands there now and lives is left alone.
    pub fn renew(&mut self) -> Result<(), BindError> {
        // With the directory the lock may be gone as well; then it is a new one that counts.
        if self.is_lock_in_place() {
            remove_dead(&self.path)?;
        } else {
            self.lock = take(&self.path)?;
        }
        (self.socket, self.file) = listen(&self.path, self.mode, self.gid)?;
        Ok(())
    }

    fn is_lock_in_place(&self) -> bool {
        let file = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        let there = std::fs::metadata(lock_path(&self.path)).ok().map(file);
        there.is_some() && there == self.lock.metadata().ok().map(file)
    }
}

/// Makes the directory, takes the lock, and clears the place of what is dead.
fn take(path: &Path) -> Result<File, BindError> {
    if let Some(dir) = path.parent().filter(|dir| !dir.exists()) {
        make(dir).map_err(|what| BindError::Io { path: dir.to_owned(), what })?;
    }
    let lock = lock(path)?;
    remove_dead(path)?;
    Ok(lock)
}

fn listen(
    path: &Path,
    mode: u32,
    gid: Option<u32>,
) -> Result<(UnixListener, (u64, u64)), BindError> {
    let of = |what: io::Error| BindError::Io { path: path.to_owned(), what };
    let fd = socket().map_err(|errno| of(errno.into()))?;
    let bound = bind(&fd, path, mode, gid).and_then(|()| std::fs::metadata(path));
    let meta = bound.map_err(of)?;
    Ok((UnixListener::from(fd), (meta.dev(), meta.ino())))
}

impl Listener {
    /// Whether newcomers still find this one at its place.
    pub fn is_in_place(&self) -> bool {
        let is_ours = |meta: std::fs::Metadata| (meta.dev(), meta.ino()) == self.file;
        std::fs::metadata(&self.path).is_ok_and(is_ours)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.is_in_place() {
            // Should it fail, the next agent finds a socket that does not answer.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// With the mode it is to have, whatever the mask of this process: others have to get through.
fn make(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(dir)?;
    Ok(rustix::fs::chmod(dir, Mode::from_raw_mode(DIRECTORY_MODE))?)
}

fn socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// Nobody can connect before mode and owner are what they are to be: it listens last.
fn bind(fd: &OwnedFd, path: &Path, mode: u32, gid: Option<u32>) -> io::Result<()> {
    rustix::net::bind(fd, &SocketAddrUnix::new(path)?)?;
    if gid.is_some() {
        std::os::unix::fs::chown(path, None, gid)?;
    }
    rustix::fs::chmod(path, Mode::from_raw_mode(mode))?;
    Ok(rustix::net::listen(fd, BACKLOG)?)
}

/// Held for as long as the socket is; the file stays, because removing it would free the lock of
/// one who has it open.
fn lock(path: &Path) -> Result<File, BindError> {
    let lock_path = lock_path(path);
    let of = |what: io::Error| BindError::Io { path: lock_path.clone(), what };
    let mut options = File::options();
    // Who may open it may lock it, and keep the next agent out.
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(&lock_path);
    let file = file.map_err(of)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(BindError::Answered(path.to_owned())),
        Err(errno) => Err(of(errno.into())),
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Removes a socket to which nobody listens.
fn remove_dead(path: &Path) -> Result<(), BindError> {
    let of = |what: io::Error| BindError::Io { path: path.to_owned(), what };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(of(error)),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(BindError::NoSocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    let probe = socket().and_then(|fd| rustix::net::connect(&fd, &SocketAddrUnix::new(path)?));
    match probe {
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path).map_err(of),
        // EAGAIN: it is there and has more to do than it can.
        Ok(()) | Err(Errno::AGAIN) => Err(BindError::Answered(path.to_owned())),
        Err(errno) => Err(of(errno.into())),
    }
}

#[cfg(test)]
mod tests;
