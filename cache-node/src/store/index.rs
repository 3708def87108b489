//! Where items are, by the hash of their key: linear hashing that grows a bucket at a time.
//!
//! A bucket is a cache line of eight slots of eight bytes. A bucket that is too full hands its last
//! slot to a link to an overflow unit of half a line; units are chained. The table grows by
//! splitting one bucket, and shrinks by merging one, so that it never doubles at once. It does
//! not know what a place holds: who calls says which places are stale.
//! Source: Litwin, "Linear hashing", VLDB 1980. At the load below about one hit in five reads a
//! second line, and an item takes 10.7 to 11.3 bytes.

mod ahead;

pub use ahead::Search;

/// Slots of a bucket.
const SLOTS: usize = 8;
/// Slots of an overflow unit.
const UNIT_SLOTS: usize = 4;
/// Buckets that are allocated at once.
const CHUNK_BUCKETS: usize = 256;
/// Overflow units that are allocated at once.
const CHUNK_UNITS: usize = 512;
/// What one chunk of either kind takes. Units: bytes.
pub const CHUNK_BYTES: u64 = (CHUNK_BUCKETS * SLOTS * 8) as u64;
/// The table begins with one chunk: 2^8 buckets.
const LEVEL_MIN: u32 = CHUNK_BUCKETS.trailing_zeros();
/// Items for each hundred slots of buckets, above which it grows.
const LOAD_PERCENT_MAX: usize = 95;
/// And below which it shrinks.
const LOAD_PERCENT_MIN: usize = 70;

const SEGMENT_BITS: u32 = 18;
const OFFSET_BITS: u32 = 18;
const TAG_SHIFT: u32 = 48;
/// Highest life of a segment; see [`Place`]. The first is 1.
pub const LIFE_MAX: u16 = (1 << 12) - 1;
/// Most segments of one partition.
pub const SEGMENTS_MAX: u32 = 1 << SEGMENT_BITS;

/// Where a record is: the segment, in which of its lives, and the offset in it.
///
/// A segment that is freed begins a new life, and all places in it are stale at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u64);

impl Place {
    pub fn new(segment: u32, life: u16, offset: usize) -> Self {
        debug_assert!(segment < SEGMENTS_MAX && (1..=LIFE_MAX).contains(&life));
        let units = (offset / super::record::ALIGN) as u64;
        Self(u64::from(life) << 36 | u64::from(segment) << OFFSET_BITS | units)
    }

    pub fn segment(self) -> u32 {
        (self.0 >> OFFSET_BITS) as u32 & (SEGMENTS_MAX - 1)
    }

    pub fn life(self) -> u16 {
        (self.0 >> 36) as u16 & LIFE_MAX
    }

    pub fn offset(self) -> usize {
        (self.0 as usize & ((1 << OFFSET_BITS) - 1)) * super::record::ALIGN
    }

    pub fn to_le_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    pub fn from_le_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes) & ((1 << TAG_SHIFT) - 1))
    }
}

fn slot(hash: u64, place: Place) -> u64 {
    tag(hash) << TAG_SHIFT | place.0
}

/// Bits of the hash that choose neither bucket nor partition.
fn tag(hash: u64) -> u64 {
    hash >> 32 & 0xFFFF
}

fn place_of(slot: u64) -> Place {
    Place(slot & ((1 << TAG_SHIFT) - 1))
}

/// A slot holds an item, a link (whose life is 0), or nothing.
fn is_item(slot: u64) -> bool {
    place_of(slot).life() != 0
}

/// The unit that a link leads to.
fn link(slot: u64) -> Option<u32> {
    (slot != 0 && !is_item(slot)).then(|| slot as u32 - 1)
}

#[derive(Clone, Debug)]
#[repr(align(64))]
struct Bucket([u64; SLOTS]);

type Unit = [u64; UNIT_SLOTS];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    Bucket(usize),
    Unit(u32),
}

/// A slot that was found; good until the index is changed.
#[derive(Clone, Copy, Debug)]
pub struct At {
    bucket: usize,
    row: Row,
    slot: usize,
}

#[derive(Debug)]
pub struct Index {
    chunks: Vec<Box<[Bucket]>>,
    units: Vec<Box<[Unit]>>,
    /// First of the free units, chained through their first slot.
    free: u64,
    free_count: usize,
    /// 2^level buckets, of which the first `split` are split in two.
    level: u32,
    split: usize,
    scratch: Vec<u64>,
}

impl Index {
    /// Of one chunk.
    pub fn new() -> Self {
        Self {
            chunks: vec![chunk()],
            units: Vec::new(),
            free: 0,
            free_count: 0,
            level: LEVEL_MIN,
            split: 0,
            scratch: Vec::new(),
        }
    }

    /// Units: bytes, always whole chunks.
    pub fn bytes(&self) -> u64 {
        (self.chunks.len() + self.units.len()) as u64 * CHUNK_BYTES
    }

    pub fn buckets(&self) -> usize {
        (1 << self.level) + self.split
    }

    /// The place in a slot that was found.
    pub fn place(&self, at: At) -> Option<Place> {
        self.row(at.row).get(at.slot).map(|slot| place_of(*slot))
    }

    /// The slot of the hash whose place is the `same`.
    pub fn find(&self, hash: u64, mut same: impl FnMut(Place) -> bool) -> Option<At> {
        let bucket = self.bucket_of(hash);
        let wanted = tag(hash);
        let Bucket(slots) = &self.chunks[bucket / CHUNK_BUCKETS][bucket % CHUNK_BUCKETS];
        if let Some(slot) = match_in(slots, wanted, &mut same) {
            return Some(At { bucket, row: Row::Bucket(bucket), slot });
        }
        let mut last = slots[SLOTS - 1];
        while let Some(unit) = link(last) {
            let slots = &self.units[unit as usize / CHUNK_UNITS][unit as usize % CHUNK_UNITS];
            if let Some(slot) = match_in(slots, wanted, &mut same) {
                return Some(At { bucket, row: Row::Unit(unit), slot });
            }
            last = slots[UNIT_SLOTS - 1];
        }
        None
    }

    /// Whether the next insertion may lack an overflow unit.
    pub fn wants_units(&self) -> bool {
        self.free_count == 0
    }

    /// Adds a chunk of overflow units.
    pub fn add_units(&mut self) {
        let first = self.units.len() * CHUNK_UNITS;
        self.units.push(vec![[0; UNIT_SLOTS]; CHUNK_UNITS].into());
        for unit in (first..first + CHUNK_UNITS).rev() {
            self.free_unit(unit as u32);
        }
    }

    /// Adds a place; false if that needs an overflow unit and there is none.
    pub fn insert(&mut self, hash: u64, place: Place, stale: impl Fn(Place) -> bool) -> bool {
        self.insert_slot(self.bucket_of(hash), slot(hash, place), stale)
    }

    pub fn replace(&mut self, at: At, place: Place) {
        if let Some(held) = self.row_mut(at.row).get_mut(at.slot) {
            *held = *held >> TAG_SHIFT << TAG_SHIFT | place.0;
        }
    }

    pub fn remove(&mut self, at: At) {
        let slots = self.row_mut(at.row);
        slots[at.slot] = 0;
        let is_empty = !slots.iter().any(|slot| is_item(*slot));
        if is_empty && matches!(at.row, Row::Unit(_)) {
            self.rebuild(at.bucket, |_| false);
        }
    }

    /// Whether `items` want one bucket more.
    pub fn wants_growth(&self, items: usize) -> bool {
        items * 100 > self.buckets() * SLOTS * LOAD_PERCENT_MAX
    }

    /// Whether `items` would fit in one bucket less.
    pub fn wants_shrinking(&self, items: usize) -> bool {
        self.buckets() > CHUNK_BUCKETS && items * 100 < self.buckets() * SLOTS * LOAD_PERCENT_MIN
    }

    /// Whether the next growth takes [`CHUNK_BYTES`] more.
    pub fn growth_takes_chunk(&self) -> bool {
        self.buckets() == self.chunks.len() * CHUNK_BUCKETS
    }

    /// Splits one bucket. `hash_of`: None for what is stale. Cost: one record read for each item
    /// in the bucket.
    pub fn grow(&mut self, hash_of: impl Fn(Place) -> Option<u64>) {
        if self.growth_takes_chunk() {
            self.chunks.push(chunk());
        }
        let mut moved = self.take_all(self.split);
        self.split += 1;
        if self.split == 1 << self.level {
            self.level += 1;
            self.split = 0;
        }
        for held in moved.drain(..) {
            if let Some(hash) = hash_of(place_of(held)) {
                // Both halves together need no more units than the whole did.
                let done = self.insert_slot(self.bucket_of(hash), held, |_| false);
                debug_assert!(done, "the units of the split bucket are free");
            }
        }
        self.scratch = moved;
    }

    /// Merges the last bucket into the one it was split from. Returns the bytes it frees, None
    /// if units are lacking.
    pub fn shrink(&mut self, stale: impl Fn(Place) -> bool) -> Option<u64> {
        let last = self.buckets() - 1;
        if last < CHUNK_BUCKETS || self.free_count < SLOTS {
            return None;
        }
        if self.split == 0 {
            self.level -= 1;
            self.split = 1 << self.level;
        }
        self.split -= 1;
        let into = self.split;
        let mut moved = self.take_all(last);
        for held in moved.drain(..).filter(|held| !stale(place_of(*held))) {
            let done = self.insert_slot(into, held, &stale);
            debug_assert!(done, "there were units for all slots, and those of a chain are free");
        }
        self.scratch = moved;
        if last.is_multiple_of(CHUNK_BUCKETS) {
            self.chunks.pop();
            return Some(CHUNK_BYTES);
        }
        Some(0)
    }

    /// Drops what is stale from one bucket and tidies its chain.
    pub fn scrub(&mut self, bucket: usize, stale: impl Fn(Place) -> bool) {
        if bucket >= self.buckets() {
            return;
        }
        let slots = self.row_mut(Row::Bucket(bucket));
        if slots.last().copied().and_then(link).is_some() {
            return self.rebuild(bucket, stale);
        }
        for held in slots {
            if is_item(*held) && stale(place_of(*held)) {
                *held = 0;
            }
        }
    }

    /// Shows the places of the bucket at `cursor`, a position among the bit-reversed hashes, and
    /// returns the position behind it; None at the end. Items keep their position however the
    /// table grows or shrinks meanwhile.
    pub fn walk(&self, cursor: u64, mut see: impl FnMut(Place)) -> Option<u64> {
        let bucket = self.bucket_of(cursor.reverse_bits());
        let is_split = bucket < self.split || bucket >= 1 << self.level;
        let bits = self.level + u32::from(is_split);
        let mut row = Row::Bucket(bucket);
        loop {
            let slots = self.row(row);
            slots.iter().filter(|held| is_item(**held)).for_each(|held| see(place_of(*held)));
            match slots.last().copied().and_then(link) {
                Some(unit) => row = Row::Unit(unit),
                None => break,
            }
        }
        (bucket as u64).reverse_bits().checked_add(1 << (u64::BITS - bits))
    }

    fn bucket_of(&self, hash: u64) -> usize {
        let bucket = hash as usize & ((1 << self.level) - 1);
        if bucket < self.split { hash as usize & ((2 << self.level) - 1) } else { bucket }
    }

    fn row(&self, row: Row) -> &[u64] {
        match row {
            Row::Bucket(b) => &self.chunks[b / CHUNK_BUCKETS][b % CHUNK_BUCKETS].0,
            Row::Unit(u) => &self.units[u as usize / CHUNK_UNITS][u as usize % CHUNK_UNITS],
        }
    }

    fn row_mut(&mut self, row: Row) -> &mut [u64] {
        match row {
            Row::Bucket(b) => &mut self.chunks[b / CHUNK_BUCKETS][b % CHUNK_BUCKETS].0,
            Row::Unit(u) => &mut self.units[u as usize / CHUNK_UNITS][u as usize % CHUNK_UNITS],
        }
    }

    fn free_unit(&mut self, unit: u32) {
        let next = self.free;
        let slots = self.row_mut(Row::Unit(unit));
        slots.fill(0);
        slots[0] = next;
        self.free = u64::from(unit) + 1;
        self.free_count += 1;
    }

    fn take_unit(&mut self) -> Option<u32> {
        let unit = u32::try_from(self.free.checked_sub(1)?).ok()?;
        let slots = self.row_mut(Row::Unit(unit));
        let next = std::mem::take(&mut slots[0]);
        self.free = next;
        self.free_count -= 1;
        Some(unit)
    }

    fn insert_slot(&mut self, bucket: usize, new: u64, stale: impl Fn(Place) -> bool) -> bool {
        let mut row = Row::Bucket(bucket);
        let last = loop {
            let slots = self.row_mut(row);
            let reusable = |held: u64| held == 0 || (is_item(held) && stale(place_of(held)));
            if let Some(held) = slots.iter_mut().find(|held| reusable(**held)) {
                *held = new;
                return true;
            }
            let last = slots[slots.len() - 1];
            match link(last) {
                Some(unit) => row = Row::Unit(unit),
                None => break last,
            }
        };
        let Some(unit) = self.take_unit() else { return false };
        self.row_mut(Row::Unit(unit))[..2].copy_from_slice(&[last, new]);
        let slots = self.row_mut(row);
        slots[slots.len() - 1] = u64::from(unit) + 1;
        true
    }

    /// Empties a bucket, its chain included, into the scratch list.
    fn take_all(&mut self, bucket: usize) -> Vec<u64> {
        let mut all = std::mem::take(&mut self.scratch);
        let mut row = Row::Bucket(bucket);
        loop {
            let slots = self.row_mut(row);
            all.extend(slots.iter().filter(|held| is_item(**held)));
            let next = slots.last().copied().and_then(link);
            slots.fill(0);
            if let Row::Unit(unit) = row {
                self.free_unit(unit);
            }
            match next {
                Some(unit) => row = Row::Unit(unit),
                None => return all,
            }
        }
    }

    fn rebuild(&mut self, bucket: usize, stale: impl Fn(Place) -> bool) {
        let mut held = self.take_all(bucket);
        for slot in held.drain(..).filter(|slot| !stale(place_of(*slot))) {
            let done = self.insert_slot(bucket, slot, |_| false);
            debug_assert!(done, "what was in the chain fits in it");
        }
        self.scratch = held;
    }
}

/// The slot that bears the tag and is the `same`. All tags are compared before any branch is
/// taken on one, so that the processor can go on past a line that is still on its way.
fn match_in<const N: usize>(
    slots: &[u64; N],
    wanted: u64,
    same: &mut impl FnMut(Place) -> bool,
) -> Option<usize> {
    let mut mask = tags(slots, wanted);
    while mask != 0 {
        let i = mask.trailing_zeros() as usize;
        if is_item(slots[i]) && same(place_of(slots[i])) {
            return Some(i);
        }
        mask &= mask - 1;
    }
    None
}

/// The slots that bear the tag, a bit for each.
fn tags(slots: &[u64], wanted: u64) -> u32 {
    let mut mask = 0;
    for (i, held) in slots.iter().enumerate() {
        mask |= u32::from(held >> TAG_SHIFT == wanted) << i;
    }
    mask
}

fn chunk() -> Box<[Bucket]> {
    vec![Bucket([0; SLOTS]); CHUNK_BUCKETS].into()
}

#[cfg(test)]
mod tests;
