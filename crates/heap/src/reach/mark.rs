//! What can be reached from where.
//!
//! Breadth-first from all roots at once: a block belongs to the root that reaches it in the fewest
//! steps, the earlier root of two that are as near. Depth-first would give nearly everything to the
//! first root that reaches a graph at all.

use std::collections::VecDeque;

use super::space::Place;
use super::table::Table;

/// A root by its number, from 1 on.
pub type RootId = u16;

const UNREACHED: RootId = 0;
/// Free after all: neither reached nor lost.
const FREE: RootId = RootId::MAX;
pub const ROOTS_MAX: usize = RootId::MAX as usize - 1;

/// Which root each block belongs to.
#[derive(Debug)]
pub struct Marks {
    owners: Vec<RootId>,
}

/// A block that no root reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    pub block: u32,
    /// No other lost block points to it.
    pub direct: bool,
}

impl Marks {
    /// `roots` are pairs of a root and a place that it points to; `free` the blocks that are
    /// in use by their headers only.
    pub fn new(table: &Table, roots: impl Iterator<Item = (RootId, Place)>, free: &[u32]) -> Self {
        let mut owners = vec![UNREACHED; table.len() as usize];
        for &block in free {
            owners[block as usize] = FREE;
        }
        let mut edge = VecDeque::new();
        let mut reach = |block: u32, owner: RootId, edge: &mut VecDeque<u32>| {
            let owned = &mut owners[block as usize];
            if *owned == UNREACHED {
                *owned = owner;
                edge.push_back(block);
            }
            *owned
        };
        for (root, place) in roots {
            if let Some(block) = table.holding(place) {
                reach(block, root, &mut edge);
            }
        }
        while let Some(block) = edge.pop_front() {
            let owner = reach(block, UNREACHED, &mut edge);
            for other in table.points_to(block) {
                reach(other, owner, &mut edge);
            }
        }
        Self { owners }
    }

    /// The root that holds `block`.
    pub fn owner(&self, block: u32) -> Option<RootId> {
        let owner = self.owners.get(block as usize).copied()?;
        (owner != UNREACHED && owner != FREE).then_some(owner)
    }

    /// What the marks take of our own memory.
    pub fn bytes(&self) -> u64 {
        (self.owners.capacity() * size_of::<RootId>()) as u64
    }

    fn is_lost(&self, block: u32) -> bool {
        self.owners.get(block as usize) == Some(&UNREACHED)
    }

    /// All blocks that are lost, by position.
    pub fn lost(&self, table: &Table) -> Vec<Lost> {
        let lost = || (0..table.len()).filter(|&block| self.is_lost(block));
        let mut pointed_to = vec![0_u64; self.owners.len().div_ceil(64)];
        for block in lost() {
            for other in table.points_to(block) {
                pointed_to[other as usize / 64] |= 1 << (other % 64);
            }
        }
        let is_direct = |block: u32| pointed_to[block as usize / 64] >> (block % 64) & 1 == 0;
        lost().map(|block| Lost { block, direct: is_direct(block) }).collect()
    }
}

#[cfg(test)]
mod tests;
