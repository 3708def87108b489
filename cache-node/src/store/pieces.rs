//! Large items: a value cut into piece records, and a head that lists where they are.
//!
//! ```text
//! head:  key, value = total length 8 | place of each piece 8, 8, …
//! piece: no key, the hash of the owner's key in place of a CAS value, bytes
//! ```
//!
//! A piece leads to its head through the index; a head whose piece is gone is gone. Pieces lie in
//! the main queue: an item larger than the small queue would push itself out of that.

use super::index::{At, Place};
use super::partition::Partition;
use super::record::{Head, LARGE};
use super::segments::Segments;
use std::sync::Arc;

/// Length of an entry in a head's list. Units: bytes.
const ENTRY: usize = 8;

/// How often the pieces of a value on its way in are moved on instead of evicted.
const MOVES_PER_PIECE: usize = 2;

/// A large value on its way in.
#[derive(Debug)]
pub struct Taking {
    pub id: u64,
    pub hash: u64,
    /// What was announced. Units: bytes.
    pub len: usize,
    /// What has arrived. Units: bytes.
    pub taken: usize,
    pub pieces: Vec<Place>,
    /// What kept its pieces from eviction: moves of them, segments passed over for them.
    pub moves: usize,
    /// Shared with the [`super::Upload`]; ours alone when that was dropped.
    pub alive: Arc<()>,
}

impl Taking {
    /// Whether its pieces are still moved on instead of evicted.
    pub const fn is_spared(&self) -> bool {
        self.moves < MOVES_PER_PIECE * self.pieces.len()
    }
}

/// Length of a head's value. Units: bytes.
pub const fn list_len(pieces: usize) -> usize {
    ENTRY + pieces * ENTRY
}

pub fn write_list(value: &mut [u8], total: usize, pieces: &[Place]) {
    let (entries, _) = value.as_chunks_mut::<ENTRY>();
    let all = std::iter::once((total as u64).to_le_bytes());
    let all = all.chain(pieces.iter().map(|place| place.to_le_bytes()));
    for (entry, bytes) in entries.iter_mut().zip(all) {
        *entry = bytes;
    }
}

/// Total length and pieces of a head's list.
pub fn read_list(value: &[u8]) -> (usize, impl Iterator<Item = Place> + Clone) {
    let (entries, _) = value.as_chunks::<ENTRY>();
    let (first, rest) = entries.split_first().unwrap_or((&[0; ENTRY], &[]));
    let total = usize::try_from(u64::from_le_bytes(*first)).unwrap_or(usize::MAX);
    (total, rest.iter().map(|entry| Place::from_le_bytes(*entry)))
}

/// The bytes of a piece; None if its segment has been freed.
pub fn piece_bytes(segs: &Segments, place: Place) -> Option<&[u8]> {
    let bytes = segs.bytes(place)?;
    Some(Head::read(bytes).filter(Head::is_piece)?.value(bytes))
}

impl Partition {
    /// Whether all pieces of an item are there. True for an item without pieces.
    pub fn is_whole(&self, place: Place, head: &Head) -> bool {
        if !head.is(LARGE) {
            return true;
        }
        let value = self.segs.bytes(place).map_or(&[][..], |bytes| head.value(bytes));
        let (total, mut pieces) = read_list(value);
        let mut found = 0;
        let all = pieces.all(|piece| {
            piece_bytes(&self.segs, piece).is_some_and(|bytes| {
                found += bytes.len();
                true
            })
        });
        all && found >= total
    }

    /// The pieces of a large item; none of any other.
    pub fn pieces_of(&self, place: Place) -> Vec<Place> {
        let Some(bytes) = self.segs.bytes(place) else { return Vec::new() };
        match Head::read(bytes) {
            Some(head) if head.is(LARGE) => read_list(head.value(bytes)).1.collect(),
            _ => Vec::new(),
        }
    }

    pub fn kill_pieces(&mut self, place: Place) {
        for piece in self.pieces_of(place) {
            self.kill(piece);
        }
    }

    /// The item that a piece belongs to, and the piece's number in its list.
    pub fn owner(&self, hash: u64, piece: Place) -> Option<(At, Place, usize)> {
        let mut number = None;
        let at = self.index.find(hash, |place| {
            let Some(bytes) = self.segs.bytes(place) else { return false };
            let Some(head) = Head::read(bytes).filter(|head| head.is(LARGE)) else { return false };
            number = read_list(head.value(bytes)).1.position(|held| held == piece);
            number.is_some()
        })?;
        Some((at, self.index.place(at)?, number?))
    }

    /// The value on its way in that a piece belongs to, and the piece's number in it.
    pub fn taking_of(&self, hash: u64, piece: Place) -> Option<(usize, usize)> {
        self.takings.iter().enumerate().filter(|(_, taking)| taking.hash == hash).find_map(
            |(i, taking)| Some((i, taking.pieces.iter().position(|held| *held == piece)?)),
        )
    }

    /// Writes the new place of a piece into its head.
    pub fn repoint_piece(&mut self, owner: Place, number: usize, piece: Place) {
        let Some(bytes) = self.segs.bytes_mut(owner) else { return };
        let Some(head) = Head::read(bytes) else { return };
        let (entries, _) = head.value_mut(bytes).as_chunks_mut::<ENTRY>();
        if let Some(entry) = entries.get_mut(number + 1) {
            *entry = piece.to_le_bytes();
        }
    }

    pub fn taking(&mut self, id: u64) -> Option<&mut Taking> {
        self.takings.iter_mut().find(|taking| taking.id == id)
    }

    /// Gives up a value on its way in.
    pub fn drop_taking(&mut self, at: usize) {
        for piece in self.takings.swap_remove(at).pieces {
            self.kill(piece);
        }
    }

    /// Gives up what nobody sends any more.
    pub fn drop_abandoned(&mut self) {
        while let Some(at) = self.takings.iter().position(|t| Arc::strong_count(&t.alive) == 1) {
            self.drop_taking(at);
        }
    }
}
