//! A small heap that was made up, whole and with bytes of it changed.

use super::walk::walk;
use super::*;
use crate::maps::Mapping;
use crate::memory::window::Window;
use crate::memory::{Memory, Recorded};
use proptest::prelude::*;

const DATA: u64 = 0x10_0000;
const HEAP: u64 = 0x20_0000;
const HEAP_BYTES: u64 = 0x4000;
const ARENA: u64 = DATA + 0x320;
const BINS: u64 = ARENA + 112;

fn put(bytes: &mut [u8], at: u64, word: u64) {
    bytes[at as usize..at as usize + 8].copy_from_slice(&word.to_le_bytes());
}

/// A main arena with empty bins, and chunks: 0x30 in use, 0x40 free, 0x30 in a fast bin, 0x50 in
/// use, the rest top.
fn heap() -> (Recorded, Vec<Mapping>) {
    let mut data = vec![0; 0x1000];
    for pair in 0..127 {
        let at = BINS - DATA + 16 * pair;
        put(&mut data, at, BINS + 16 * pair - 16);
        put(&mut data, at + 8, BINS + 16 * pair - 16);
    }
    let top = HEAP + 0xf0;
    let sizes = [(0, 0x30 | 1), (0x30, 0x40 | 1), (0x70, 0x30), (0xa0, 0x50 | 1)];
    let mut bytes = vec![0; HEAP_BYTES as usize];
    for (at, word) in sizes {
        put(&mut bytes, at + 8, word);
    }
    put(&mut bytes, 0xf8, (HEAP_BYTES - 0xf0) | 1);
    put(&mut data, BINS - DATA - 16, top);
    put(&mut data, BINS - DATA + 2048, ARENA);
    put(&mut data, BINS - DATA + 2072, HEAP_BYTES);
    // The fast bin of 0x30, whose only chunk ends the list as 2.32 and later end it.
    put(&mut data, ARENA - DATA + 16 + 8, HEAP + 0x70);
    put(&mut bytes, 0x80, (HEAP + 0x80) >> 12);
    let mapping = |start, bytes, name: &str| Mapping {
        start,
        end: start + bytes,
        readable: true,
        writable: true,
        name: name.to_owned(),
        ..Mapping::default()
    };
    let mappings =
        vec![mapping(DATA, 0x1000, "/lib/libc.so.6"), mapping(HEAP, HEAP_BYTES, "[heap]")];
    (Recorded { stretches: vec![(DATA, data), (HEAP, bytes)] }, mappings)
}

fn chunks(memory: &Recorded, mappings: &[Mapping]) -> Option<(Vec<Chunk>, Outcome)> {
    let arenas = find(memory, mappings, std::slice::from_ref(&(DATA..DATA + 0x1000)))?;
    let mut seen = Vec::new();
    let outcome = walk(&mut Window::new(memory, None), &arenas, &mut |chunk| seen.push(chunk));
    Some((seen, outcome))
}

#[test]
fn a_small_heap_is_walked_chunk_by_chunk() {
    let (memory, mappings) = heap();
    let (chunks, outcome) = chunks(&memory, &mappings).unwrap();
    assert!(outcome.complete && outcome.notes.is_empty());
    let seen: Vec<_> = chunks.iter().map(|c| (c.address - HEAP, c.bytes, c.state)).collect();
    let expected = [
        (0, 0x30, State::InUse),
        (0x30, 0x40, State::Free),
        (0x70, 0x30, State::Fast),
        (0xa0, 0x50, State::InUse),
        (0xf0, HEAP_BYTES - 0xf0, State::Top),
    ];
    assert_eq!(seen, expected);
    assert_eq!((chunks[0].user(), chunks[0].usable_bytes()), (HEAP + 16, 0x28));
}

#[test]
fn contents_are_shown_of_what_is_wanted_only() {
    struct Wants(Vec<(u64, usize)>);
    impl Visitor for Wants {
        fn chunk(&mut self, _chunk: Chunk) {}
        fn wants(&self, chunk: &Chunk) -> bool {
            chunk.state == State::InUse
        }
        fn contents(&mut self, address: u64, bytes: &[u8]) {
            self.0.push((address - HEAP, bytes.len()));
        }
    }
    let (memory, mappings) = heap();
    let arenas = find(&memory, &mappings, std::slice::from_ref(&(DATA..DATA + 0x1000))).unwrap();
    let mut wants = Wants(Vec::new());
    walk(&mut Window::new(&memory, None), &arenas, &mut wants);
    assert_eq!(wants.0, [(0x10, 0x28), (0xb0, 0x48)]);
}

#[test]
fn data_without_the_heads_of_127_lists_is_no_arena() {
    let (mut memory, mappings) = heap();
    // One list that leads nowhere.
    put(&mut memory.stretches[0].1, BINS - DATA + 16 * 40, 0x1234);
    assert!(chunks(&memory, &mappings).is_none());
    // As of another allocator: nothing, or lists that point to themselves in another way.
    memory.stretches[0].1.fill(0);
    assert!(chunks(&memory, &mappings).is_none());
    for at in (0..0x1000).step_by(8) {
        put(&mut memory.stretches[0].1, at, DATA + at);
    }
    assert!(chunks(&memory, &mappings).is_none());
}

#[test]
fn a_ring_of_arenas_that_does_not_close_is_none() {
    let (mut memory, mappings) = heap();
    put(&mut memory.stretches[0].1, BINS - DATA + 2048, HEAP + 0x20);
    assert!(memory.word(HEAP).is_some());
    assert!(chunks(&memory, &mappings).is_none());
}

#[test]
fn a_top_without_a_size_does_not_hold_up_the_search_for_pieces() {
    let (mut memory, mappings) = heap();
    // Where the heap begins is not told by its end: it is looked for piece by piece.
    put(&mut memory.stretches[0].1, BINS - DATA - 16, HEAP);
    put(&mut memory.stretches[1].1, 8, 0);
    put(&mut memory.stretches[0].1, BINS - DATA + 2072, HEAP);
    let (chunks, _) = chunks(&memory, &mappings).unwrap();
    assert!(chunks.len() <= 1, "{chunks:?}");
}

#[test]
fn a_top_that_makes_no_sense_does_not_lead_the_walk_out_of_the_heap() {
    let (mut memory, mappings) = heap();
    put(&mut memory.stretches[0].1, BINS - DATA - 16, HEAP + 0x38bb);
    put(&mut memory.stretches[1].1, 0x38c8, 0x0400_0740_0000);
    let (chunks, outcome) = chunks(&memory, &mappings).unwrap();
    assert_eq!(chunks.last().map(|top| top.address + top.bytes), Some(HEAP + HEAP_BYTES));
    assert_eq!(outcome.bytes_skipped, 0);
}

proptest! {
    #[test]
    fn a_heap_with_garbage_in_it_is_walked_forward_and_within_its_bounds(
        changes in prop::collection::vec((0..HEAP_BYTES / 8, any::<u64>(), any::<bool>()), 0..40),
        data in prop::collection::vec((0_u64..0x200, any::<u64>()), 0..4),
    ) {
        let (mut memory, mappings) = heap();
        for (word, value, small) in changes {
            put(&mut memory.stretches[1].1, word * 8, if small { value % 0x200 } else { value });
        }
        for (word, value) in data {
            put(&mut memory.stretches[0].1, word * 8, HEAP + value % (2 * HEAP_BYTES));
        }
        if let Some((chunks, outcome)) = chunks(&memory, &mappings) {
            prop_assert!(chunks.len() as u64 <= HEAP_BYTES / 16 + 1);
            for pair in chunks.windows(2) {
                prop_assert!(pair[0].address + 16 <= pair[1].address, "{chunks:?}");
            }
            prop_assert!(outcome.bytes_skipped <= HEAP_BYTES);
        }
    }
}
