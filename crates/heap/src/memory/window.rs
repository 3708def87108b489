//! One buffer through which a heap is read in long stretches, never copied whole.

use super::Memory;
use super::ahead::Ahead;
use crate::maps::Residency;
use crate::maps::residency::PAGE_BYTES;

/// Larger ones leave the processor's cache and are slower again.
pub(super) const BYTES_MAX: usize = 1 << 20;
/// The first read after a jump: behind a large block there may be another one.
const BYTES_MIN: usize = 64 << 10;
/// Pages that may be brought back from swap by one walk, for headers only: 16 MiB.
const SWAPPED_MAX: u64 = 4096;

/// What was last read of `memory`.
#[derive(Debug)]
pub struct Window<'a, M: ?Sized> {
    pub(crate) memory: &'a M,
    residency: Option<&'a Residency>,
    ahead: Option<Ahead>,
    bytes: Vec<u8>,
    base: u64,
    filled: usize,
    wanted: usize,
    /// Headers read out of swapped pages.
    pub(crate) swapped: u64,
}

impl<'a, M: Memory + ?Sized> Window<'a, M> {
    /// `residency` says which pages are there. Without it all are taken to be; with it no page that
    /// is swapped out or was never touched is read for its contents.
    #[must_use]
    pub fn new(memory: &'a M, residency: Option<&'a Residency>) -> Self {
        let (bytes, wanted) = (vec![0; BYTES_MAX], BYTES_MIN);
        Self { memory, residency, ahead: None, bytes, base: 0, filled: 0, wanted, swapped: 0 }
    }

    /// The same, of which much is read by another thread before it is asked for.
    pub(crate) fn reading_ahead(self, ahead: Ahead) -> Self {
        Self { ahead: Some(ahead), ..self }
    }

    /// The word at `address`, read together with what follows it up to `end`.
    pub(crate) fn word(&mut self, address: u64, end: u64) -> Option<u64> {
        let word = self.held(address, 8).or_else(|| {
            self.fill(address, end);
            self.held(address, 8)
        })?;
        Some(u64::from_le_bytes(self.bytes[word..word + 8].try_into().ok()?))
    }

    /// The word at `address` without letting go of what is held.
    pub(crate) fn peek(&mut self, address: u64) -> Option<u64> {
        if let Some(at) = self.held(address, 8) {
            return Some(u64::from_le_bytes(self.bytes[at..at + 8].try_into().ok()?));
        }
        self.may_touch(address).then(|| self.memory.word(address))?
    }

    /// What is there from `address` on, at most up to `end`: whole words, empty where the page is
    /// not.
    pub(crate) fn piece(&mut self, address: u64, end: u64) -> &[u8] {
        if self.held(address, 8).is_none() {
            if self.residency.is_some_and(|known| known.next(address, address + 1) > address) {
                return &[];
            }
            self.fill(address, end);
        }
        let Some(at) = self.held(address, 8) else { return &[] };
        let length = (self.filled - at).min(usize::try_from(end - address).unwrap_or(usize::MAX));
        &self.bytes[at..at + length / 8 * 8]
    }

    /// Where to go on behind a page of which nothing could be had: at the next one that is there,
    /// or at `end`.
    pub(crate) fn behind(&self, address: u64, end: u64) -> u64 {
        behind(self.residency, address, end)
    }

    /// Lets go of what is held: it may be out of date.
    pub(crate) const fn forget(&mut self) {
        self.filled = 0;
    }

    fn held(&self, address: u64, bytes: usize) -> Option<usize> {
        let at = usize::try_from(address.checked_sub(self.base)?).ok()?;
        (at.checked_add(bytes)? <= self.filled).then_some(at)
    }

    fn fill(&mut self, address: u64, end: u64) {
        let came = self.ahead.as_mut().and_then(|ahead| ahead.take(address, &mut self.bytes));
        if let Some((base, filled)) = came {
            (self.base, self.filled) = (base, filled);
            if self.held(address, 8).is_some() {
                return;
            }
        }
        let is_next = address.wrapping_sub(self.base + self.filled as u64) < PAGE_BYTES;
        self.wanted = if is_next { (self.wanted * 2).min(BYTES_MAX) } else { BYTES_MIN };
        let mut until = end.min(address.saturating_add(self.wanted as u64));
        if let Some(known) = self.residency {
            until = known.run(address, until);
        }
        let mut length = usize::try_from(until.saturating_sub(address)).unwrap_or(0);
        if length == 0 {
            length = if self.may_touch(address) { 8 } else { 0 };
        }
        self.base = address;
        self.filled = self.memory.read(address, &mut self.bytes[..length]);
    }

    /// A page that is not in RAM is brought there for a header, but not without a bound.
    fn may_touch(&mut self, address: u64) -> bool {
        if self.residency.is_none_or(|known| known.next(address, address + 1) == address) {
            return true;
        }
        self.swapped += 1;
        self.swapped <= SWAPPED_MAX
    }
}

pub(super) fn behind(residency: Option<&Residency>, address: u64, end: u64) -> u64 {
    let next = (address & !(PAGE_BYTES - 1)).saturating_add(PAGE_BYTES);
    residency.map_or(next, |known| known.next(next, end)).min(end)
}
