//! Places for things that come and go, each found again by a small number.

use slab::Slab;

/// A slab with 32-bit indices, because every target, wheel entry and cross-reference holds one.
/// An index is used anew once its entry was removed; whoever keeps one over time checks identity.
#[derive(Debug)]
pub struct Table<T> {
    slots: Slab<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { slots: Slab::new() }
    }
}

impl<T> Table<T> {
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    #[must_use]
    pub fn get(&self, index: u32) -> Option<&T> {
        self.slots.get(index as usize)
    }

    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slots.get_mut(index as usize)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().map(|(slot, entry)| (narrow(slot), entry))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().map(|(_, entry)| entry)
    }

    /// The callers bound their tables far below 2³² entries.
    pub(super) fn insert(&mut self, entry: T) -> u32 {
        narrow(self.slots.insert(entry))
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        self.slots.try_remove(index as usize)
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        self.slots.retain(|_, entry| keep(entry));
    }
}

fn narrow(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}
