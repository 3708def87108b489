//! Single words of a heap that lie close to one another, without a system call for each.
//!
//! Free lists run through the heap in no order, but mostly in the order in which blocks were freed.

use crate::memory::Memory;

const PAGE_BYTES: u64 = 4096;
/// 4 MiB of pages.
const SLOTS: usize = 1024;

/// A cache of pages, each kept until another needs its place.
pub(super) struct Pages<'a, M: ?Sized> {
    memory: &'a M,
    /// The page's address and how many bytes of it could be read.
    held: Vec<(u64, usize)>,
    bytes: Vec<u8>,
}

impl<'a, M: Memory + ?Sized> Pages<'a, M> {
    pub(super) fn new(memory: &'a M) -> Self {
        let bytes = vec![0; SLOTS * PAGE_BYTES as usize];
        Self { memory, held: vec![(u64::MAX, 0); SLOTS], bytes }
    }

    /// The word at `address`, a multiple of eight.
    pub(super) fn word(&mut self, address: u64) -> Option<u64> {
        let page = address & !(PAGE_BYTES - 1);
        let slot = (page / PAGE_BYTES) as usize % SLOTS;
        let bytes = &mut self.bytes[slot * PAGE_BYTES as usize..][..PAGE_BYTES as usize];
        if self.held[slot].0 != page {
            self.held[slot] = (page, self.memory.read(page, bytes));
        }
        let offset = (address - page) as usize;
        let word = bytes[..self.held[slot].1].get(offset..offset + 8)?;
        Some(u64::from_le_bytes(word.try_into().expect("eight bytes were taken")))
    }

    /// The link at `address`, as lists of free chunks keep it: since 2.32 mixed with its own
    /// address, before that plain. None where neither reading is 0 or fulfils `is_one`.
    pub(super) fn link(&mut self, address: u64, is_one: impl Fn(u64) -> bool) -> Option<u64> {
        let plain = self.word(address)?;
        let unmixed = plain ^ (address >> 12);
        [unmixed, plain].into_iter().find(|&link| link == 0 || is_one(link))
    }
}
