//! Which pages of a stretch of memory are in RAM, in swap, or neither.
//!
//! Source: `/proc/PID/pagemap` (Documentation/admin-guide/mm/pagemap.rst). The kernel walks it 2
//! MiB at a time and lets go of the target's mmap_lock in between, so that a reading of any length
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
    /// Four pages to a byte, the first in the lowest bits; none at all where no page is there, for
    /// programs reserve far more than they ever touch.
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
        self.add(start..end, pages);
    }

    /// Adds pages none of which is there, neither in RAM nor in swap.
    pub fn push_absent(&mut self, range: Range<u64>) {
        self.add(range, Vec::new());
    }

    fn add(&mut self, range: Range<u64>, pages: Vec<u8>) {
        match self.stretches.last_mut() {
            Some(last) if last.is_absent() && pages.is_empty() && last.range.end == range.start => {
                last.range.end = range.end;
            }
            _ => self.stretches.push(Stretch { range, pages }),
        }
    }

    /// What is known of the page that holds `address`.
    #[must_use]
    pub fn page(&self, address: u64) -> Option<Page> {
        let stretch = self.stretches.get(self.at_or_after(address))?;
        stretch.range.contains(&address).then(|| stretch.page(address))
    }

    /// Where the pages that are in RAM end, of those from `address` on: `address` itself if its
    /// page is not there, and never beyond `end`. Pages of which nothing is known count as there.
    #[must_use]
    pub fn run(&self, address: u64, end: u64) -> u64 {
        let mut at = address;
        for stretch in &self.stretches[self.at_or_after(address)..] {
            at = at.max(stretch.range.start);
            while at < end && stretch.range.contains(&at) {
                if !stretch.page(at).is_present() {
                    return at;
                }
                at = (at & !(PAGE_BYTES - 1)) + PAGE_BYTES;
            }
            if at >= end {
                break;
            }
        }
        end
    }

    /// Where the first page that is in RAM begins, of those from `address` on: `address` itself if
    /// it lies in one, `end` if there is none before. Pages of which nothing is known count as
    /// there.
    #[must_use]
    pub fn next(&self, address: u64, end: u64) -> u64 {
        let mut at = address;
        for stretch in &self.stretches[self.at_or_after(address)..] {
            if at >= end || !stretch.range.contains(&at) {
                break;
            }
            if stretch.is_absent() {
                at = stretch.range.end;
            }
            while at < end && stretch.range.contains(&at) {
                if stretch.page(at).is_present() {
                    return at;
                }
                at = (at & !(PAGE_BYTES - 1)) + PAGE_BYTES;
            }
        }
        at.min(end)
    }

    /// The stretches of `range` that are known to be in RAM.
    #[must_use]
    pub fn present(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let mut present: Vec<Range<u64>> = Vec::new();
        let stretches = &self.stretches[self.at_or_after(range.start)..];
        for stretch in stretches.iter().filter(|stretch| !stretch.is_absent()) {
            let end = range.end.min(stretch.range.end);
            let mut at = range.start.max(stretch.range.start);
            while at < end {
                let next = ((at & !(PAGE_BYTES - 1)) + PAGE_BYTES).min(end);
                if stretch.page(at).is_present() {
                    match present.last_mut() {
                        Some(last) if last.end == at => last.end = next,
                        _ => present.push(at..next),
                    }
                }
                at = next;
            }
        }
        present
    }

    /// Bytes of `range` whose pages are in RAM; pages of which nothing is known do not count.
    #[must_use]
    pub fn resident_bytes(&self, range: &Range<u64>) -> u64 {
        self.bytes_where(range, Page::is_present)
    }

    /// Bytes of `range` in RAM that are neither a file's nor shared memory.
    #[must_use]
    pub fn anonymous_bytes(&self, range: &Range<u64>) -> u64 {
        self.bytes_where(range, |page| page == Page::Anonymous)
    }

    /// Bytes of `range` whose pages are swapped out.
    #[must_use]
    pub fn swapped_bytes(&self, range: &Range<u64>) -> u64 {
        self.bytes_where(range, |page| page == Page::Swapped)
    }

    /// `is_wanted` holds of no page that is absent.
    fn bytes_where(&self, range: &Range<u64>, is_wanted: impl Fn(Page) -> bool) -> u64 {
        let mut bytes = 0;
        for stretch in &self.stretches[self.at_or_after(range.start)..] {
            if stretch.range.start >= range.end {
                break;
            }
            if stretch.is_absent() {
                continue;
            }
            let mut at = range.start.max(stretch.range.start);
            let end = range.end.min(stretch.range.end);
            while at < end {
                let next = ((at & !(PAGE_BYTES - 1)) + PAGE_BYTES).min(end);
                if is_wanted(stretch.page(at)) {
                    bytes += next - at;
                }
                at = next;
            }
        }
        bytes
    }

    fn at_or_after(&self, address: u64) -> usize {
        self.stretches.partition_point(|stretch| stretch.range.end <= address)
    }
}

impl Stretch {
    fn is_absent(&self) -> bool {
        self.pages.is_empty()
    }

    fn page(&self, address: u64) -> Page {
        let index = ((address - self.range.start) / PAGE_BYTES) as usize;
        let four = self.pages.get(index / 4).copied().unwrap_or(0);
        match four >> (index % 4 * 2) & 3 {
            0 => Page::Absent,
            1 => Page::Swapped,
            2 => Page::Anonymous,
            _ => Page::File,
        }
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
        assert_eq!(residency.run(0x1008, 0x9000), 0x2000);
        assert_eq!(residency.run(0x2008, 0x9000), 0x2008);
        assert_eq!(residency.run(0x4000, 0x4800), 0x4800);
        assert_eq!(residency.run(0x4000, 0x20000), 0x10000);
        assert_eq!(residency.run(0x20000, 0x20008), 0x20008);
        assert_eq!(residency.resident_bytes(&(0x1ff0..0x4010)), 0x20);
        assert_eq!(residency.present(&(0x1ff0..0x20000)), [0x1ff0..0x2000, 0x4000..0x6000]);
        assert_eq!(residency.swapped_bytes(&(0..0x20000)), 0x2000);
        assert_eq!(residency.next(0x1008, 0x9000), 0x1008);
        assert_eq!(residency.next(0x2008, 0x9000), 0x4000);
        assert_eq!(residency.next(0x2008, 0x3000), 0x3000);
        assert_eq!(residency.next(0x6000, 0x9000), 0x6000, "unknown");
        assert_eq!(residency.next(0x10008, 0x20000), 0x11000, "unknown behind what is swapped");
    }

    #[test]
    fn what_was_never_touched_takes_no_room_and_is_passed_over_at_once() {
        const TIB: u64 = 1 << 40;
        let mut residency = Residency::default();
        residency.push_absent(TIB..2 * TIB);
        residency.push_absent(2 * TIB..3 * TIB);
        residency.push(3 * TIB, [PRESENT].into_iter());
        assert_eq!(residency.stretches.len(), 2);
        assert_eq!(residency.page(TIB + 5), Some(Page::Absent));
        assert_eq!(residency.run(TIB, 4 * TIB), TIB);
        assert_eq!(residency.next(TIB, 4 * TIB), 3 * TIB);
        assert_eq!(residency.next(TIB, TIB + 5), TIB + 5);
        assert_eq!(residency.resident_bytes(&(0..4 * TIB)), PAGE_BYTES);
        let page = 3 * TIB..3 * TIB + PAGE_BYTES;
        assert_eq!(residency.present(&(0..4 * TIB)), std::slice::from_ref(&page));
    }
}
