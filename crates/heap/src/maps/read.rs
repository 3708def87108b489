//! Reads what `parse` and [`Residency`] understand, below a kept `/proc/PID`.

use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::residency::PAGE_BYTES;
use super::{Mapping, Residency, parse};
use crate::Refusal;
use crate::target::Opened;

/// Entries of pagemap in one read: 512 KiB of them for 256 MiB of memory.
const ENTRIES_MAX: usize = 64 * 1024;
const ENTRY_BYTES: usize = 8;

/// The target's mappings, by address.
///
/// # Errors
/// [`Refusal`], also for text that is not the kernel's.
pub fn mappings(opened: &Opened) -> Result<Vec<Mapping>, Refusal> {
    parse::maps(&opened.text("maps")?).map_err(|malformed| Refusal::Io {
        path: opened.path().join("maps").display().to_string(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, malformed.to_string()),
    })
}

/// Which pages of `ranges` are there. `ranges` are by address and do not overlap. None if the
/// kernel does not tell; what could not be read of them is left out.
#[must_use]
pub fn residency(opened: &Opened, ranges: &[Range<u64>]) -> Option<Residency> {
    let pagemap = opened.file("pagemap").ok()?;
    let mut residency = Residency::default();
    let mut bytes = vec![0; ENTRIES_MAX * ENTRY_BYTES];
    let mut done = 0;
    for range in ranges {
        let mut page = (range.start / PAGE_BYTES).max(done);
        let end = range.end.div_ceil(PAGE_BYTES);
        while page < end {
            let wanted = usize::try_from(end - page).unwrap_or(ENTRIES_MAX).min(ENTRIES_MAX);
            let into = &mut bytes[..wanted * ENTRY_BYTES];
            let count = pagemap.read_at(into, page * ENTRY_BYTES as u64).ok()? / ENTRY_BYTES;
            if count == 0 {
                break;
            }
            let (start, entries) = (page * PAGE_BYTES, &bytes[..count * ENTRY_BYTES]);
            page += count as u64;
            if entries.iter().all(|byte| *byte == 0) {
                residency.push_absent(start..page * PAGE_BYTES);
                continue;
            }
            let entries = entries.chunks_exact(ENTRY_BYTES);
            let entries = entries
                .map(|entry| u64::from_le_bytes(entry.try_into().expect("eight bytes were cut")));
            residency.push(start, entries);
        }
        done = done.max(end);
    }
    Some(residency)
}
