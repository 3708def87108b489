//! The mappings of a process: what is where, whose it is, and which of its pages are there.

use std::ops::Range;

use thiserror::Error;

pub mod parse;
pub mod read;
pub mod residency;
pub mod smaps;
pub mod split;

pub use residency::Residency;

/// A line of `/proc/PID/maps`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    pub start: u64,
    pub end: u64,
    pub readable: bool,
    pub writable: bool,
    pub executable: bool,
    pub shared: bool,
    pub offset: u64,
    /// Major and minor number of the file's device.
    pub device: (u32, u32),
    pub inode: u64,
    /// As the kernel prints it: a path, `[heap]`, or empty for anonymous memory.
    pub name: String,
}

impl Mapping {
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.end - self.start
    }

    #[must_use]
    pub const fn range(&self) -> Range<u64> {
        self.start..self.end
    }

    #[must_use]
    pub const fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// Private memory without a file behind it, `[heap]` and named anonymous memory included.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.inode == 0
            && !self.shared
            && (self.name.is_empty() || self.name == "[heap]" || self.name.starts_with("[anon"))
    }

    /// Pages of tmpfs, a memfd or System V shared memory.
    #[must_use]
    pub fn is_shmem(&self) -> bool {
        const PREFIXES: [&str; 5] = ["/dev/shm/", "/memfd:", "/SYSV", "/dev/zero", "[anon_shmem"];
        PREFIXES.iter().any(|prefix| self.name.starts_with(prefix))
    }
}

/// The mapping that holds `address`, of mappings sorted as the kernel gives them.
#[must_use]
pub fn holding(mappings: &[Mapping], address: u64) -> Option<&Mapping> {
    let after = mappings.partition_point(|mapping| mapping.end <= address);
    mappings.get(after).filter(|mapping| mapping.contains(address))
}

/// A text of the kernel that is not as it should be.
#[derive(Debug, Error)]
#[error("{file} line {line}: {expected} expected, not '{text}'")]
pub struct Malformed {
    pub file: &'static str,
    pub line: usize,
    pub expected: &'static str,
    pub text: String,
}
