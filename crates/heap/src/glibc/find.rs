//! Finds the main arena in the data of modules, and from it all others. No symbol is needed.
//!
//! An arena holds 127 pairs of list heads, and an empty list's head points to itself, 16 bytes
//! before the pair: nothing else looks like that. What is found must also close the ring of arenas
//! and, if it was used, have a top that lies in memory that can be written. Data of musl, jemalloc
//! and others has no such pairs.

use std::ops::Range;

use super::arena::{BIN_PAIRS, HEADS, NEXT_AFTER_BINS, Reader};
use super::{Arenas, MappedCounters, cache, mapped};
use crate::maps::{self, Mapping, read};
use crate::memory::Memory;
use crate::target::Opened;

const PIECE_BYTES: usize = 1 << 20;
/// The data of modules that is searched: main_arena lies in .data of libc, or of the program that
/// has it within.
const SEARCHED_BYTES_MAX: u64 = 256 << 20;
/// Rings longer than this are no rings: malloc makes eight arenas for each core.
const ARENAS_MAX: usize = 16_384;
/// How often the arenas of a process that changes meanwhile are looked for again.
const RETRIES_MAX: usize = 5;
/// `mp_` lies in the same section as `main_arena`.
const COUNTERS_WITHIN: u64 = 64 << 10;

/// The arenas of the process whose modules have `data` (as [`crate::modules::Module::writable`]),
/// in the order in which it is to be searched. None if there is no glibc malloc in use.
#[must_use]
pub fn find<M: Memory + ?Sized>(
    memory: &M,
    mappings: &[Mapping],
    data: &[Range<u64>],
) -> Option<Arenas> {
    let mut searched = 0;
    for range in data {
        let bytes = (range.end - range.start).min(SEARCHED_BYTES_MAX - searched);
        searched += bytes;
        let range = range.start..range.start + bytes;
        if let Some((address, head)) = main_arena(memory, mappings, &range) {
            return Some(all(memory, mappings, data, (address, head)));
        }
    }
    None
}

/// As [`find`], in a process that goes on running: looked for again, in its mappings of then, while
/// what was found makes no sense, or nothing was and the mappings are no longer the same.
#[must_use]
pub fn find_running<M: Memory + ?Sized>(
    opened: &Opened,
    memory: &M,
    mappings: &[Mapping],
    data: &[Range<u64>],
) -> Option<Arenas> {
    let mut arenas = find(memory, mappings, data);
    for _ in 0..RETRIES_MAX {
        if arenas.as_ref().is_some_and(|arenas| arenas.notes.is_empty()) {
            break;
        }
        let Ok(now) = read::mappings(opened) else { break };
        if arenas.is_none() && now == mappings {
            break;
        }
        arenas = find(memory, &now, data).or(arenas);
    }
    arenas
}

/// Address of the main arena within `range`, and where in it the bins begin.
fn main_arena<M: Memory + ?Sized>(
    memory: &M,
    mappings: &[Mapping],
    range: &Range<u64>,
) -> Option<(u64, u64)> {
    let mut bytes = vec![0; PIECE_BYTES];
    let mut at = range.start.next_multiple_of(8);
    let mut tried = u64::MAX;
    while at + 16 <= range.end {
        let length = usize::try_from(range.end - at).map_or(PIECE_BYTES, |n| n.min(PIECE_BYTES));
        let count = memory.read(at, &mut bytes[..length]);
        let words = bytes[..count / 16 * 16].chunks_exact(8);
        let mut before = 0;
        for (index, word) in words.enumerate() {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes were cut"));
            let address = at + 8 * index as u64;
            // Both words of an empty pair point to 16 bytes before the first of them.
            if word == before && word == address.wrapping_sub(24) && tried != address {
                if let Some(found) = bins_around(memory, mappings, address - 8) {
                    return Some(found);
                }
                tried = address;
            }
            before = word;
        }
        // A pair may lie across two pieces; memory that cannot be read is passed over by the page.
        at = if count >= 16 { at + (count / 8 * 8 - 8) as u64 } else { (at | 0xfff) + 1 };
        if count < length && count >= 16 {
            at = (at | 0xfff) + 1;
        }
    }
    None
}

/// The arena of which the pair at `pair` is one of the bins.
fn bins_around<M: Memory + ?Sized>(
    memory: &M,
    mappings: &[Mapping],
    pair: u64,
) -> Option<(u64, u64)> {
    const AROUND: u64 = BIN_PAIRS * 16;
    let from = pair.checked_sub(AROUND)?;
    let mut bytes = vec![0; usize::try_from(2 * AROUND + 32).ok()?];
    let count = memory.read(from, &mut bytes);
    let word = |address: u64| {
        let at = usize::try_from(address.checked_sub(from)?).ok()?;
        Some(u64::from_le_bytes(bytes[..count].get(at..at + 8)?.try_into().ok()?))
    };
    for index in 0..BIN_PAIRS {
        let bins = pair - 16 * index;
        let Some(next) =
            word(bins + NEXT_AFTER_BINS).or_else(|| memory.word(bins + NEXT_AFTER_BINS))
        else {
            continue;
        };
        if maps::holding(mappings, next).is_none_or(|mapping| !mapping.writable) {
            continue;
        }
        let are_bins = (0..BIN_PAIRS).all(|index| {
            let at = bins + 16 * index;
            let own = at - 16;
            let is_link = |link: u64| {
                link == own
                    || (link != 0
                        && link.is_multiple_of(16)
                        && maps::holding(mappings, link).is_some_and(|mapping| mapping.writable))
            };
            let read = |at| word(at).or_else(|| memory.word(at));
            matches!((read(at), read(at + 8)), (Some(fd), Some(bk)) if is_link(fd) && is_link(bk))
        });
        if !are_bins {
            continue;
        }
        for head in HEADS {
            let address = bins.checked_sub(head)?;
            let reader = Reader { memory, mappings, head, notes: Vec::new() };
            if ring(&reader, address).is_some() {
                return Some((address, head));
            }
        }
    }
    None
}

/// The addresses of all arenas, if their chain comes back to the one at `main`.
fn ring<M: Memory + ?Sized>(reader: &Reader<'_, M>, main: u64) -> Option<Vec<u64>> {
    let mut ring = vec![main];
    let mut at = reader.next(main)?;
    while at != main {
        let page_offset = at & 0xfff;
        // Every other arena lies right behind the header of its first heap.
        if !matches!(page_offset, 0x20 | 0x30) || ring.len() == ARENAS_MAX {
            return None;
        }
        (reader.memory.word(at - page_offset)? == at).then_some(())?;
        ring.push(at);
        at = reader.next(at)?;
    }
    Some(ring)
}

fn all<M: Memory + ?Sized>(
    memory: &M,
    mappings: &[Mapping],
    data: &[Range<u64>],
    (main, head): (u64, u64),
) -> Arenas {
    let mut reader = Reader { memory, mappings, head, notes: Vec::new() };
    let mut arenas = Arenas::default();
    let ring = ring(&reader, main).unwrap_or_else(|| vec![main]);
    for address in ring {
        match reader.arena(address, address == main) {
            Some(arena) => arenas.list.push(arena),
            None => reader.notes.push(format!("the arena at {address:#x} could not be read")),
        }
    }
    arenas.notes = reader.notes;
    arenas.head = head;
    arenas.mapped_counters = counters(memory, data, &arenas);
    arenas.key = cache::learn_key(memory, &arenas);
    mapped::find(memory, mappings, &mut arenas);
    arenas
}

/// The counters of `malloc_par`: they lie before the address at which the heap begins, which is
/// known from the main arena.
fn counters<M: Memory + ?Sized>(
    memory: &M,
    data: &[Range<u64>],
    arenas: &Arenas,
) -> Option<MappedCounters> {
    let arena = arenas.list.first().filter(|arena| arena.main)?;
    let heap = match arena.segments.as_slice() {
        [_] => (arena.top + arena.top_bytes).checked_sub(arena.system_bytes)?,
        // What brk gave first lies lowest.
        [first, ..] => first.start,
        [] => return None,
    };
    let around = arena.address.saturating_sub(COUNTERS_WITHIN)..arena.address + COUNTERS_WITHIN;
    data.iter().find_map(|range| {
        let (start, end) = (range.start.max(around.start), range.end.min(around.end));
        let mut bytes = vec![0; usize::try_from(end.checked_sub(start)?).ok()?];
        let count = memory.read(start, &mut bytes);
        counters_before(&bytes[..count], heap)
    })
}

/// The counters in `bytes`, which lie before the word `heap`.
fn counters_before(bytes: &[u8], heap: u64) -> Option<MappedCounters> {
    let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let small = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    (40..bytes.len().saturating_sub(7)).step_by(8).find_map(|at| {
        (word(at)? == heap).then_some(())?;
        let (mapped, most) = (word(at - 16)?, word(at - 8)?);
        let fits = mapped <= most && mapped.is_multiple_of(4096);
        // Since 2.35 there is one more number before the count, and room behind the last.
        [36, 32].into_iter().filter(|_| fits).find_map(|before| {
            let (count, limit, highest) =
                (small(at - before)?, small(at - before + 4)?, small(at - before + 8)?);
            let fits = count <= highest
                && highest <= limit
                && (count == 0) == (mapped == 0)
                && (highest == 0) == (most == 0)
                && u64::from(count) * 4096 <= mapped;
            let counters = MappedCounters { count: count.into(), bytes: mapped };
            fits.then_some(counters)
        })
    })
}
