//! A file of the kernel that is read over and over, and opened once.
//!
//! To open a file takes memory of the kernel, which is charged to whoever opens it. In a cgroup at
//! its limit that is enough to call the kernel's killer; and for as long as the victim's memory is
//! being taken down the killer no longer sees the victim, and takes the next: us. To read what is
//! open already, into a buffer that the kernel keeps with it, charges nothing.
//!
//! Refuses to wait for files that appear later: what is not there when it is opened never is.

use super::FILE_BYTES_MAX;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

/// Room for a `memory.stat` of the kernels known, so that reading it grows no buffer.
const USUAL_BYTES: usize = 8 << 10;

/// One open file.
#[derive(Clone, Debug)]
pub(super) struct Kept(Arc<File>);

impl Kept {
    /// None: it cannot be opened. Read once, so that the kernel has its buffer from now on.
    pub(super) fn open(path: impl AsRef<Path>) -> Option<Self> {
        let kept = Self(Arc::new(File::open(path).ok()?));
        kept.read();
        Some(kept)
    }

    /// The whole text as it is now; None: it is gone, or longer than any such file.
    pub(super) fn read(&self) -> Option<String> {
        let mut bytes = vec![0; USUAL_BYTES];
        let mut length = 0;
        loop {
            if length == bytes.len() {
                if length as u64 >= FILE_BYTES_MAX {
                    return None;
                }
                bytes.resize(2 * length, 0);
            }
            match self.0.read_at(&mut bytes[length..], length as u64) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        bytes.truncate(length);
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_read_anew_each_time_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert!(Kept::open(&path).is_none());
        std::fs::write(&path, "one").unwrap();
        let kept = Kept::open(&path).unwrap();
        std::fs::write(&path, "a longer text").unwrap();
        assert_eq!(kept.read().as_deref(), Some("a longer text"));
        let long = "x".repeat(USUAL_BYTES + 1);
        std::fs::write(&path, &long).unwrap();
        assert_eq!(kept.read(), Some(long));
        std::fs::write(&path, "x".repeat(FILE_BYTES_MAX as usize + 1)).unwrap();
        assert_eq!(kept.read(), None);
    }

    #[test]
    fn the_kernels_own_files_are_read_anew_without_opening_them() {
        let kept = Kept::open("/proc/self/stat").unwrap();
        let times = || kept.read().unwrap();
        let before = times();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while times() == before {
            assert!(std::time::Instant::now() < deadline, "it never changes");
        }
    }
}
