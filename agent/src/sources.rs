//! Where readings come from. In every source `parse` takes bytes and `read` does the IO; a key that
//! this kernel lacks is `None`; something that vanished while it was read is [`ReadError::Gone`].

pub mod bpf;
pub mod cgroup;
pub mod connector;
pub mod node;
pub mod oom;
pub mod process;
pub mod psi;

use std::io;
use std::path::{Path, PathBuf};

/// Where `/proc` and `/sys` are mounted; `/host/proc` and `/host/sys` in a container.
#[derive(Clone, Debug)]
pub struct Roots {
    pub proc: PathBuf,
    pub sys: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into() }
    }
}

/// Foreign bytes that did not have the expected form.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: cannot read '{text}' as {expected}")]
pub struct Malformed {
    /// 1-based.
    pub line: usize,
    /// The offending text, cut at 80 bytes, control characters escaped.
    pub text: String,
    pub expected: &'static str,
}

impl Malformed {
    #[must_use]
    pub fn new(line: usize, text: &[u8], expected: &'static str) -> Self {
        let text = &text[..text.len().min(80)];
        Self { line, text: text.escape_ascii().to_string(), expected }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The process or cgroup ended while it was read. Not a failure.
    #[error("gone")]
    Gone,
    #[error("{path}: not allowed ({what})")]
    Denied { path: PathBuf, what: io::Error },
    /// This kernel or mount does not have the file.
    #[error("{0}: not there")]
    Absent(PathBuf),
    #[error("{path}: {what}")]
    Malformed { path: PathBuf, what: Malformed },
    #[error("{path}: {what}")]
    Io { path: PathBuf, what: io::Error },
}

impl ReadError {
    /// Sorts an IO error on `path`: ESRCH is [`ReadError::Gone`]; ENOENT and ENODEV are
    /// [`ReadError::Absent`]; EACCES and EPERM are [`ReadError::Denied`].
    #[must_use]
    pub fn of(path: &Path, what: io::Error) -> Self {
        let path = path.to_owned();
        match what.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::SRCH) => Self::Gone,
            Some(rustix::io::Errno::NOENT | rustix::io::Errno::NODEV) => Self::Absent(path),
            Some(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => {
                Self::Denied { path, what }
            }
            _ => Self::Io { path, what },
        }
    }
}

/// Reads a whole file of at most `max` bytes. Kernel files report no size, so the bound matters.
///
/// # Errors
/// As [`ReadError::of`]; a longer file is an `Io` error of kind `FileTooLarge`.
pub fn read_bounded(path: &Path, max: usize) -> Result<Vec<u8>, ReadError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| ReadError::of(path, e))?;
    file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(|e| ReadError::of(path, e))?;
    if bytes.len() > max {
        return Err(ReadError::of(path, io::ErrorKind::FileTooLarge.into()));
    }
    Ok(bytes)
}

/// Reads a whole file of at most `max` bytes and parses it.
///
/// # Errors
/// As [`read_bounded`]; [`ReadError::Malformed`] with the path where `parse` fails.
pub fn read_parsed<T>(
    path: &Path,
    max: usize,
    parse: impl FnOnce(&[u8]) -> Result<T, Malformed>,
) -> Result<T, ReadError> {
    let bytes = read_bounded(path, max)?;
    parse(&bytes).map_err(|what| ReadError::Malformed { path: path.to_owned(), what })
}
