//! `/proc/buddyinfo`: the free blocks of each zone by order, and what that says of fragmentation.

use super::text::{lines, number, words, zone_header};
use crate::sources::{Malformed, ReadError, Roots, read_parsed};

const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// More than any kernel has (x86 11, arm64 with 64 KiB pages 14).
const ORDERS_MAX: usize = 32;

/// The free memory of one zone. `free_blocks[n]` counts blocks of 2^n pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buddy {
    pub node: u32,
    pub zone: String,
    pub free_blocks: Vec<u64>,
}

/// Parses `/proc/buddyinfo`, one zone per line. Zones without pages are not in the file.
///
/// # Errors
/// [`Malformed`] if a line is not `Node N, zone NAME count…`.
pub fn parse(bytes: &[u8]) -> Result<Vec<Buddy>, Malformed> {
    lines(bytes)
        .map(|(at, line)| {
            zone(line).ok_or_else(|| Malformed::new(at, line, "free blocks of a zone by order"))
        })
        .collect()
}

fn zone(line: &[u8]) -> Option<Buddy> {
    let (node, zone, rest) = zone_header(line)?;
    let free_blocks: Vec<u64> = words(rest).map(number).collect::<Option<_>>()?;
    let orders_known = (1..=ORDERS_MAX).contains(&free_blocks.len());
    orders_known.then_some(Buddy { node, zone, free_blocks })
}

/// The share of a zone's free memory that no allocation of `order` could use, because it lies in
/// smaller blocks: 0 (all usable) to 1 (none; also when nothing is free), in steps of 1/1000.
///
/// Source: `unusable_free_index` in the kernel's mm/vmstat.c, with its integer rounding, so that it
/// equals `/sys/kernel/debug/extfrag/unusable_index` without needing debugfs. It tells how likely
/// a huge page is to be had without compaction, not whether memory is short: a zone with a
/// single free page scores 1. The kernel's other figure, the fragmentation index
/// `1000 − (1000 + 1000 × free pages / 2^order) / free blocks`, is only defined where an allocation
/// of that order would fail just now, and is not used.
#[must_use]
pub fn unusable_free_index(free_blocks: &[u64], order: u32) -> f64 {
    let pages = |from: usize| {
        (0_u32..)
            .zip(free_blocks)
            .skip(from)
            .map(|(order, &blocks)| u128::from(blocks) << order.min(63))
            .fold(0_u128, u128::saturating_add)
    };
    let free = pages(0);
    if free == 0 {
        return 1.0;
    }
    let unusable = free - pages(usize::try_from(order).unwrap_or(usize::MAX)).min(free);
    let thousandths = unusable.saturating_mul(1000) / free;
    f64::from(u16::try_from(thousandths).unwrap_or(1000)) / 1000.0
}

/// Reads `/proc/buddyinfo`.
///
/// # Errors
/// As [`read_parsed`].
pub fn read(roots: &Roots) -> Result<Vec<Buddy>, ReadError> {
    read_parsed(&roots.proc.join("buddyinfo"), FILE_BYTES_MAX, parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Captured on Linux 6.18 with `cat /proc/buddyinfo`.
    const LINUX_6_18: &[u8] = include_bytes!("../../../fixtures/node/buddyinfo-6.18.txt");
    /// Captured on Linux 6.1 and 6.12 in a small machine.
    const LINUX_6_1: &[u8] = include_bytes!("../../../fixtures/node/buddyinfo-6.1.txt");
    const LINUX_6_12: &[u8] = include_bytes!("../../../fixtures/node/buddyinfo-6.12.txt");

    #[test]
    fn every_zone_has_its_blocks_by_order() {
        let zones = parse(LINUX_6_18).unwrap();
        let names: Vec<_> = zones.iter().map(|z| (z.node, z.zone.as_str())).collect();
        assert_eq!(names, [(0, "DMA"), (0, "DMA32"), (0, "Normal")]);
        assert_eq!(zones[1].free_blocks, [1, 1, 4, 2, 5, 4, 3, 3, 4, 2, 752]);
    }

    #[test]
    fn a_small_machine_has_two_zones_on_6_1_and_6_12() {
        for (text, dma32) in [
            (LINUX_6_1, [1, 2, 1, 2, 1, 2, 3, 2, 1, 5, 33]),
            (LINUX_6_12, [4, 5, 6, 4, 3, 6, 5, 4, 7, 2, 34]),
        ] {
            let zones = parse(text).unwrap();
            let names: Vec<_> = zones.iter().map(|z| z.zone.as_str()).collect();
            assert_eq!(names, ["DMA", "DMA32"]);
            assert_eq!(zones[1].free_blocks, dma32);
        }
    }

    #[test]
    fn the_index_is_the_kernels_with_its_rounding() {
        // 3 pages free, 2 of them in a block of order 1: a third is unusable, cut to 0.333.
        assert_eq!(unusable_free_index(&[1, 1], 1), 0.333);
        assert_eq!(unusable_free_index(&[1, 1], 0), 0.0);
        assert_eq!(unusable_free_index(&[512, 0, 0, 0, 0, 0, 0, 0, 0, 1], 9), 0.5);
        assert_eq!(unusable_free_index(&[7, 3, 1], 9), 1.0);
        assert_eq!(unusable_free_index(&[0, 0, 0], 0), 1.0);
        // DMA32: 1,843 of 772,915 free pages lie in blocks below order 9.
        let dma32 = &parse(LINUX_6_18).unwrap()[1];
        assert_eq!(unusable_free_index(&dma32.free_blocks, 9), 0.002);
    }

    #[test]
    fn a_broken_line_is_refused_with_its_number() {
        let good = "Node 0, zone DMA 1 2 3\n";
        for bad in ["Node 0, zone DMA", "Node 0, zone DMA 1 x", "Node a, zone DMA 1", "garbage"] {
            assert_eq!(parse(format!("{good}{bad}\n").as_bytes()).unwrap_err().line, 2, "{bad}");
        }
        let orders = " 1".repeat(ORDERS_MAX + 1);
        assert!(parse(format!("Node 0, zone DMA{orders}").as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_damaged_file_never_panics(at in 0..LINUX_6_18.len(), byte in any::<u8>()) {
            let mut bytes = LINUX_6_18.to_vec();
            bytes[at] = byte;
            let _ = parse(&bytes);
        }

        #[test]
        fn the_index_stays_in_its_range_and_grows_with_the_order(
            blocks in proptest::collection::vec(any::<u64>(), 0..40), order in 0_u32..40,
        ) {
            let index = unusable_free_index(&blocks, order);
            prop_assert!((0.0..=1.0).contains(&index));
            prop_assert!(index <= unusable_free_index(&blocks, order + 1));
        }
    }
}
