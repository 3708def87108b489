//! The heap's addresses in half the bits: positions in its stretches laid end to end.
//!
//! Unit of a position: 16 bytes, to which glibc aligns every chunk. Stretches are numbered in the
//! order of the walk, so that the positions of chunks rise as they are shown.

use std::ops::Range;

use crate::glibc::Arenas;

/// log2 of the bytes to a position.
pub const UNIT_BITS: u32 = 4;
const UNIT_BYTES: u64 = 1 << UNIT_BITS;

/// A stretch of heap and the position of its start.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stretch {
    range: Range<u64>,
    base: u32,
}

/// All stretches of one heap.
#[derive(Clone, Debug, Default)]
pub struct Space {
    by_address: Vec<Stretch>,
    /// Where the heap lies, roughly: below the widest gap and above it. Most words of a program
    /// are in neither.
    near: [Range<u64>; 2],
    /// From here on each stretch is one block with a mapping of its own.
    mapped_from: u32,
    end: u32,
}

impl Space {
    /// None where the heap is larger than 64 GiB, which is what 32 bits can number.
    pub fn new(arenas: &Arenas) -> Option<Self> {
        let mapped = arenas.mmapped.iter();
        let mapped = mapped.map(|chunk| chunk.address..chunk.address.saturating_add(chunk.bytes));
        let segments = arenas.list.iter().flat_map(|arena| arena.segments.iter().cloned());
        let mut by_address = Vec::new();
        // Positions 0 and those between two stretches belong to nobody.
        let mut end = 1_u32;
        let (mut mapped_from, segments_count) = (0, segments.clone().count());
        for (index, range) in segments.chain(mapped).enumerate() {
            if index == segments_count {
                mapped_from = end;
            }
            let range = range.start & !(UNIT_BYTES - 1)..range.end;
            let bytes = range.end.checked_sub(range.start)?;
            let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).ok()?;
            by_address.push(Stretch { range, base: end });
            end = end.checked_add(units)?.checked_add(1)?;
        }
        by_address.sort_by_key(|stretch| stretch.range.start);
        if by_address.len() == segments_count {
            mapped_from = end;
        }
        let near = Self::clusters(&by_address);
        Some(Self { by_address, near, mapped_from, end })
    }

    fn clusters(by_address: &[Stretch]) -> [Range<u64>; 2] {
        let (Some(first), Some(last)) = (by_address.first(), by_address.last()) else {
            return [0..0, 0..0];
        };
        let whole = first.range.start..last.range.end;
        let gaps = by_address.windows(2).map(|pair| pair[0].range.end..pair[1].range.start);
        match gaps.max_by_key(|gap| gap.end.saturating_sub(gap.start)) {
            Some(gap) => [whole.start..gap.start, gap.end..whole.end],
            None => [whole, 0..0],
        }
    }

    /// The position of `address`, if it lies in the heap.
    #[inline]
    pub fn position(&self, address: u64) -> Option<u32> {
        if !self.is_near(address) {
            return None;
        }
        let after = self.by_address.partition_point(|stretch| stretch.range.end <= address);
        let stretch = self.by_address.get(after)?;
        let offset = address.checked_sub(stretch.range.start)?;
        // Fits: `new` numbered the whole stretch with 32 bits.
        Some(stretch.base + (offset >> UNIT_BITS) as u32)
    }

    #[inline]
    pub fn is_near(&self, address: u64) -> bool {
        let [low, high] = &self.near;
        address.wrapping_sub(low.start) < low.end - low.start
            || address.wrapping_sub(high.start) < high.end - high.start
    }

    /// The address that `position` was made of, rounded down to 16 bytes.
    pub fn address(&self, position: u32) -> Option<u64> {
        // Few stretches, seldom asked: those that a report names.
        let below = self.by_address.iter().filter(|stretch| stretch.base <= position);
        let stretch = below.max_by_key(|stretch| stretch.base)?;
        Some(stretch.range.start + (u64::from(position - stretch.base) << UNIT_BITS))
    }

    /// Whether a block at `position` has a mapping of its own.
    pub fn is_mapped(&self, position: u32) -> bool {
        position >= self.mapped_from
    }

    /// Above all positions.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// Calls `found` with the address and the position of every word in `bytes`, which lie at
    /// `address`, that points into the heap. The hot loop of the walk.
    #[inline]
    pub fn pointers(&self, address: u64, bytes: &[u8], mut found: impl FnMut(u64, u32)) {
        let [low, high] = &self.near;
        let (low, low_bytes) = (low.start, low.end - low.start);
        let (high, high_bytes) = (high.start, high.end - high.start);
        let (words, _) = bytes.as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let near = (word.wrapping_sub(low) < low_bytes) | (word.wrapping_sub(high) < high_bytes);
            if near && let Some(position) = self.position(word) {
                found(address + 8 * index as u64, position);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glibc::{Arena, Chunk, State};

    fn space() -> Space {
        let segments = vec![0x5000..0x6000, 0x7f00_0000..0x7f00_1000];
        let main = Arena { main: true, segments, ..Arena::default() };
        let mapped =
            Chunk { address: 0x7e00_0000, bytes: 0x1000, state: State::Mapped, arena: 0 };
        Space::new(&Arenas { list: vec![main], mmapped: vec![mapped], ..Arenas::default() }).unwrap()
    }

    #[test]
    fn positions_rise_in_the_order_of_the_walk_and_lead_back() {
        let space = space();
        let positions = [0x5000, 0x5010, 0x5ff8, 0x7f00_0000, 0x7f00_0ff8, 0x7e00_0010];
        let positions = positions.map(|address| space.position(address).unwrap());
        assert_eq!(positions, [1, 2, 256, 258, 513, 516]);
        assert_eq!(space.address(2), Some(0x5010));
        assert_eq!(space.address(513), Some(0x7f00_0ff0));
        assert_eq!(space.address(516), Some(0x7e00_0010));
        for address in [0, 0x4fff, 0x6000, 0x7dff_ffff, 0x7e00_1000, 0x7f00_1000, u64::MAX] {
            assert_eq!(space.position(address), None, "{address:#x}");
        }
        assert!(space.end() > 516);
        assert!(space.is_mapped(516) && !space.is_mapped(513));
    }

    #[test]
    fn only_words_that_point_into_the_heap_are_told() {
        let words = [0, 0x5008, 0x6000, 0x7e00_0fff, u64::MAX];
        let bytes: Vec<u8> = words.iter().flat_map(|word: &u64| word.to_le_bytes()).collect();
        let mut told = Vec::new();
        space().pointers(0x100, &bytes, |at, position| told.push((at, position)));
        assert_eq!(told, [(0x108, 1), (0x118, 770)]);
    }

    #[test]
    fn a_heap_that_32_bits_cannot_number_is_refused() {
        let one = Arena { segments: vec![0..1 << 36], ..Arena::default() };
        assert!(Space::new(&Arenas { list: vec![one], ..Arenas::default() }).is_none());
        assert_eq!(Space::default().position(0), None);
    }
}
