//! Whether a file is still the one that was read.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Device, inode, time of change and length; None if the file is not there.
pub type Stamp = Option<[i128; 5]>;

/// What tells one state of a file from another, through symbolic links: a ConfigMap is swapped by
/// one.
#[must_use]
pub fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    let (device, inode) = (i128::from(file.dev()), i128::from(file.ino()));
    let (s, ns) = (i128::from(file.mtime()), i128::from(file.mtime_nsec()));
    Some([device, inode, s, ns, i128::from(file.len())])
}
