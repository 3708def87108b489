//! Which process is read: a pid alone could turn to another process between two readings.
//!
//! All files are opened below a kept descriptor of `/proc/PID`, which never refers to another
//! process; where the kernel takes a number instead, [`Opened::check`] is asked before what was
//! read is believed. Refuses what has no memory of its own, or whose memory this process may not
//! read.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use crate::Refusal;

mod lock;
pub mod stat;

use stat::{Stat, Status};

/// One life of one process. Units: `start_time` in clock ticks since boot, field 22 of
/// `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    pub pid: u32,
    pub start_time: u64,
}

/// The longest text of the kernel that is taken: `maps` of half a million mappings.
const TEXT_BYTES_MAX: u64 = 64 << 20;
/// How long somebody else may hold the lock of the target's mappings before it is given up.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// A process that can be read.
#[derive(Debug)]
pub struct Opened {
    target: Target,
    /// `/proc/PID`.
    dir: OwnedFd,
    path: PathBuf,
    /// Of the program it ran when it was opened: another one has another stack.
    stack: u64,
    pub status: Status,
    /// 64-bit words; without, only its mappings can be read.
    pub is_64_bit: bool,
    /// The pid means the same process to this one's own system calls.
    pub same_namespace: bool,
}

impl Opened {
    /// Opens the process that has `pid` now.
    ///
    /// # Errors
    /// [`Refusal`], in words that say what to do.
    pub fn open(pid: u32) -> Result<Self, Refusal> {
        Self::open_in(Path::new("/proc"), pid)
    }

    /// Opens the process that has `pid` in the pid namespace of this `/proc`.
    ///
    /// # Errors
    /// [`Refusal`], in words that say what to do.
    pub fn open_in(proc_root: &Path, pid: u32) -> Result<Self, Refusal> {
        let path = proc_root.join(pid.to_string());
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(&path, flags, Mode::empty()).map_err(|errno| {
            let source = std::io::Error::from(errno);
            match source.kind() {
                std::io::ErrorKind::NotFound => Refusal::Gone { pid },
                _ => Refusal::Io { path: path.display().to_string(), source },
            }
        })?;
        let stat = read_stat(&dir, pid)?;
        refuse_lifeless(pid, &stat)?;
        let target = Target { pid, start_time: stat.start_time };
        let own = rustix::process::getpid().as_raw_nonzero().to_string();
        let same_namespace =
            std::fs::read_link(proc_root.join("self")).is_ok_and(|link| link == Path::new(&own));
        let stack = stat.start_stack;
        let status = Status::default();
        let mut opened = Self { target, dir, path, stack, status, is_64_bit: true, same_namespace };
        opened.status = Status::parse(&opened.text("status")?);
        opened.refuse_unreadable()?;
        opened.is_64_bit = opened.has_64_bit_words();
        Ok(opened)
    }

    /// Opens one life of a process, and no later one that has the same pid.
    ///
    /// # Errors
    /// [`Refusal::Gone`] if that life has ended; otherwise as [`Opened::open`].
    pub fn open_life(target: Target) -> Result<Self, Refusal> {
        let opened = Self::open(target.pid)?;
        if opened.target == target { Ok(opened) } else { Err(Refusal::Gone { pid: target.pid }) }
    }

    #[must_use]
    pub const fn target(&self) -> Target {
        self.target
    }

    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.target.pid
    }

    /// `/proc/PID`, for messages and for what takes no descriptor.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file below `/proc/PID`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn file(&self, name: &str) -> std::io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        Ok(File::from(rustix::fs::openat(&self.dir, name, flags, Mode::empty())?))
    }

    /// Reads a file below `/proc/PID` whole.
    ///
    /// # Errors
    /// [`Refusal::Gone`], [`Refusal::Denied`] or [`Refusal::Io`].
    pub fn text(&self, name: &str) -> Result<Vec<u8>, Refusal> {
        let mut text = Vec::new();
        self.file(name)
            .and_then(|file| file.take(TEXT_BYTES_MAX).read_to_end(&mut text))
            .map_err(|source| self.refusal(name, source))?;
        Ok(text)
    }

    /// Where a link below `/proc/PID` points, such as `exe`. None where it may not be read.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<String> {
        let target = rustix::fs::readlinkat(&self.dir, name, Vec::new()).ok()?;
        Some(String::from_utf8_lossy(target.as_bytes()).into_owned())
    }

    /// Says whether it is still the same life of the same process, running the same program. What
    /// was read before this succeeds was the target's.
    ///
    /// # Errors
    /// [`Refusal::Gone`], [`Refusal::Zombie`], or [`Refusal::Unavailable`] after an exec.
    pub fn check(&self) -> Result<(), Refusal> {
        let stat = read_stat(&self.dir, self.pid())?;
        refuse_lifeless(self.pid(), &stat)?;
        if stat.start_time != self.target.start_time {
            return Err(Refusal::Gone { pid: self.pid() });
        }
        if stat.start_stack != self.stack {
            let why = "the process began to run another program meanwhile".to_owned();
            return Err(Refusal::Unavailable { what: "a report", why });
        }
        Ok(())
    }

    fn refusal(&self, name: &str, source: std::io::Error) -> Refusal {
        match source.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::SRCH | rustix::io::Errno::NOENT) => {
                Refusal::Gone { pid: self.pid() }
            }
            Some(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => {
                Refusal::Denied { pid: self.pid(), why: self.why_denied() }
            }
            _ => Refusal::Io { path: self.path.join(name).display().to_string(), source },
        }
    }

    /// Neither opening nor reading needs more than what is tried here.
    fn refuse_unreadable(&self) -> Result<(), Refusal> {
        let maps = self.file("maps").map_err(|source| self.refusal("maps", source))?;
        let first = lock::first_bytes_within(maps, LOCK_WAIT)?;
        match first {
            Ok(0) => {
                // The memory goes before the process does.
                self.check()?;
                Err(Refusal::Gone { pid: self.pid() })
            }
            Ok(_) => Ok(()),
            Err(source) => Err(self.refusal("maps", source)),
        }
    }

    /// What would have to be otherwise for this process to be read.
    #[must_use]
    pub fn why_denied(&self) -> String {
        let own = rustix::process::geteuid().as_raw();
        let theirs = self.status.uid.unwrap_or(own);
        if own != theirs && own != 0 {
            return format!(
                "it belongs to user {theirs} and this is user {own}; CAP_SYS_PTRACE is needed, or \
                 to run as that user"
            );
        }
        let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
        match scope.as_deref().map(str::trim) {
            Ok(scope @ ("1" | "2" | "3")) => {
                format!("kernel.yama.ptrace_scope is {scope}; CAP_SYS_PTRACE is needed, or scope 0")
            }
            _ => "it is not dumpable, has more capabilities or is in another user namespace; \
                  CAP_SYS_PTRACE in its user namespace is needed"
                .to_owned(),
        }
    }

    /// By the ELF class of the program; true where that cannot be told.
    fn has_64_bit_words(&self) -> bool {
        const CLASS_32: u8 = 1;
        let mut head = [0; 5];
        let read = self.file("exe").and_then(|mut exe| exe.read_exact(&mut head));
        read.is_err() || !head.starts_with(b"\x7fELF") || head[4] != CLASS_32
    }
}

fn read_stat(dir: &OwnedFd, pid: u32) -> Result<Stat, Refusal> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut text = Vec::new();
    let read = rustix::fs::openat(dir, "stat", flags, Mode::empty())
        .map_err(std::io::Error::from)
        .and_then(|stat| File::from(stat).read_to_end(&mut text));
    // Of a process that has ended both say that there is no such process.
    read.map_err(|_| Refusal::Gone { pid })?;
    Stat::parse(&text).ok_or(Refusal::Gone { pid })
}

const fn refuse_lifeless(pid: u32, stat: &Stat) -> Result<(), Refusal> {
    match stat.state {
        b'Z' => Err(Refusal::Zombie { pid }),
        b'X' | b'x' => Err(Refusal::Gone { pid }),
        _ if stat.is_kernel_thread() => Err(Refusal::KernelThread { pid }),
        _ if stat.is_exiting() => Err(Refusal::Gone { pid }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
