//! Blocks with a mapping of their own: where they are.
//!
//! Their header says that it is one, and how many whole pages it has. The kernel joins neighbours
//! to one mapping, so after one block another may follow; one that lies behind memory of others is
//! only found by looking at every page, which is done if malloc's own counter says that some are
//! missing.

use super::pages::Pages;
use super::walk::{MAPPED, SIZE_MASK};
use super::{Arenas, Chunk, HEADER_BYTES, State};
use crate::maps::Mapping;
use crate::memory::Memory;

const PAGE: u64 = 4096;
/// Memory that is looked through page by page.
const LOOKED_BYTES_MAX: u64 = 1 << 30;
const LOOK_BYTES: usize = 1 << 20;
/// Blocks that are kept; a process may have 65,536 of them unless it was told otherwise.
const CHUNKS_MAX: usize = 1 << 20;
/// The largest alignment for which the block behind the unused beginning is looked for.
const ALIGNMENT_MAX: u64 = 4 << 20;

pub(super) fn find<M: Memory + ?Sized>(memory: &M, mappings: &[Mapping], arenas: &mut Arenas) {
    if arenas.mapped_counters.is_some_and(|counters| counters.count == 0) {
        return;
    }
    let is_candidate =
        |mapping: &&Mapping| mapping.is_anonymous() && mapping.writable && mapping.name != "[heap]";
    let mut segments: Vec<_> = arenas.segments().cloned().collect();
    segments.sort_by_key(|segment| segment.start);
    let mut found = Vec::new();
    let mut rest = Vec::new();
    for mapping in mappings.iter().filter(is_candidate) {
        let mut start = mapping.start;
        let first = segments.partition_point(|segment| segment.end <= mapping.start);
        let within = segments[first..].iter().take_while(|segment| segment.start < mapping.end);
        let stops = within.map(|segment| (segment.start & !(PAGE - 1), segment.end));
        for (stop, after) in stops.chain([(mapping.end, mapping.end)]) {
            let end = chain(memory, start, stop, &mut found);
            if end < stop {
                rest.push((end, stop));
            }
            start = after.next_multiple_of(PAGE);
        }
    }
    let bytes = |found: &[Chunk]| found.iter().map(|chunk| chunk.bytes).sum::<u64>();
    // With alignment the unused beginning belongs to the block in malloc's count.
    let known = arenas.mapped_counters.map(|counters| counters.bytes);
    if let Some(known) = known.filter(|&known| bytes(&found) < known) {
        let mut looked = 0;
        for (start, end) in rest {
            let end = end.min(start + (LOOKED_BYTES_MAX - looked));
            looked += end - start;
            look(memory, start, end, &mut found);
        }
        found.sort_by_key(|chunk| chunk.address);
        if bytes(&found) + PAGE * found.len() as u64 <= known {
            let missing = known - bytes(&found);
            arenas.notes.push(format!("{missing} bytes of blocks with own mappings not found"));
        }
    }
    arenas.mmapped = found;
}

/// Adds the blocks that follow one another from `at` on; returns where they end.
fn chain<M: Memory + ?Sized>(memory: &M, mut at: u64, end: u64, found: &mut Vec<Chunk>) -> u64 {
    while at < end && found.len() < CHUNKS_MAX {
        let Some(chunk) = at_page(memory, at, end) else { break };
        at = chunk.address + chunk.bytes;
        found.push(chunk);
    }
    at
}

/// A block without alignment whose mapping begins at `page`.
pub(super) fn block_at<M: Memory + ?Sized>(
    pages: &mut Pages<'_, M>,
    page: u64,
    end: u64,
) -> Option<Chunk> {
    let pair = (pages.word(page)?, pages.word(page.checked_add(8)?)?);
    page.is_multiple_of(PAGE).then(|| block(page, 0, pair, end))?
}

/// The block whose mapping begins at `page`.
fn at_page<M: Memory + ?Sized>(memory: &M, page: u64, end: u64) -> Option<Chunk> {
    let mut head = [0; PAGE as usize];
    let count = memory.read(page, &mut head);
    let word =
        |at: usize| Some(u64::from_le_bytes(head[..count].get(at..at + 8)?.try_into().ok()?));
    if let Some(chunk) = block(page, 0, (word(0)?, word(8)?), end) {
        return Some(chunk);
    }
    // A block that was asked for with an alignment begins later, and says how much.
    for before in (16..PAGE).step_by(16) {
        let at = before as usize;
        let Some(pair) = word(at).zip(word(at + 8)) else { break };
        if let Some(chunk) = block(page, before, pair, end) {
            return Some(chunk);
        }
    }
    let mut alignment = PAGE;
    while alignment <= ALIGNMENT_MAX && page + alignment < end {
        // The mapping begins at any page: what is aligned is the block, 16 bytes behind its header.
        let address = (page + HEADER_BYTES).next_multiple_of(alignment) - HEADER_BYTES;
        let pair = memory.word(address).zip(memory.word(address + 8));
        if let Some(chunk) = pair.and_then(|pair| block(page, address - page, pair, end)) {
            return Some(chunk);
        }
        alignment *= 2;
    }
    None
}

/// The block that begins `before` bytes behind `page`. Until 2.42 its size has its header in it,
/// since 2.43 it has not, and the lowest bit of the word before says whether its pages are huge.
fn block(page: u64, before: u64, (previous, size): (u64, u64), end: u64) -> Option<Chunk> {
    // Any word may stand here: beyond this line all sums stay within the mapping.
    let room = end.checked_sub(page)?;
    let whole = before.checked_add(size & SIZE_MASK).filter(|whole| *whole <= room)?;
    let header = [0, HEADER_BYTES].into_iter().find(|header| (whole + header) % PAGE == 0)?;
    let fits = size & 7 == MAPPED
        && previous & !u64::from(header > 0) == before
        && whole + header > before + 2 * HEADER_BYTES
        && whole + header <= room;
    let bytes = whole + header - before;
    fits.then_some(Chunk { address: page + before, bytes, state: State::Mapped, arena: 0 })
}

/// Looks at the first words of every page.
fn look<M: Memory + ?Sized>(memory: &M, start: u64, end: u64, found: &mut Vec<Chunk>) {
    let mut bytes = vec![0; LOOK_BYTES];
    let mut at = start;
    while at < end && found.len() < CHUNKS_MAX {
        let length = usize::try_from(end - at).map_or(LOOK_BYTES, |n| n.min(LOOK_BYTES));
        let count = memory.read(at, &mut bytes[..length]);
        let mut next = at + (count as u64).max(PAGE) / PAGE * PAGE;
        for page in (0..count / PAGE as usize).map(|page| page * PAGE as usize) {
            let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8"));
            let address = at + page as u64;
            if let Some(chunk) = block(address, 0, (word(page), word(page + 8)), end) {
                found.push(chunk);
                next = chain(memory, address + chunk.bytes, end, found);
                break;
            }
        }
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_words_make_a_block_that_leaves_its_mapping_or_overflows() {
        let (page, end) = (16 * PAGE, 24 * PAGE);
        for previous in [0, 1, PAGE, u64::MAX] {
            for size in [u64::MAX, u64::MAX - 5, SIZE_MASK | MAPPED, (8 * PAGE) | MAPPED, MAPPED] {
                for before in [0, 16, PAGE, 7 * PAGE] {
                    if let Some(chunk) = block(page, before, (previous, size), end) {
                        assert!(chunk.address + chunk.bytes <= end, "{chunk:?}");
                    }
                }
            }
        }
    }
}
