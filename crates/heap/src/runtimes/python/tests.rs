//! Names of versions, and garbage in place of a heap.

use super::*;
use proptest::prelude::*;

#[test]
fn the_version_is_read_off_the_name_of_the_file() {
    assert_eq!(version_of("python3.9").as_deref(), Some("3.9"));
    assert_eq!(version_of("libpython3.13.so.1.0").as_deref(), Some("3.13"));
    assert_eq!(version_of("python3."), None);
    assert_eq!(version_of("python"), None);
}

/// Every word leads on to another: a walk without bounds would not end.
struct Maze(u64);

impl Memory for Maze {
    fn read(&self, address: u64, into: &mut [u8]) -> usize {
        for (at, byte) in into.iter_mut().enumerate() {
            let word = (address / 8 + at as u64 / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.0;
            *byte = (word & 0xfff_fff8).to_le_bytes()[at % 8];
        }
        into.len()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_walk_through_garbage_ends_and_counts_nothing(seed: u64, head: u64) {
        let maze = Maze(seed);
        let deadline = Instant::now() + std::time::Duration::from_secs(5);
        let mut walk = Walk::new(&maze, Types::new(&maze, Some(12)), deadline);
        walk.generation(head & !7);
        walk.follow();
        prop_assert!(walk.types.totals().len() < 1000);
    }
}
