//! Large values on their way in: each stretch is copied into its piece as it arrives.
//!
//! A value that comes slowly does not keep its room against the rest: its pieces are evicted as
//! all others are, and then it is refused.

use super::Store;
use super::item::Refused;
use super::partition::{Draft, Partition};
use super::pieces::Taking;
use super::record::Head;
use super::segments::Queue;
use std::sync::Arc;

/// Values that may be on their way into one partition. Every connection has one at most.
const TAKINGS_MAX: usize = 1 << 16;

/// A large value on its way in. Dropped, its room is free again.
#[derive(Debug)]
pub struct Upload {
    partition: usize,
    id: u64,
    taken: usize,
    /// While this and the partition share it, the value is wanted.
    _alive: Arc<()>,
}

impl Store {
    /// Begins to take in a value of `len` bytes that is longer than [`Self::inline_bytes_max`].
    ///
    /// # Errors
    /// Too large, or no memory.
    pub fn upload(&self, key: &[u8], len: usize) -> Result<Upload, Refused> {
        if (key.len() as u64).saturating_add(len as u64) > self.item_bytes_max() {
            return Err(Refused::TooLarge);
        }
        if self.shared.admission() == super::Admission::Nobody {
            return Err(Refused::OutOfMemory);
        }
        let hash = self.shared.hash(key);
        let number = self.number_of(hash);
        let mut partition = self.partitions[number].lock();
        partition.drop_abandoned();
        if partition.takings.len() >= TAKINGS_MAX {
            return Err(Refused::OutOfMemory);
        }
        Ok(self.begin(&mut partition, number, hash, len))
    }

    pub(super) fn begin(
        &self,
        partition: &mut Partition,
        number: usize,
        hash: u64,
        len: usize,
    ) -> Upload {
        let (id, alive) = (partition.next_taking, Arc::new(()));
        partition.next_taking += 1;
        partition.takings.push(Taking {
            id,
            hash,
            len,
            taken: 0,
            pieces: Vec::new(),
            moves: 0,
            alive: Arc::clone(&alive),
        });
        Upload { partition: number, id, taken: 0, _alive: alive }
    }
}

impl Upload {
    /// Takes in the next bytes of the value.
    ///
    /// # Errors
    /// No memory; the rest of the value is to be swallowed.
    pub fn push(&mut self, store: &Store, bytes: &[u8]) -> Result<(), Refused> {
        let Some(partition) = store.partitions.get(self.partition) else {
            return Err(Refused::OutOfMemory);
        };
        self.push_locked(store, &mut partition.lock(), self.partition, bytes)
    }

    pub(super) fn push_locked(
        &mut self,
        store: &Store,
        partition: &mut Partition,
        number: usize,
        bytes: &[u8],
    ) -> Result<(), Refused> {
        let piece_max = store.piece_bytes_max();
        let mut rest = bytes;
        while !rest.is_empty() {
            let taking = partition.taking(self.id).ok_or(Refused::OutOfMemory)?;
            let filled = taking.taken % piece_max;
            if taking.taken.saturating_add(rest.len()) > taking.len {
                return Err(Refused::TooLarge);
            }
            if filled == 0 && taking.pieces.len() * piece_max <= taking.taken {
                let len = piece_max.min(taking.len - taking.taken);
                add_piece(store, partition, number, (self.id, len))?;
            }
            let taking = partition.taking(self.id).ok_or(Refused::OutOfMemory)?;
            let piece = taking.pieces.last().copied().ok_or(Refused::OutOfMemory)?;
            let bytes = partition.segs.bytes_mut(piece).ok_or(Refused::OutOfMemory)?;
            let head = Head::read(bytes).ok_or(Refused::OutOfMemory)?;
            let into = head.value_mut(bytes).get_mut(filled..).unwrap_or_default();
            let (now, later) = rest.split_at(into.len().min(rest.len()));
            if now.is_empty() {
                return Err(Refused::OutOfMemory);
            }
            into[..now.len()].copy_from_slice(now);
            rest = later;
            self.taken += now.len();
            if let Some(taking) = partition.taking(self.id) {
                taking.taken += now.len();
            }
        }
        Ok(())
    }

    /// What has arrived. Units: bytes.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Its number in the partition, if it is for that one.
    pub(super) fn id_in(&self, partition: usize) -> Option<u64> {
        (self.partition == partition).then_some(self.id)
    }
}

/// Appends an empty piece of `len` bytes to the value `id`.
fn add_piece(
    store: &Store,
    partition: &mut Partition,
    number: usize,
    (id, len): (u64, usize),
) -> Result<(), Refused> {
    let hash = partition.taking(id).ok_or(Refused::OutOfMemory)?.hash;
    let order = store.shared.order();
    let draft = Draft::new(0, len, order, partition.now).with(0, super::record::NEVER, Some(hash));
    let need = super::Need { queue: Queue::Main, class: 0, size: draft.head.size(), order };
    let target = store.room(partition, number, need).ok_or(Refused::OutOfMemory)?;
    // Making room may have dropped the value itself.
    partition.taking(id).ok_or(Refused::OutOfMemory)?;
    let (place, _) = partition.append(target, &draft).ok_or(Refused::OutOfMemory)?;
    if let Some(taking) = partition.taking(id) {
        taking.pieces.push(place);
    }
    Ok(())
}
