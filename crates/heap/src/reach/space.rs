//! The heap's addresses in half the bits: positions in its stretches laid end to end.
//!
//! Unit of a position: 16 bytes, to which glibc aligns every chunk. Stretches are numbered in the
//! order of the walk, so that the positions of chunks rise as they are shown.

use std::ops::Range;

use crate::glibc::{Arena, Arenas};

/// log2 of the bytes to a position.
pub const UNIT_BITS: u32 = 4;
const UNIT_BYTES: u64 = 1 << UNIT_BITS;

/// Where a word points: a position, and whether the word may be what is left of a list of free
/// blocks.
///
/// glibc links free blocks by two words, which point to the headers of others; blocks that are used
/// again without being written all over keep them. A header begins where the last word of the block
/// before lies, so that such a remnant would seem to hold that block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place(u32);

impl Place {
    pub fn position(self) -> u32 {
        self.0 >> 1
    }

    pub fn is_perhaps_a_remnant(self) -> bool {
        self.0 & 1 == 1
    }
}

/// A stretch of heap and the position of its start.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stretch {
    range: Range<u64>,
    base: u32,
}

/// Where the record of `arena` lies, as far as it points into the heap: up to the end of its bins.
pub fn record(arena: &Arena) -> Range<u64> {
    /// The top, the last remainder, and 254 words of bins.
    const BINS_BYTES: u64 = 256 * 8;
    arena.address..arena.top_field.saturating_add(BINS_BYTES)
}

/// All stretches of one heap.
#[derive(Clone, Debug, Default)]
pub struct Space {
    by_address: Vec<Stretch>,
    /// Where the heap lies, roughly: below the widest gap and above it. Most words of a program
    /// are in neither.
    near: [Range<u64>; 2],
    /// glibc's own: one for each arena, by address.
    records: Vec<Range<u64>>,
    /// From here on each stretch is one block with a mapping of its own.
    mapped_from: u32,
    end: u32,
}

impl Space {
    /// None where the heap is larger than 32 GiB, which is what 31 bits can number.
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
            end = end.checked_add(units)?.checked_add(1).filter(|end| *end < 1 << 31)?;
        }
        by_address.sort_by_key(|stretch| stretch.range.start);
        if by_address.len() == segments_count {
            mapped_from = end;
        }
        let near = Self::clusters(&by_address);
        let mut records: Vec<_> = arenas.list.iter().map(record).collect();
        records.sort_by_key(|record| record.start);
        Some(Self { by_address, near, records, mapped_from, end })
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

    /// Where `address` points to, if that lies in the heap.
    #[inline]
    pub fn place(&self, address: u64) -> Option<Place> {
        Some(Place(self.position(address)? << 1))
    }

    /// As [`Space::place`], for a word of a block that has `beside` in the other half of its 16
    /// bytes. None as well if the two are sure to be a remnant: nobody but glibc points into its
    /// own records. One half of a link may have been written since, and the last word of a block
    /// stands alone: only beside nothing, or a pointer that is none of glibc's, is it surely the
    /// block's own.
    fn place_beside(&self, address: u64, beside: Option<u64>) -> Option<Place> {
        let place = self.place(address)?;
        if !address.is_multiple_of(UNIT_BYTES) {
            return Some(place);
        }
        let beside = beside.unwrap_or(address);
        let own =
            beside == 0 || (!beside.is_multiple_of(UNIT_BYTES) && self.position(beside).is_some());
        if own {
            return Some(place);
        }
        let after = self.records.partition_point(|record| record.end <= beside);
        let is_record = self.records.get(after).is_some_and(|record| record.start <= beside);
        (!is_record).then_some(Place(place.0 | 1))
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

    /// Calls `found` with the address and the place of every word in `bytes`, which lie at
    /// `address` outside of the heap, that points into it.
    pub fn pointers(&self, address: u64, bytes: &[u8], mut found: impl FnMut(u64, Place)) {
        self.near_words(bytes, |_, index, word| {
            if let Some(place) = self.place(word) {
                found(address + 8 * index as u64, place);
            }
        });
    }

    /// Calls `found` with the place of every word that points into the heap, of the contents of a
    /// block, which lie at `address`.
    #[inline]
    pub fn pointers_of_block(&self, address: u64, bytes: &[u8], mut found: impl FnMut(Place)) {
        let is_first_half = address.is_multiple_of(UNIT_BYTES);
        self.near_words(bytes, |words, index, word| {
            let before = index.is_multiple_of(2) == is_first_half;
            let beside = if before { index + 1 } else { index.wrapping_sub(1) };
            let beside = words.get(beside).map(|word| u64::from_le_bytes(*word));
            if let Some(place) = self.place_beside(word, beside) {
                found(place);
            }
        });
    }

    /// Calls `near` for each word that may point into the heap. The hot loop of the walk.
    #[inline]
    fn near_words(&self, bytes: &[u8], mut near: impl FnMut(&[[u8; 8]], usize, u64)) {
        let [low, high] = &self.near;
        let (low, low_bytes) = (low.start, low.end - low.start);
        let (high, high_bytes) = (high.start, high.end - high.start);
        let (words, _) = bytes.as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            if (word.wrapping_sub(low) < low_bytes) | (word.wrapping_sub(high) < high_bytes) {
                near(words, index, word);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glibc::{Chunk, State};

    fn space() -> Space {
        let segments = vec![0x5000..0x6000, 0x7f00_0000..0x7f00_1000];
        let (address, top_field) = (0x1000, 0x1060);
        let main = Arena { main: true, address, top_field, segments, ..Arena::default() };
        let mapped = Chunk { address: 0x7e00_0000, bytes: 0x1000, state: State::Mapped, arena: 0 };
        Space::new(&Arenas { list: vec![main], mmapped: vec![mapped], ..Arenas::default() })
            .unwrap()
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

    fn bytes(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn only_words_that_point_into_the_heap_are_told() {
        let bytes = bytes(&[0, 0x5008, 0x6000, 0x7e00_0fff, 0x5100, u64::MAX]);
        let mut told = Vec::new();
        space().pointers(0x100, &bytes, |at, place| told.push((at, place.position())));
        assert_eq!(told, [(0x108, 1), (0x118, 770), (0x120, 17)]);
    }

    #[test]
    fn what_lists_of_free_blocks_may_have_left_in_a_block_is_marked() {
        // Pairs: two links; one link of which the other half was written over, once with nothing;
        // a pointer that is no link and one beside it; a link to a bin; and the last word.
        let words = [
            [0x5100, 0x7e00_0020],
            [0x5200, 0x0101_0101],
            [0x5300, 0],
            [0x5108, 0x5400],
            [0x1060, 0x5500],
        ];
        let words = [words.as_flattened(), &[0x5600]].concat();
        let mut told = Vec::new();
        space().pointers_of_block(0x5010, &bytes(&words), |place| {
            told.push((place.position(), place.is_perhaps_a_remnant()));
        });
        let expected = [
            (17, true),
            (517, true),
            (33, true),
            (49, false),
            (17, false),
            (65, false),
            (97, true),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_heap_that_32_bits_cannot_number_is_refused() {
        let segments = std::iter::once(0..1 << 35).collect();
        let one = Arena { segments, ..Arena::default() };
        assert!(Space::new(&Arenas { list: vec![one], ..Arenas::default() }).is_none());
        assert_eq!(Space::default().position(0), None);
    }
}
