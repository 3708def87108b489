//! Memory read a page at a time and kept for a while: walks along pointers come back to the same
//! pages, and each reading of a live process is a system call.

use crate::memory::Memory;
use std::cell::RefCell;

const PAGE: usize = 4096;
/// Pages kept: 4 MiB.
const PAGES: usize = 1024;

/// A window into `inner`. What it shows of a page is as old as the first reading of it.
#[derive(Debug)]
pub struct Cached<'a, M: ?Sized> {
    inner: &'a M,
    pages: RefCell<Vec<Slot>>,
}

#[derive(Debug, Default)]
struct Slot {
    page: u64,
    bytes: Vec<u8>,
}

impl<'a, M: Memory + ?Sized> Cached<'a, M> {
    #[must_use]
    pub fn new(inner: &'a M) -> Self {
        let pages = (0..PAGES).map(|_| Slot::default()).collect();
        Self { inner, pages: RefCell::new(pages) }
    }
}

impl<M: Memory + ?Sized> Memory for Cached<'_, M> {
    fn read(&self, address: u64, into: &mut [u8]) -> usize {
        if into.len() > PAGE {
            return self.inner.read(address, into);
        }
        let mut filled = 0;
        while filled < into.len() {
            let Some(at) = address.checked_add(filled as u64) else { break };
            let (page, within) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let mut pages = self.pages.borrow_mut();
            let slot = &mut pages[(page % PAGES as u64) as usize];
            if slot.page != page || slot.bytes.is_empty() {
                slot.page = page;
                slot.bytes.resize(PAGE, 0);
                let count = self.inner.read(page * PAGE as u64, &mut slot.bytes);
                slot.bytes.truncate(count);
            }
            let rest = slot.bytes.get(within..).unwrap_or_default();
            let count = rest.len().min(into.len() - filled);
            if count == 0 {
                break;
            }
            into[filled..filled + count].copy_from_slice(&rest[..count]);
            filled += count;
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    struct Two(Cell<usize>);

    impl Memory for Two {
        fn read(&self, address: u64, into: &mut [u8]) -> usize {
            self.0.set(self.0.get() + 1);
            let (start, end) = (PAGE as u64, 3 * PAGE as u64);
            if !(start..end).contains(&address) {
                return 0;
            }
            let count = into.len().min((end - address) as usize);
            for (index, byte) in into[..count].iter_mut().enumerate() {
                *byte = (address + index as u64) as u8;
            }
            count
        }
    }

    #[test]
    fn what_lies_across_two_pages_is_read_whole_and_each_page_once() {
        let two = Two(Cell::new(0));
        let cached = Cached::new(&two);
        let mut bytes = [0; 8];
        for _ in 0..3 {
            assert_eq!(cached.read(2 * PAGE as u64 - 4, &mut bytes), 8);
            assert_eq!(bytes, [252, 253, 254, 255, 0, 1, 2, 3]);
        }
        assert_eq!(two.0.get(), 2);
    }

    #[test]
    fn the_end_of_the_mapping_cuts_a_reading_short() {
        let two = Two(Cell::new(0));
        let cached = Cached::new(&two);
        assert_eq!(cached.read(3 * PAGE as u64 - 4, &mut [0; 8]), 4);
        assert_eq!(cached.read(64, &mut [0; 8]), 0);
        assert_eq!(cached.read(u64::MAX - 2, &mut [0; 8]), 0);
    }
}
