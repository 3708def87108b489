//! The readings that can block: the command line and `smaps_rollup`.
//!
//! Both take the target's mmap_lock. They wait while the target holds it, for example in a long
//! munmap or stuck on a dead network mount, and the target waits while `smaps_rollup` holds it. So
//! they are called from the deep-reader thread only, never from the sampler, and `smaps_rollup`
//! only if [`super::predicted_stall`] is within the budget.

use super::cmdline::{self, Redactor};
use super::pid_dir::PidDir;
use super::smaps::{self, Mappings};
use super::smaps_rollup::{self, SmapsRollup};
use crate::sources::{ReadError, Roots};
use crate::target::ProcessId;

const SMAPS_ROLLUP_MAX: usize = 64 * 1024;
/// Some 6,000 mappings; a process with more is summed by `smaps_rollup` only.
const SMAPS_MAX: usize = 4 * 1024 * 1024;

/// Reads the command line of the process `id`, redacted. Empty for kernel threads and zombies.
///
/// Cost: 12 µs; may block, see above.
///
/// # Errors
/// [`ReadError::Gone`] if the process ended, even if another has its pid now.
pub fn read_cmdline(
    roots: &Roots,
    id: ProcessId,
    redactor: &Redactor,
) -> Result<String, ReadError> {
    let (dir, _) = PidDir::open_same(roots, id)?;
    // One byte more than is shown tells the redactor that the rest is cut off.
    let bytes = dir.read_head(c"cmdline", cmdline::CMDLINE_MAX + 1)?;
    Ok(redactor.redact(&bytes))
}

/// [`read_cmdline`], as one text for each argument.
///
/// # Errors
/// As [`read_cmdline`].
pub fn read_arguments(
    roots: &Roots,
    id: ProcessId,
    redactor: &Redactor,
) -> Result<Vec<String>, ReadError> {
    let (dir, _) = PidDir::open_same(roots, id)?;
    let bytes = dir.read_head(c"cmdline", cmdline::CMDLINE_MAX + 1)?;
    Ok(redactor.redact_list(&bytes))
}

/// Reads `smaps_rollup` of the process `id`.
///
/// Cost: 27 µs for a small process, and 2.6 ms per GiB of resident memory, during which the target
/// may wait; see [`super::predicted_stall`].
///
/// # Errors
/// [`ReadError::Gone`] if the process ended; [`ReadError::Denied`] for processes of others without
/// CAP_SYS_PTRACE; [`ReadError::Absent`] for kernel threads and before Linux 4.14.
pub fn read_smaps_rollup(roots: &Roots, id: ProcessId) -> Result<SmapsRollup, ReadError> {
    let (dir, _) = PidDir::open_same(roots, id)?;
    let bytes = dir.read_whole(c"smaps_rollup", SMAPS_ROLLUP_MAX)?;
    smaps_rollup::parse(&bytes).map_err(|what| dir.malformed(c"smaps_rollup", what))
}

/// Reads `smaps` of the process `id`: its resident memory by kind of mapping, and the sums.
///
/// Cost: that of `smaps_rollup` and about 2 µs for each mapping.
///
/// # Errors
/// As [`read_smaps_rollup`]; an `Io` error of kind `FileTooLarge` beyond 4 MiB of text.
pub fn read_smaps(roots: &Roots, id: ProcessId) -> Result<(Mappings, SmapsRollup), ReadError> {
    let (dir, _) = PidDir::open_same(roots, id)?;
    let bytes = dir.read_pieces(c"smaps", SMAPS_MAX)?;
    smaps::parse(&bytes).map_err(|what| dir.malformed(c"smaps", what))
}
