//! The socket and its one thread. One line is asked on a connection and one is answered; whoever
//! takes longer than a second, sends more than a line's length, or is neither root nor of the same
//! user is cut off.

use crate::answer::{Answer, Ask, VERSION};
use crate::{jemalloc, place};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs::DirBuilder;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A request is far shorter.
const ASK_BYTES_MAX: usize = 1024;
/// For the request and again for the answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Entries of the directory that are looked at for dead sockets.
const ENTRIES_MAX: usize = 256;
/// What an application may call itself.
const NAME_CHARS_MAX: usize = 64;

/// Why there is no probe. The application runs on without one.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{path}: {what}")]
    Io { path: PathBuf, what: io::Error },
    #[error("no directory for the probe's socket can be used: {0}")]
    Nowhere(String),
}

/// A socket that answers as long as this is kept.
#[derive(Debug)]
pub struct Probe {
    path: PathBuf,
    /// Device and inode, by which it is known whether the socket there is still this one.
    file: (u64, u64),
    /// Closed to end the thread.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Probe {
    /// Answers under `name` at the first of the conventional places that can be used.
    ///
    /// # Errors
    /// [`StartError`]; there is nothing an application has to do about it.
    pub fn start(name: &str) -> Result<Self, StartError> {
        let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let uid = rustix::process::geteuid().as_raw();
        let mut failed = Vec::new();
        for path in place::paths(std::process::id(), uid, runtime_dir.as_deref()) {
            match Self::start_at(name, &path) {
                Ok(probe) => return Ok(probe),
                Err(error) => failed.push(error.to_string()),
            }
        }
        Err(StartError::Nowhere(failed.join("; ")))
    }

    /// Answers under `name` at `path`. A socket that is there already is replaced: the name holds
    /// the pid, so whoever made it is gone.
    ///
    /// # Errors
    /// [`StartError::Io`] with the path.
    pub fn start_at(name: &str, path: &Path) -> Result<Self, StartError> {
        let of = |what: io::Error| StartError::Io { path: path.to_owned(), what };
        let dir = path.parent().unwrap_or(Path::new("/"));
        prepare(dir).map_err(|what| StartError::Io { path: dir.to_owned(), what })?;
        if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
            std::fs::remove_file(path).map_err(of)?;
        }
        remove_dead(dir);
        let listener = UnixListener::bind(path).map_err(of)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(of)?;
        listener.set_nonblocking(true).map_err(of)?;
        let meta = std::fs::symlink_metadata(path).map_err(of)?;
        let (stop, stopped) = UnixStream::pair().map_err(of)?;
        let service = Service {
            name: name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect(),
            dir: dir.to_owned(),
            uid: rustix::process::geteuid().as_raw(),
        };
        let thread = std::thread::Builder::new()
            .name("plimsoll-probe".to_owned())
            .spawn(move || service.run(&listener, &stopped))
            .map_err(of)?;
        Ok(Self {
            path: path.to_owned(),
            file: (meta.dev(), meta.ino()),
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ended, or it panicked: both is the end of it.
            let _ = thread.join();
        }
        let is_ours = |meta: std::fs::Metadata| (meta.dev(), meta.ino()) == self.file;
        if std::fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Makes the directory. The system's is for all users, each of whom may only remove what is its own.
fn prepare(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    let is_root = rustix::process::geteuid().is_root();
    let mode = if is_root { 0o1777 } else { 0o700 };
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode))
}

/// Removes sockets that killed processes of this user have left behind: nobody listens there.
fn remove_dead(dir: &Path) {
    let own = rustix::process::geteuid().as_raw();
    let entries = std::fs::read_dir(dir).into_iter().flatten().take(ENTRIES_MAX);
    for entry in entries.filter_map(Result::ok) {
        let is_own = entry.metadata().is_ok_and(|m| m.file_type().is_socket() && m.uid() == own);
        let path = entry.path();
        let is_ours = is_own && path.extension().is_some_and(|extension| extension == "sock");
        if is_ours && knock(&path) == Err(Errno::CONNREFUSED) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Connects without waiting for whoever may listen there.
fn knock(path: &Path) -> rustix::io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    net::connect(&socket, &SocketAddrUnix::new(path)?)
}

struct Service {
    name: String,
    dir: PathBuf,
    uid: u32,
}

impl Service {
    fn run(&self, listener: &UnixListener, stopped: &UnixStream) {
        loop {
            let mut fds = [
                PollFd::new(listener, PollFlags::IN),
                PollFd::new(stopped, PollFlags::IN | PollFlags::HUP),
            ];
            match rustix::event::poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            if !fds[1].revents().is_empty() {
                return;
            }
            if let Ok((stream, _)) = listener.accept() {
                // A peer that went away is no concern of the next.
                let _ = self.serve(&stream);
            }
        }
    }

    fn serve(&self, mut stream: &UnixStream) -> io::Result<()> {
        let peer = net::sockopt::socket_peercred(stream)?.uid.as_raw();
        if peer != 0 && peer != self.uid {
            return Ok(());
        }
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let Some(line) = line_of(stream)? else { return Ok(()) };
        let mut answer = serde_json::to_vec(&self.answer(&line))?;
        answer.push(b'\n');
        stream.write_all(&answer)
    }

    fn answer(&self, line: &[u8]) -> Answer {
        let name = self.name.clone();
        let mut answer = Answer { v: VERSION, name, pid: std::process::id(), ..Answer::default() };
        let said = match serde_json::from_slice::<Ask>(line) {
            Err(_) => Err("the request is no line of this protocol".to_owned()),
            Ok(ask) if ask.v != VERSION => {
                Err(format!("version {} is not spoken here, {VERSION} is", ask.v))
            }
            Ok(ask) => match ask.ask.as_str() {
                "stats" => jemalloc::stats().map(|stats| answer.stats = Some(stats)),
                "heap_profile" => {
                    jemalloc::profile(&self.dir).map(|profile| answer.heap_profile = Some(profile))
                }
                _ => Err("stats and heap_profile can be asked for".to_owned()),
            },
        };
        answer.error = said.err();
        answer
    }
}

/// The request without its end of line, None if it is too long or the peer closes before its end.
fn line_of(mut stream: &UnixStream) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + PATIENCE;
    let mut line = Vec::new();
    let mut piece = [0; 256];
    while line.len() < ASK_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        let count = stream.read(&mut piece)?;
        line.extend_from_slice(&piece[..count]);
        if let Some(end) = line.iter().position(|&byte| byte == b'\n') {
            line.truncate(end);
            return Ok(Some(line));
        }
        if count == 0 {
            return Ok(None);
        }
    }
    Ok(None)
}
