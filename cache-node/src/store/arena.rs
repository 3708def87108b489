//! The memory of segments: one reservation, handed out in pieces that nobody else holds.
//!
//! The only unsafe code of the crate. A [`Segment`] is an owned handle that reads and writes as
//! `[u8]`; dropped, it returns to the arena. Its pages either stay, for the next who takes one, or
//! go back to the kernel, which then shows in RSS at once. The reservation itself costs nothing:
//! pages come when they are written. Under Miri it is a plain allocation.
#![expect(unsafe_code, reason = "a heap cannot give back chosen pages; see decision 0008")]

use super::budget::{Budget, Line};
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Units: bytes. Source: the kernel's page size on the machines we build for.
const PAGE_BYTES: usize = 4096;

/// Segments that only moving items may use, so that room can be made when there is none.
const RESERVE_SEGMENTS: usize = 2;

/// A stretch of address space that is unmapped when the last handle is gone.
struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping is an address range without thread affinity; which part of it a thread may
// touch is decided by the `Segment` handles, each of which covers a part of its own.
unsafe impl Send for Mapping {}
// SAFETY: as above; nothing is reached through a shared `Mapping` but disjoint segments.
unsafe impl Sync for Mapping {}

#[cfg(not(miri))]
impl Mapping {
    fn reserve(len: usize) -> io::Result<Self> {
        use rustix::mm::{Advice, MapFlags, ProtFlags};
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new anonymous mapping at an address the kernel chooses overlaps nothing.
        let base = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, prot, flags) }?;
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // Huge pages would come back only when all of their 512 pages are given back.
        // SAFETY: the range is the mapping made above; the advice changes no contents.
        unsafe { rustix::mm::madvise(base.as_ptr().cast(), len, Advice::LinuxNoHugepage) }
            .or_else(|error| if error == rustix::io::Errno::INVAL { Ok(()) } else { Err(error) })?;
        Ok(Self { base, len })
    }

    /// Gives the pages of a part to the kernel. The part reads as zeros from then on.
    fn discard(part: &mut [u8]) {
        use rustix::mm::Advice::LinuxDontNeed;
        // SAFETY: `part` is exclusively borrowed, lies within an anonymous private mapping and
        // begins and ends on a page, so the advice only turns its bytes to zero.
        let done =
            unsafe { rustix::mm::madvise(part.as_mut_ptr().cast(), part.len(), LinuxDontNeed) };
        debug_assert!(done.is_ok(), "the range is mapped and aligned");
    }
}

#[cfg(not(miri))]
impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `reserve`, and no segment is left: each holds an `Arc`
        // of what owns this mapping.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

#[cfg(miri)]
impl Mapping {
    fn layout(len: usize) -> std::alloc::Layout {
        std::alloc::Layout::from_size_align(len, PAGE_BYTES).expect("a test's size is small")
    }

    fn reserve(len: usize) -> io::Result<Self> {
        // SAFETY: the layout has a size above zero: `Arena::new` reserves at least one segment.
        let base = unsafe { std::alloc::alloc_zeroed(Self::layout(len)) };
        Ok(Self { base: NonNull::new(base).ok_or(io::ErrorKind::OutOfMemory)?, len })
    }

    fn discard(part: &mut [u8]) {
        part.fill(0);
    }
}

#[cfg(miri)]
impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: allocated by `reserve` with the same layout; no segment is left.
        unsafe { std::alloc::dealloc(self.base.as_ptr(), Self::layout(self.len)) };
    }
}

/// Segments that nobody holds.
#[derive(Debug, Default)]
struct Free {
    /// Their pages are still here, and still count. With how far each was ever written.
    cached: Vec<(u32, usize)>,
    /// Their pages went back to the kernel.
    blank: Vec<u32>,
    /// From this one on none was ever handed out.
    untouched: u32,
}

struct Inner {
    mapping: Mapping,
    segment_bytes: usize,
    count: u32,
    free: Mutex<Free>,
    given_back: AtomicU64,
    budget: Arc<Budget>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").field("segments", &self.count).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub struct Arena(Arc<Inner>);

/// Who takes a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// New items: the reserve is left alone.
    Store,
    /// Items that move, so that their old segment can be freed: the reserve may be used.
    Move,
}

impl Arena {
    /// # Errors
    /// The kernel refused the reservation.
    pub fn new(reserve_bytes: u64, segment_bytes: usize, budget: Arc<Budget>) -> io::Result<Self> {
        debug_assert!(segment_bytes.is_multiple_of(PAGE_BYTES));
        let count = reserve_bytes.div_ceil(segment_bytes as u64).max(1);
        let count = u32::try_from(count).map_err(|_| io::ErrorKind::InvalidInput)?;
        let len = (count as usize).checked_mul(segment_bytes).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self(Arc::new(Inner {
            mapping: Mapping::reserve(len)?,
            segment_bytes,
            count,
            free: Mutex::default(),
            given_back: 0.into(),
            budget,
        })))
    }

    pub fn segment_bytes(&self) -> usize {
        self.0.segment_bytes
    }

    /// Given back to the kernel so far. Units: bytes that had been written.
    pub fn given_back(&self) -> u64 {
        self.0.given_back.load(Relaxed)
    }

    /// Segments without items whose pages are still here.
    #[cfg(test)]
    pub fn cached(&self) -> usize {
        self.0.free.lock().cached.len()
    }

    fn reserve_segments(&self) -> usize {
        let fit = self.0.budget.limit() / self.0.segment_bytes as u64;
        RESERVE_SEGMENTS.min(usize::try_from(fit / 4).unwrap_or(usize::MAX))
    }

    /// Takes a segment out; its bytes are what the one before left there. None: no budget.
    pub fn take(&self, purpose: Purpose) -> Option<Segment> {
        let inner = &self.0;
        let bytes = inner.segment_bytes as u64;
        let keep = if purpose == Purpose::Move { 0 } else { self.reserve_segments() };
        let mut free = inner.free.lock();
        let fit = usize::try_from(inner.budget.left() / bytes).unwrap_or(usize::MAX);
        let missing = usize::try_from(inner.budget.over().div_ceil(bytes)).unwrap_or(usize::MAX);
        if (free.cached.len().saturating_add(fit)).saturating_sub(missing) <= keep {
            return None;
        }
        let (index, touched) = match free.cached.pop() {
            Some(cached) => cached,
            None => {
                let has_blank = !free.blank.is_empty() || free.untouched < inner.count;
                if !has_blank || !inner.budget.take(Line::Segments, bytes, 0) {
                    return None;
                }
                let untouched = free.untouched;
                let index = free.blank.pop().unwrap_or_else(|| {
                    free.untouched += 1;
                    untouched
                });
                (index, 0)
            }
        };
        Some(self.handle(index, touched))
    }

    /// A cached segment, to be [given to the kernel](Segment::release).
    pub fn take_cached(&self) -> Option<Segment> {
        let mut free = self.0.free.lock();
        let (index, touched) = free.cached.pop()?;
        Some(self.handle(index, touched))
    }

    fn handle(&self, index: u32, touched: usize) -> Segment {
        let offset = index as usize * self.0.segment_bytes;
        // SAFETY: `index` is below `count`, so the offset lies within the mapping.
        let at = unsafe { self.0.mapping.base.add(offset) };
        Segment { at, len: self.0.segment_bytes, index, touched, arena: Arc::clone(&self.0) }
    }
}

/// A part of the reservation that belongs to whoever holds this.
pub struct Segment {
    at: NonNull<u8>,
    len: usize,
    index: u32,
    /// How far it was ever written since its pages came.
    touched: usize,
    arena: Arc<Inner>,
}

// SAFETY: the handle is the only way to its bytes, like a `Box<[u8]>`.
unsafe impl Send for Segment {}
// SAFETY: a shared handle only reads, like a `Box<[u8]>`.
unsafe impl Sync for Segment {}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Deref for Segment {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: mapped and initialised (the kernel hands out zeros), `len` bytes from `at`, and
        // this handle alone covers them; the borrow of the handle is the borrow of the bytes.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl DerefMut for Segment {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`, and the handle is exclusively borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr(), self.len) }
    }
}

impl Segment {
    /// Notes that it was written up to `bytes`; what was not is not in memory.
    pub fn note_written(&mut self, bytes: usize) {
        self.touched = self.touched.max(bytes.min(self.len));
    }

    /// Gives its pages to the kernel. Returns the bytes that were in memory. Cost: 0.15 ms for
    /// 1 MiB.
    pub fn release(mut self) -> u64 {
        Self::discard(&mut self)
    }

    fn discard(&mut self) -> u64 {
        let bytes = self.touched.next_multiple_of(PAGE_BYTES).min(self.len);
        Mapping::discard(&mut self[..bytes]);
        self.touched = 0;
        let bytes = bytes as u64;
        self.arena.given_back.fetch_add(bytes, Relaxed);
        bytes
    }
}

impl Drop for Segment {
    /// Keeps the pages unless the budget wants them back.
    fn drop(&mut self) {
        let wanted = self.arena.budget.over() > 0;
        if wanted && self.touched > 0 {
            self.discard();
        }
        let arena = Arc::clone(&self.arena);
        let mut free = arena.free.lock();
        if self.touched > 0 {
            free.cached.push((self.index, self.touched));
        } else {
            free.blank.push(self.index);
            arena.budget.put_back(Line::Segments, self.len as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: usize = 2 * PAGE_BYTES;

    fn arena(segments: u64, limit_segments: u64) -> (Arena, Arc<Budget>) {
        let budget = Arc::new(Budget::new(limit_segments * SEGMENT as u64));
        let arena = Arena::new(segments * SEGMENT as u64, SEGMENT, Arc::clone(&budget)).unwrap();
        (arena, budget)
    }

    #[test]
    fn segments_are_disjoint_and_come_back() {
        let (arena, budget) = arena(4, 4);
        let mut one = arena.take(Purpose::Move).unwrap();
        let mut two = arena.take(Purpose::Move).unwrap();
        one.fill(1);
        two.fill(2);
        assert!(one.iter().all(|b| *b == 1) && two.iter().all(|b| *b == 2));
        one.note_written(SEGMENT);
        drop(one);
        assert_eq!((arena.cached(), budget.used()), (1, 2 * SEGMENT as u64));
        let again = arena.take(Purpose::Move).unwrap();
        assert_eq!(again[0], 1, "a cached segment keeps its pages");
        assert_eq!(again.release(), SEGMENT as u64);
        assert_eq!(budget.used(), SEGMENT as u64);
        let blank = arena.take(Purpose::Move).unwrap();
        assert_eq!(blank[0], 0, "released pages read as zeros");
    }

    #[test]
    fn neither_the_budget_nor_the_reservation_is_exceeded() {
        let (arena, budget) = arena(3, 8);
        let held: Vec<_> = std::iter::from_fn(|| arena.take(Purpose::Move)).collect();
        assert_eq!(held.len(), 3);
        drop(held);
        budget.set_limit(2 * SEGMENT as u64);
        let held: Vec<_> = std::iter::from_fn(|| arena.take(Purpose::Move)).collect();
        assert_eq!(held.len(), 2);
    }

    #[test]
    fn the_reserve_is_for_moving_only() {
        let (arena, _budget) = arena(16, 8);
        let held: Vec<_> = std::iter::from_fn(|| arena.take(Purpose::Store)).collect();
        assert_eq!(held.len(), 6);
        assert!(arena.take(Purpose::Move).is_some());
    }

    #[test]
    fn a_segment_outlives_its_arena() {
        let (arena, _budget) = arena(1, 4);
        let mut segment = arena.take(Purpose::Move).unwrap();
        drop(arena);
        segment[0] = 7;
        assert_eq!(segment[0], 7);
    }

    #[test]
    fn segments_are_handed_from_thread_to_thread() {
        let (arena, _budget) = arena(6, 8);
        std::thread::scope(|scope| {
            for byte in 1..=3 {
                let arena = &arena;
                scope.spawn(move || {
                    for _ in 0..if cfg!(miri) { 3 } else { 100 } {
                        let Some(mut segment) = arena.take(Purpose::Move) else { continue };
                        segment.fill(byte);
                        segment.note_written(SEGMENT);
                        assert_eq!(segment[..], [byte; SEGMENT]);
                        if byte == 1 {
                            segment.release();
                        }
                    }
                });
            }
        });
    }
}
