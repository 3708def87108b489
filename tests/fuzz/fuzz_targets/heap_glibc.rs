//! Arbitrary bytes as a heap under a well-formed arena: the walk ends, and stays in its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_heap::glibc::walk::walk;
use plimsoll_heap::glibc::{Chunk, find};
use plimsoll_heap::maps::Mapping;
use plimsoll_heap::memory::Recorded;
use plimsoll_heap::memory::window::Window;

const DATA: u64 = 0x10_0000;
const HEAP: u64 = 0x20_0000;

fuzz_target!(|bytes: &[u8]| {
    let length = bytes.len() as u64 / 16 * 16;
    let mut data = vec![0; 0x1000];
    let mut put = |at: u64, word: u64| {
        data[at as usize..at as usize + 8].copy_from_slice(&word.to_le_bytes());
    };
    let bins = 0x320 + 112;
    for pair in 0..127 {
        put(bins + 16 * pair, DATA + bins + 16 * pair - 16);
        put(bins + 16 * pair + 8, DATA + bins + 16 * pair - 16);
    }
    // Top and fast bins are the input's as well.
    let word = |at: usize| {
        bytes.get(at..at + 8).map_or(0, |word| u64::from_le_bytes(word.try_into().unwrap()))
    };
    put(bins - 16, HEAP + word(0) % (length + 16));
    put(bins - 96, HEAP + word(8) % (length + 16));
    put(bins + 2048, DATA + 0x320);
    put(bins + 2072, length);
    let mapping = |start, bytes, name: &str| Mapping {
        start,
        end: start + bytes,
        readable: true,
        writable: true,
        name: name.to_owned(),
        ..Mapping::default()
    };
    let mappings = [mapping(DATA, 0x1000, "/libc.so.6"), mapping(HEAP, length.max(16), "[heap]")];
    let memory = Recorded { stretches: vec![(DATA, data), (HEAP, bytes.to_vec())] };
    let Some(arenas) = find(&memory, &mappings, std::slice::from_ref(&(DATA..DATA + 0x1000)))
    else {
        return;
    };
    let mut last = 0;
    walk(&mut Window::new(&memory, None), &arenas, &mut |chunk: Chunk| {
        assert!(chunk.address > last || chunk.address >= HEAP);
        last = chunk.address;
    });
});
