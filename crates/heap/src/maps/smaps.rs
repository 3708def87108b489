//! `/proc/PID/smaps`: how much of each mapping is resident, line by line.
//!
//! Source: proc(5), show_smap in fs/proc/task_mmu.c. The kernel walks the page tables of one
//! mapping with the target's mmap_lock held; [`predicted_stall`] says beforehand for how long at
//! most. Mappings are never kept all as text.

use std::io::BufRead;
use std::time::{Duration, Instant};

use super::{Mapping, parse};
use crate::target::stat::kilobytes;

/// Page tables that are walked in a millisecond where the machine is busy: 7 ms for each GiB.
const STALL_US_PER_GIB: u64 = 7000;
/// A line has a path of at most 4,096 bytes, four times that if every byte is escaped.
const LINE_BYTES_MAX: u64 = 32 << 10;

/// How long the target may have to wait for the longest single piece of a reading.
#[must_use]
pub fn predicted_stall(mappings: &[Mapping], rss_bytes: u64) -> Duration {
    let largest = mappings.iter().map(Mapping::bytes).max().unwrap_or(0).min(rss_bytes);
    let us = (u128::from(largest) * u128::from(STALL_US_PER_GIB)) >> 30;
    Duration::from_micros(u64::try_from(us).unwrap_or(u64::MAX))
}

/// One mapping and what of it is there. Units: bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub mapping: Mapping,
    pub rss: u64,
    pub anonymous: u64,
    /// In huge pages, of whatever kind.
    pub huge: u64,
    pub swap: u64,
}

/// Hands each mapping to `visit`, until the end or the deadline. False if it did not come to the
/// end.
///
/// # Errors
/// What the kernel says.
pub fn each(
    smaps: &mut impl BufRead,
    deadline: Instant,
    visit: &mut dyn FnMut(Usage),
) -> std::io::Result<bool> {
    let mut line = Vec::new();
    let mut usage: Option<Usage> = None;
    loop {
        line.clear();
        let mut bounded = std::io::Read::take(&mut *smaps, LINE_BYTES_MAX);
        if bounded.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        // Keys begin with a capital letter, addresses are lower-case.
        if let Some(mapping) = text
            .first()
            .filter(|first| !first.is_ascii_uppercase())
            .and_then(|_| parse::mapping(text))
        {
            if let Some(done) = usage.replace(Usage { mapping, ..Usage::default() }) {
                visit(done);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
        } else if let Some(usage) = &mut usage {
            usage.add(text);
        }
    }
    if let Some(last) = usage {
        visit(last);
    }
    Ok(true)
}

impl Usage {
    fn add(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return };
        let slot = match &line[..colon] {
            b"Rss" => &mut self.rss,
            b"Anonymous" => &mut self.anonymous,
            b"AnonHugePages" | b"ShmemPmdMapped" | b"FilePmdMapped" => &mut self.huge,
            b"Swap" => &mut self.swap,
            _ => return,
        };
        *slot += kilobytes(&line[colon + 1..]).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &[u8] = b"\
55d0c2000000-55d0c2100000 rw-p 00000000 00:00 0                          [heap]
Size:               1024 kB
Rss:                1000 kB
Anonymous:           900 kB
AnonHugePages:       512 kB
Swap:                  4 kB
VmFlags: rd wr mr mw me ac
7f0000000000-7f0000021000 rw-s 00000000 00:05 7                          /memfd:x (deleted)
Rss:                  12 kB
ShmemPmdMapped:        8 kB
";

    #[test]
    fn every_mapping_is_handed_on_with_its_own_numbers() {
        let mut seen = Vec::new();
        let later = Instant::now() + Duration::from_secs(60);
        assert!(each(&mut &SMAPS[..], later, &mut |usage| seen.push(usage)).unwrap());
        assert_eq!(seen.len(), 2);
        let heap = (seen[0].rss, seen[0].anonymous, seen[0].huge, seen[0].swap);
        assert_eq!(heap, (1000 << 10, 900 << 10, 512 << 10, 4 << 10));
        assert_eq!((seen[1].rss, seen[1].huge), (12 << 10, 8 << 10));
        assert!(seen[1].mapping.is_shmem());
    }

    #[test]
    fn more_mappings_than_the_kernel_allows_unasked_are_read_or_left_at_the_deadline() {
        const MAPPINGS: u64 = 100_000;
        let mut text = String::new();
        for page in 0..MAPPINGS {
            let start = 0x7f00_0000_0000 + page * 0x2000;
            let end = start + 0x1000;
            text +=
                &format!("{start:x}-{end:x} rw-p 00000000 00:00 0\nRss: 4 kB\nAnonymous: 4 kB\n");
        }
        let (mut count, mut rss) = (0, 0);
        let later = Instant::now() + Duration::from_secs(60);
        let mut add = |usage: Usage| (count, rss) = (count + 1, rss + usage.rss);
        assert!(each(&mut text.as_bytes(), later, &mut add).unwrap());
        assert_eq!((count, rss), (MAPPINGS, MAPPINGS * 4096));
        let mut few = 0;
        let past = Instant::now() - Duration::from_millis(1);
        assert!(!each(&mut text.as_bytes(), past, &mut |_| few += 1).unwrap());
        assert!(few < 3, "{few}");
    }

    #[test]
    fn the_stall_is_that_of_the_largest_mapping() {
        let mapping = |gib: u64| Mapping { end: gib << 30, ..Mapping::default() };
        let stall = predicted_stall(&[mapping(1), mapping(3)], 2 << 30);
        assert_eq!(stall, Duration::from_millis(14));
        assert_eq!(predicted_stall(&[], 1), Duration::ZERO);
    }
}
