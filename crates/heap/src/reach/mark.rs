//! What can be reached from where.
//!
//! Breadth-first from all roots at once: a block belongs to the root that reaches it in the fewest
//! steps, the earlier root of two that are as near. Depth-first would give nearly everything to the
//! first root that reaches a graph at all.
//!
//! Words that may be remnants of malloc's lists come last. A block that only such a word reaches is
//! in doubt, and the benefit of it goes to the program: it counts as lost only where blocks of its
//! size are lost beyond doubt in numbers that make remnants of some pointers to them likely. So a
//! size that is not lost anyway is never invented to be.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::space::Place;
use super::table::Table;

/// A root by its number, from 1 on.
pub type RootId = u16;

const UNREACHED: RootId = 0;
/// Free after all: neither reached nor lost.
const FREE: RootId = RootId::MAX;
pub const ROOTS_MAX: usize = RootId::MAX as usize - 1;

/// Blocks of a size that are lost for each one in doubt: where there are fewer, those in doubt are
/// held. In programs that write nothing into their blocks, which leaves most remnants, 25 to 40.
const LOST_TO_DOUBTED: usize = 8;

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

/// The search under way.
struct Reached<'a> {
    table: &'a Table,
    owners: Vec<RootId>,
    /// Reached, but not what they point to.
    edge: VecDeque<u32>,
    /// Blocks that only words which may be remnants reach. None while such words do not count.
    in_doubt: Option<Vec<u32>>,
}

impl Reached<'_> {
    fn reach(&mut self, block: u32, owner: RootId) {
        let owned = &mut self.owners[block as usize];
        if *owned == UNREACHED {
            *owned = owner;
            self.edge.push_back(block);
            if let Some(in_doubt) = &mut self.in_doubt {
                in_doubt.push(block);
            }
        }
    }

    fn go_on_from(&mut self, block: u32) {
        let (table, owner) = (self.table, self.owners[block as usize]);
        let all = self.in_doubt.is_some();
        for (other, _) in table.points_perhaps_to(block).filter(|(_, sure)| all || *sure) {
            self.reach(other, owner);
        }
    }

    fn spread(&mut self) {
        while let Some(block) = self.edge.pop_front() {
            self.go_on_from(block);
        }
    }
}

impl Marks {
    /// `roots` are pairs of a root and a place that it points to; `free` the blocks that are
    /// in use by their headers only.
    pub fn new(table: &Table, roots: impl Iterator<Item = (RootId, Place)>, free: &[u32]) -> Self {
        let mut owners = vec![UNREACHED; table.len() as usize];
        for &block in free {
            owners[block as usize] = FREE;
        }
        let mut reached = Reached { table, owners, edge: VecDeque::new(), in_doubt: None };
        for (root, place) in roots {
            if let Some(block) = table.holding(place) {
                reached.reach(block, root);
            }
        }
        reached.spread();
        reached.in_doubt = Some(Vec::new());
        for block in 0..table.len() {
            if ![UNREACHED, FREE].contains(&reached.owners[block as usize]) {
                reached.go_on_from(block);
                reached.spread();
            }
        }
        let in_doubt = reached.in_doubt.unwrap_or_default();
        let mut marks = Self { owners: reached.owners };
        marks.settle(table, &in_doubt);
        marks
    }

    /// Decides about the blocks that only words which may be remnants reach.
    fn settle(&mut self, table: &Table, in_doubt: &[u32]) {
        if in_doubt.is_empty() {
            return;
        }
        let mut by_size: FxHashMap<u64, (usize, usize)> = FxHashMap::default();
        for block in (0..table.len()).filter(|&block| self.is_lost(block)) {
            by_size.entry(table.usable_bytes(block)).or_default().0 += 1;
        }
        for &block in in_doubt {
            by_size.entry(table.usable_bytes(block)).or_default().1 += 1;
        }
        for &block in in_doubt {
            let counted = by_size.get(&table.usable_bytes(block));
            if counted.is_some_and(|(lost, doubted)| lost / LOST_TO_DOUBTED >= *doubted) {
                self.owners[block as usize] = UNREACHED;
            }
        }
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
