//! The walk over all chunks of all arenas, through one window that is used again and again.
//!
//! Each step goes forward by at least 16 bytes and never beyond the segment, so that a walk ends
//! whatever it reads. On a process that runs, a chunk can be joined to its neighbour between two
//! reads: what does not fit is read once more, and then passed over up to the next place from which
//! several headers in a row make sense. What was passed over is counted and told.

use super::{Arena, Arenas, Chunk, HEADER_BYTES, Key, Outcome, State, Visitor, cache};
use crate::maps::residency::PAGE_BYTES;
use crate::memory::Memory;
use crate::memory::window::Window;

/// The smallest chunk there is.
pub(super) const CHUNK_BYTES_MIN: u64 = 32;
pub(super) const SIZE_MASK: u64 = !7;
pub(super) const PREVIOUS_IN_USE: u64 = 1;
pub(super) const MAPPED: u64 = 2;
pub(super) const NOT_MAIN: u64 = 4;
/// Headers in a row that must make sense before a walk goes on after a gap.
const HEADERS_AGAIN: usize = 8;
/// How far the next place to go on from is looked for.
const GAP_BYTES_MAX: u64 = 64 << 20;
/// How often a walk follows a top that moves away.
const TOP_MOVES_MAX: u32 = 1024;
/// Chunks larger than this are never in a thread's cache (2.42 can be told otherwise; then their
/// lists say so).
const CACHED_BYTES_MAX: u64 = 0x410;

/// Shows every chunk of `arenas` to `visitor`: segment by segment, then those with a mapping of
/// their own. `window` is one of the memory that the arenas were found in.
pub fn walk<M: Memory + ?Sized, V: Visitor + ?Sized>(
    window: &mut Window<'_, M>,
    arenas: &Arenas,
    visitor: &mut V,
) -> Outcome {
    let outcome = Outcome { complete: true, ..Outcome::default() };
    let caches = cache::Caches::new(arenas);
    let mut walker = Walker { window, visitor, outcome, caches, key: arenas.key };
    for (index, arena) in arenas.list.iter().enumerate() {
        let Ok(index) = u16::try_from(index) else { break };
        for segment in &arena.segments {
            let is_last = segment.contains(&arena.top);
            walker.segment(arena, index, (segment.start, segment.end), is_last);
        }
    }
    for chunk in &arenas.mmapped {
        walker.show(*chunk);
    }
    let Walker { mut outcome, caches, window, .. } = walker;
    if window.swapped > 0 {
        outcome.notes.push(format!("{} headers lay in pages not in RAM", window.swapped));
    }
    outcome.cached = caches.follow(window.memory);
    outcome
}

struct Walker<'a, 'w, M: ?Sized, V: ?Sized> {
    window: &'a mut Window<'w, M>,
    visitor: &'a mut V,
    outcome: Outcome,
    caches: cache::Caches<'a>,
    key: Option<Key>,
}

/// A header and the one after it.
struct Step {
    bytes: u64,
    in_use: bool,
}

impl<M: Memory + ?Sized, V: Visitor + ?Sized> Walker<'_, '_, M, V> {
    fn segment(&mut self, arena: &Arena, index: u16, (start, mut end): (u64, u64), is_last: bool) {
        let (mut at, mut top, mut moves) = (start, arena.top, 0);
        let mut after_fence = false;
        while at + HEADER_BYTES <= end {
            if is_last && (at == top || self.reaches(at, end)) {
                let now = self.window.memory.word(arena.top_field).unwrap_or(top);
                if now == at || moves == TOP_MOVES_MAX {
                    let bytes = self.top_bytes(at, end);
                    self.emit(Chunk { address: at, bytes, state: State::Top, arena: index });
                    return;
                }
                (top, moves) = (now, moves + 1);
                if let Some(new_end) = self.end_of_top(now).filter(|_| now > at) {
                    // It moved on while the walk was under way, perhaps into memory that is new.
                    end = end.max(new_end.min(end + GAP_BYTES_MAX));
                    self.window.forget();
                }
            }
            if let Some(bytes) = self.fence(at, end) {
                self.emit(Chunk { address: at, bytes, state: State::Fence, arena: index });
                at += bytes;
                after_fence = true;
                continue;
            }
            let step = self.step(arena, at, end).or_else(|| {
                self.window.forget();
                self.step(arena, at, end)
            });
            let Some(step) = step else {
                let Some(next) = self.after_gap(arena, at, end, after_fence) else { return };
                at = next;
                continue;
            };
            let state = self.state(arena, at, &step);
            self.show(Chunk { address: at, bytes: step.bytes, state, arena: index });
            at += step.bytes;
            after_fence = false;
        }
    }

    /// Where the top at `top` ends, if it is one: it begins where blocks do and fills its last
    /// page.
    fn end_of_top(&self, top: u64) -> Option<u64> {
        let word = self.window.memory.word(top.checked_add(8)?)?;
        let end = top.checked_add(word & SIZE_MASK)?;
        (top.is_multiple_of(16) && end.is_multiple_of(PAGE_BYTES)).then_some(end)
    }

    /// How long the top at `at` is. It may have grown behind the end that is known; beyond that the
    /// application wrote over its header.
    fn top_bytes(&mut self, at: u64, end: u64) -> u64 {
        let rest = end - at;
        let Some(word) = self.window.memory.word(at + 8) else { return rest };
        let bytes = word & SIZE_MASK;
        if bytes <= rest.saturating_add(GAP_BYTES_MAX) {
            return bytes;
        }
        self.outcome.complete = false;
        self.outcome.bytes_skipped += HEADER_BYTES;
        rest
    }

    /// The chunk at `at` is the last before `end`, as only the top is.
    fn reaches(&mut self, at: u64, end: u64) -> bool {
        let word = self.window.word(at + 8, end);
        word.is_some_and(|word| at.saturating_add(word & SIZE_MASK) >= end)
    }

    /// The end of a full segment: a chunk too small to be one.
    fn fence(&mut self, at: u64, end: u64) -> Option<u64> {
        let size = self.window.word(at + 8, end)? & SIZE_MASK;
        let is_end = size == 0 && at + HEADER_BYTES == end;
        (size == HEADER_BYTES || is_end).then_some(HEADER_BYTES)
    }

    fn step(&mut self, arena: &Arena, at: u64, end: u64) -> Option<Step> {
        let word = self.window.word(at + 8, end)?;
        let bytes = plausible(word, arena.main, end - at)?;
        let next = at + bytes;
        if next == end {
            return Some(Step { bytes, in_use: true });
        }
        let after = self.window.peek(next + 8)?;
        let after_bytes = after & SIZE_MASK;
        let fits = after_bytes <= HEADER_BYTES
            || next == arena.top
            || plausible(after, arena.main, end - next).is_some();
        fits.then_some(Step { bytes, in_use: after & PREVIOUS_IN_USE != 0 })
    }

    fn state(&mut self, arena: &Arena, at: u64, step: &Step) -> State {
        if !step.in_use {
            return State::Free;
        }
        if arena.fast.contains(&at) {
            return State::Fast;
        }
        let Some(key) = self.key.filter(|_| step.bytes <= CACHED_BYTES_MAX) else {
            return State::InUse;
        };
        match (key, self.window.peek(at + HEADER_BYTES + 8)) {
            (Key::Random(key), Some(word)) if word == key => State::Cached,
            (Key::CacheAddress, Some(word)) if self.caches.is_cache(self.window.memory, word) => {
                State::Cached
            }
            _ => State::InUse,
        }
    }

    fn emit(&mut self, chunk: Chunk) {
        self.outcome.chunks += 1;
        self.outcome.bytes += chunk.bytes;
        self.visitor.chunk(chunk);
    }

    fn show(&mut self, chunk: Chunk) {
        self.emit(chunk);
        if chunk.state == State::InUse && cache::has_size(chunk.bytes) {
            let end = chunk.address + chunk.bytes;
            self.caches.offer(chunk, |address| self.window.word(address, end));
        }
        if !self.visitor.wants(&chunk) {
            return;
        }
        let end = chunk.user() + chunk.usable_bytes();
        let mut at = chunk.user();
        while at < end {
            let piece = self.window.piece(at, end);
            if piece.is_empty() {
                let next = self.window.behind(at, end);
                self.outcome.pages_missing += (next - at).div_ceil(PAGE_BYTES);
                at = next;
                continue;
            }
            self.visitor.contents(at, piece);
            at += piece.len() as u64;
        }
    }

    /// Where the walk can go on after `at`, which makes no sense.
    fn after_gap(&mut self, arena: &Arena, at: u64, end: u64, after_fence: bool) -> Option<u64> {
        let limit = end.min(at.saturating_add(GAP_BYTES_MAX));
        let mut next = at + HEADER_BYTES;
        while next < limit && !self.makes_sense(arena, next, end) {
            let is_there = self.window.peek(next + 8).is_some();
            next = if is_there { next + HEADER_BYTES } else { self.window.behind(next, limit) };
        }
        if after_fence && arena.main && next < limit {
            // Somebody else called sbrk(2): the heap goes on behind what it took.
            self.outcome
                .notes
                .push(format!("{} bytes within the heap are not malloc's", next - at));
        } else {
            self.outcome.complete = false;
            self.outcome.bytes_skipped += next - at;
        }
        (next < limit).then_some(next)
    }

    fn makes_sense(&mut self, arena: &Arena, at: u64, end: u64) -> bool {
        let mut next = at;
        for _ in 0..HEADERS_AGAIN {
            let Some(word) = self.window.peek(next + 8) else { return false };
            let Some(bytes) = plausible(word, arena.main, end - next) else { return false };
            next += bytes;
            if next == end {
                return true;
            }
        }
        true
    }
}

/// The size in `word`, if it can be that of a chunk with `room` bytes before the end.
pub(super) fn plausible(word: u64, main: bool, room: u64) -> Option<u64> {
    let bytes = word & SIZE_MASK;
    let flags_fit = word & MAPPED == 0 && !(main && word & NOT_MAIN != 0);
    let fits = bytes >= CHUNK_BYTES_MIN && bytes.is_multiple_of(16) && bytes <= room;
    (flags_fit && fits).then_some(bytes)
}
