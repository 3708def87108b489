//! Which pages of a stretch of memory are in RAM, in swap, or neither.
//!
//! Source: `/proc/PID/pagemap` (Documentation/admin-guide/mm/pagemap.rst). The kernel walks it
//! 2 MiB at a time and lets go of the target's mmap_lock in between, so that a reading of any length
//! never holds the target up for longer than that.

use std::ops::Range;

pub const PAGE_BYTES: u64 = 4096;

const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
/// A page of a file or of shared memory.
const FILE: u64 = 1 << 61;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Absent,
    Swapped,
    /// In RAM, anonymous.
    Anonymous,
    /// In RAM, of a file or of shared memory.
    File,
}

impl Page {
    /// Of an entry of pagemap.
    #[must_use]
    pub const fn of(entry: u64) -> Self {
        if entry & PRESENT != 0 {
            if entry & FILE != 0 { Self::File } else { Self::Anonymous }
        } else if entry & SWAPPED != 0 {
            Self::Swapped
        } else {
            Self::Absent
        }
    }

    #[must_use]
    pub const fn is_present(self) -> bool {
        matches!(self, Self::Anonymous | Self::File)
    }
}

/// The pages of some stretches; two bits each. Nothing is known of pages outside of them.
#[derive(Clone, Debug, Default)]
pub struct Residency {
    stretches: Vec<Stretch>,
}

#[derive(Clone, Debug)]
struct Stretch {
    range: Range<u64>,
    /// Four pages to a byte, the first in the lowest bits.
    pages: Vec<u8>,
}

impl Residency {
    /// Adds the pages from `start` on, as entries of pagemap. Stretches are added by address and
    /// do not overlap.
    pub fn push(&mut self, start: u64, entries: impl ExactSizeIterator<Item = u64>) {
        let end = start + entries.len() as u64 * PAGE_BYTES;
        let mut pages = vec![0; entries.len().div_ceil(4)];
        for (index, entry) in entries.enumerate() {
            pages[index / 4] |= (Page::of(entry) as u8) << (index % 4 * 2);
        }
        self.stretches.push(Stretch { range: start..end, pages });
    }

    /// What is known of the page that holds `address`.
    #[must_use]
    pub fn page(&self, address: u64) -> Option<Page> {
        let after = self.stretches.partition_point(|stretch| stretch.range.end <= address);
        let stretch = self.stretches.get(after)?;
        let offset = address.checked_sub(stretch.range.start)?;
        let index = usize::try_from(offset / PAGE_BYTES).ok()?;
        Some(match stretch.pages[index / 4] >> (index % 4 * 2) & 3 {
            0 => Page::Absent,
            1 => Page::Swapped,
            2 => Page::Anonymous,
            _ => Page::File,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_in_the_stretch_that_holds_them_and_unknown_outside() {
        let mut residency = Residency::default();
        residency.push(0x1000, [PRESENT, 0, SWAPPED, PRESENT | FILE, PRESENT].into_iter());
        residency.push(0x10000, [SWAPPED].into_iter());
        let at = |address| residency.page(address);
        assert_eq!(at(0xfff), None);
        assert_eq!(at(0x1000), Some(Page::Anonymous));
        assert_eq!(at(0x2fff), Some(Page::Absent));
        assert_eq!(at(0x3000), Some(Page::Swapped));
        assert_eq!(at(0x4000), Some(Page::File));
        assert_eq!(at(0x5fff), Some(Page::Anonymous));
        assert_eq!(at(0x6000), None);
        assert_eq!(at(0x10fff), Some(Page::Swapped));
        assert_eq!(at(0x11000), None);
    }
}
