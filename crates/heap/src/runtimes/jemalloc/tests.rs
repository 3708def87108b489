//! Size classes against jemalloc's documentation, and garbage in place of arenas.

use super::*;
use proptest::prelude::*;

#[test]
fn size_classes_are_those_of_the_manual() {
    let small: Vec<u64> = (0..SMALL).map(class_size).collect();
    assert_eq!(small[..12], [8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224]);
    assert_eq!(small[SMALL - 3..], [10240, 12288, 14336]);
    let large: Vec<u64> = (SMALL..SMALL + layout::LARGE).map(class_size).collect();
    assert_eq!(large[..5], [16384, 20480, 24576, 28672, 32768]);
    assert_eq!(large[layout::LARGE - 1], 7 << 60);
}

/// Memory in which every word is made of its address and a seed: no reading fails.
struct Noise(u64);

impl Memory for Noise {
    fn read(&self, address: u64, into: &mut [u8]) -> usize {
        for (at, byte) in into.iter_mut().enumerate() {
            let word = (address / 8 + at as u64 / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.0;
            *byte = word.to_le_bytes()[at % 8];
        }
        into.len()
    }
}

proptest! {
    #[test]
    fn garbage_is_no_arena_and_breaks_nothing(seed: u64, at: u64) {
        prop_assert!(matching(&Noise(seed), at & !7).is_none());
        let bins = vec![Bin { size: 8, shards: 64 }; SMALL];
        let mut classes = classes(&bins);
        for layout in &LAYOUTS {
            let found = Found { address: at & !7, index: 0, layout };
            prop_assert!(arena(&Noise(seed), &found, &bins, &mut classes).is_none());
        }
    }
}
