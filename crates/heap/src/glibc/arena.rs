//! One arena out of memory: its segments, its top, its fast bins.
//!
//! Source: malloc_state and heap_info of malloc/malloc.c and malloc/arena.c. The main arena's
//! memory comes from brk(2) in one stretch, or in several from mmap(2) where brk fails; that of
//! every other one from heaps that are aligned to their largest size, each with a header, chained
//! backwards.

use std::ops::Range;

use rustc_hash::FxHashSet;

use super::pages::Pages;
use super::walk::{CHUNK_BYTES_MIN, SIZE_MASK, plausible};
use super::{Arena, HEADER_BYTES, mapped};
use crate::maps::{self, Mapping};
use crate::memory::Memory;

pub(super) const BIN_PAIRS: u64 = 127;
/// From the first bin to the pointer to the next arena: bins and the map of those in use.
pub(super) const NEXT_AFTER_BINS: u64 = BIN_PAIRS * 16 + 16;
const SYSTEM_AFTER_BINS: u64 = NEXT_AFTER_BINS + 24;
const END_AFTER_BINS: u64 = NEXT_AFTER_BINS + 40;
/// Where the bins begin within the arena: 2.27 to 2.42, up to 2.26, and since 2.43, which has no
/// fast bins.
pub(super) const HEADS: [u64; 3] = [112, 104, 24];
const FAST_BINS: u64 = 10;
/// The largest size of a heap: 64 MiB, or four huge pages where the tunable asks for these.
const HEAP_BYTES_MAX: [u64; 3] = [64 << 20, 8 << 20, 4 << 30];
/// Heaps of one arena: 1 TiB.
const HEAPS_MAX: usize = 16 * 1024;
/// Chunks in fast bins of one arena.
const FAST_MAX: usize = 4 << 20;
/// How far the top may reach beyond its mapping as that was read.
const TOP_AHEAD_MAX: u64 = 64 << 20;
const PAGE: u64 = 4096;
/// What may be left behind the fences of a stretch.
const PIECE_REST_BYTES: u64 = 32;

/// What an arena is read with.
pub(super) struct Reader<'a, M: ?Sized> {
    pub memory: &'a M,
    pub mappings: &'a [Mapping],
    /// Where the bins begin within each arena.
    pub head: u64,
    pub notes: Vec<String>,
}

impl<M: Memory + ?Sized> Reader<'_, M> {
    /// The arena at `address`. An arena that was never used has no segments.
    pub(super) fn arena(&mut self, address: u64, main: bool) -> Option<Arena> {
        let bins = address + self.head;
        let top_field = bins - 16;
        let top = self.memory.word(top_field)?;
        let system_bytes = self.memory.word(bins + SYSTEM_AFTER_BINS)?;
        let mut arena = Arena { address, top_field, main, system_bytes, ..Arena::default() };
        if system_bytes == 0 || top == bins - 16 {
            return Some(arena);
        }
        arena.top = top;
        arena.top_bytes = self.top_bytes(top)?;
        if main {
            self.main_segments(&mut arena)?;
        } else {
            self.heaps(&mut arena)?;
        }
        arena.fast = self.fast(&arena);
        Some(arena)
    }

    /// The size of the chunk at `top`; the rest of its mapping if the application wrote over that.
    fn top_bytes(&mut self, top: u64) -> Option<u64> {
        let bytes = self.memory.word(top.checked_add(8)?)? & SIZE_MASK;
        // It may have grown since the mappings were read.
        let rest = self.around(top).map_or(0, |around| around.end - top);
        if bytes <= rest.saturating_add(TOP_AHEAD_MAX) {
            return Some(bytes);
        }
        self.notes.push(format!("the header of the last free block, at {top:#x}, makes no sense"));
        Some(rest)
    }

    /// The address of the arena after the one at `address`.
    pub(super) fn next(&self, address: u64) -> Option<u64> {
        self.memory.word(address.checked_add(self.head + NEXT_AFTER_BINS)?)
    }

    fn main_segments(&mut self, arena: &mut Arena) -> Option<()> {
        let end = arena.top.checked_add(arena.top_bytes)?;
        let around = self.around(arena.top)?;
        arena.is_brk = maps::holding(self.mappings, arena.top)?.name == "[heap]";
        let base = end.checked_sub(arena.system_bytes);
        if let Some(base) = base.filter(|base| around.start <= *base && end <= around.end) {
            // malloc aligns the first block, not its header.
            arena.segments.push(base.next_multiple_of(16)..end);
            return Some(());
        }
        let could_hold = |mapping: &&Mapping| {
            let is_plain = mapping.name.is_empty() && mapping.is_anonymous();
            mapping.writable && (is_plain || mapping.name == "[heap]")
        };
        let holding = self.mappings.iter().filter(could_hold);
        let mut pieces: Vec<Range<u64>> =
            holding.flat_map(|mapping| self.pieces(mapping.range(), arena)).collect();
        if !pieces.iter().any(|piece| piece.contains(&arena.top)) {
            pieces.push(arena.top..end);
        }
        pieces.sort_by_key(|piece| piece.start);
        let known: u64 = pieces.iter().map(|piece| piece.end - piece.start).sum();
        if known.abs_diff(arena.system_bytes) > PIECE_REST_BYTES * pieces.len() as u64 {
            let system = arena.system_bytes;
            self.notes.push(format!(
                "the main arena has {system} bytes in several places, of which {known} were found"
            ));
        }
        arena.segments = pieces;
        Some(())
    }

    /// The stretches of chunks from the start of `range` on: each ends with the top, or with the
    /// two fences that malloc leaves, and the kernel may have put an older one right behind it.
    fn pieces(&self, range: Range<u64>, arena: &Arena) -> Vec<Range<u64>> {
        let mut pages = Pages::new(self.memory);
        let mut pieces = Vec::new();
        let (mut start, mut at) = (range.start, range.start);
        while at + HEADER_BYTES <= range.end {
            let Some(word) = pages.word(at + 8) else { break };
            let is_fence = |word: u64| word & SIZE_MASK == HEADER_BYTES;
            if at == arena.top {
                // The application may have written a 0 over its size: the walk has to go on.
                at += arena.top_bytes.max(HEADER_BYTES);
            } else if is_fence(word) && at > start {
                if !pages.word(at + HEADER_BYTES + 8).is_some_and(is_fence) {
                    break;
                }
                at += 2 * HEADER_BYTES;
            } else if let Some(bytes) = plausible(word, true, range.end - at) {
                at += bytes;
                continue;
            } else if let Some(block) = mapped::block_at(&mut pages, start, range.end)
                && at == start
            {
                // A block with a mapping of its own, which the kernel joined to the heap's.
                at = block.address + block.bytes;
                start = at;
                continue;
            } else {
                break;
            }
            pieces.push(start..at);
            // Each began at a page, and may end some words before one.
            at = at.next_multiple_of(PAGE);
            start = at;
        }
        pieces
    }

    /// The mappings around `address` that follow one another without a gap and can be written.
    fn around(&self, address: u64) -> Option<Range<u64>> {
        let at = self.mappings.partition_point(|mapping| mapping.end <= address);
        let own = self.mappings.get(at).filter(|mapping| mapping.contains(address))?;
        let fits = |mapping: &&Mapping| mapping.is_anonymous() && mapping.writable;
        let mut range = own.range();
        for before in self.mappings[..at].iter().rev().take_while(fits) {
            if before.end != range.start {
                break;
            }
            range.start = before.start;
        }
        for after in self.mappings[at + 1..].iter().take_while(fits) {
            if after.start != range.end {
                break;
            }
            range.end = after.end;
        }
        Some(range)
    }

    fn heaps(&mut self, arena: &mut Arena) -> Option<()> {
        let first = arena.address & !(PAGE - 1);
        let heap_header = (arena.address - first).next_multiple_of(16);
        let (newest, bytes_max) = HEAP_BYTES_MAX.iter().find_map(|bytes| {
            let heap = arena.top & !(bytes - 1);
            (self.memory.word(heap)? == arena.address).then_some((heap, *bytes))
        })?;
        let mut heap = newest;
        for _ in 0..HEAPS_MAX {
            let bytes = self.memory.word(heap + 16).filter(|bytes| *bytes <= bytes_max)?;
            let holding = maps::holding(self.mappings, heap)?;
            let end = heap.checked_add(bytes).filter(|_| holding.writable)?;
            let header = if heap == first {
                // Behind the arena itself, which ends after the last of its counters.
                (arena.address - heap + self.head + END_AFTER_BINS).next_multiple_of(16)
            } else {
                heap_header
            };
            let start = heap + header;
            (start + CHUNK_BYTES_MIN <= end).then_some(())?;
            arena.segments.push(start..end);
            if heap == first {
                arena.segments.sort_by_key(|segment| segment.start);
                return Some(());
            }
            heap = self.memory.word(heap + 8)?;
            (self.memory.word(heap)? == arena.address).then_some(())?;
        }
        None
    }

    /// The chunks in the fast bins.
    fn fast(&mut self, arena: &Arena) -> FxHashSet<u64> {
        let mut fast = FxHashSet::default();
        let Some(first_bin) = self.head.checked_sub(16 + FAST_BINS * 8) else { return fast };
        let mut pages = Pages::new(self.memory);
        let holds = |address: u64| {
            address.is_multiple_of(16)
                && arena.segments.iter().any(|segment| segment.contains(&address))
        };
        for bin in 0..FAST_BINS {
            let wanted = CHUNK_BYTES_MIN + 16 * bin;
            let mut chunk = self.memory.word(arena.address + first_bin + 8 * bin).unwrap_or(0);
            while chunk != 0 {
                let fits = holds(chunk)
                    && pages.word(chunk + 8).is_some_and(|word| word & SIZE_MASK == wanted);
                if !fits || fast.len() == FAST_MAX || !fast.insert(chunk) {
                    self.notes.push("a fast bin changed while it was followed".to_owned());
                    break;
                }
                let Some(next) = pages.link(chunk + HEADER_BYTES, holds) else { break };
                chunk = next;
            }
        }
        fast
    }
}
