//! What one walk of the heap leaves behind: where the blocks in use are, and where they point.
//!
//! Twelve bytes to a block and four to a pointer; nothing else of the contents is kept. Sorted by
//! the order of the walk, which is that of the positions.

use crate::freeze::Hold;
use crate::glibc::{Chunk, HEADER_BYTES, Outcome, State, Visitor};

use super::blocks::Blocks;
use super::space::{Place, Space, UNIT_BITS};

/// log2 of the positions to an entry of the index: a page.
const PAGE_BITS: u32 = 12 - UNIT_BITS;

/// The blocks of a heap and the words in them that point into it.
#[derive(Debug)]
pub struct Table {
    pub space: Space,
    starts: Blocks<u32>,
    units: Blocks<u32>,
    /// The first of a block's pointers in `targets`; the next block's ends them.
    first: Blocks<u32>,
    targets: Blocks<Place>,
    /// Blocks that bear the mark of a cached one, which can be stale.
    marked: Vec<u32>,
    /// The first block that starts on or above each page.
    pages: Vec<u32>,
    /// Without it what is read counts in any case.
    hold: Option<Hold>,
    bytes_max: u64,
    beside_bytes: u64,
    stopped: Option<Stopped>,
    /// The block shown last is in the table: what comes is its contents.
    open: bool,
}

/// Why the table lacks blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The target was let go before the walk was through. What was read since then is in the
    /// table as well: none of it is to be used.
    LetGo,
    /// The table would have become too large.
    Full,
}

impl Table {
    /// `hold` says whether what is read still counts; without it everything does.
    pub fn new(space: Space, hold: Option<Hold>, bytes_max: u64) -> Self {
        Self {
            space,
            starts: Blocks::default(),
            units: Blocks::default(),
            first: Blocks::default(),
            targets: Blocks::default(),
            marked: Vec::new(),
            pages: Vec::new(),
            hold,
            bytes_max,
            beside_bytes: 0,
            stopped: None,
            open: false,
        }
    }

    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    pub fn stop(&mut self, why: Stopped) {
        self.stopped.get_or_insert(why);
    }

    /// Counts what is kept beside the table as if it were in it.
    pub fn also_kept(&mut self, bytes: usize) {
        self.beside_bytes = bytes as u64;
        if self.bytes() > self.bytes_max {
            self.stop(Stopped::Full);
        }
    }

    pub fn len(&self) -> u32 {
        // Every block has a position of its own, and positions have 32 bits.
        self.starts.len() as u32
    }

    /// What the table takes of our own memory.
    pub fn bytes(&self) -> u64 {
        let indexes = (self.pages.capacity() + self.marked.capacity()) * size_of::<u32>();
        let blocks = [&self.starts, &self.units, &self.first];
        let blocks = blocks.map(Blocks::bytes).iter().sum::<u64>() + self.targets.bytes();
        self.beside_bytes + indexes as u64 + blocks
    }

    /// Ends the table: blocks can be looked up from here on. Gives those that turned out to be
    /// free after all.
    pub fn settle(&mut self, outcome: &Outcome) -> Vec<u32> {
        self.first.push(self.targets.len() as u32);
        self.index();
        match &outcome.cached {
            None => std::mem::take(&mut self.marked),
            Some(cached) => {
                let at = |address: &u64| self.starting_at(self.space.position(*address)?);
                cached.iter().filter_map(at).collect()
            }
        }
    }

    fn index(&mut self) {
        let pages = (self.space.end() >> PAGE_BITS) as usize + 2;
        self.pages = Vec::with_capacity(pages);
        for block in 0..self.len() {
            let page = (self.start(block) >> PAGE_BITS) as usize;
            while self.pages.len() <= page {
                self.pages.push(block);
            }
        }
        self.pages.resize(pages, self.len());
    }

    fn start(&self, block: u32) -> u32 {
        self.starts.get(block as usize).unwrap_or(u32::MAX)
    }

    fn starting_at(&self, position: u32) -> Option<u32> {
        let page = (position >> PAGE_BITS) as usize;
        let (from, to) = (*self.pages.get(page)?, *self.pages.get(page + 1)?);
        (from..to).find(|&block| self.start(block) == position)
    }

    /// The block that holds `place`, anywhere inside: behind its header, up to and with the
    /// word after it, which is its own while it is in use. None where `place` may be a remnant
    /// and points to that word.
    pub fn holding(&self, place: Place) -> Option<u32> {
        self.holding_perhaps(place).filter(|(_, sure)| *sure).map(|(block, _)| block)
    }

    /// As [`Table::holding`], and whether it is sure: not if a remnant would look the same.
    fn holding_perhaps(&self, place: Place) -> Option<(u32, bool)> {
        let position = place.position();
        let page = (position >> PAGE_BITS) as usize;
        let (mut low, mut high) = (*self.pages.get(page)?, *self.pages.get(page + 1)?);
        while low < high {
            let middle = low.midpoint(high);
            if self.start(middle) < position { low = middle + 1 } else { high = middle }
        }
        let block = low.checked_sub(1)?;
        let (offset, units) = (position - self.start(block), self.units.get(block as usize)?);
        let sure = offset < units || !place.is_perhaps_a_remnant();
        (offset <= units).then_some((block, sure))
    }

    /// The blocks that `block` points to for sure, itself left out.
    pub fn points_to(&self, block: u32) -> impl Iterator<Item = u32> {
        self.points_perhaps_to(block).filter(|(_, sure)| *sure).map(|(other, _)| other)
    }

    /// The blocks that `block` points to, itself left out, and whether that is sure.
    pub fn points_perhaps_to(&self, block: u32) -> impl Iterator<Item = (u32, bool)> {
        let from = self.first.get(block as usize).unwrap_or(0) as usize;
        let to = self.first.get(block as usize + 1).unwrap_or(0) as usize;
        let targets = (from..to).filter_map(|at| self.targets.get(at));
        let held = targets.filter_map(|place| self.holding_perhaps(place));
        held.filter(move |&(other, _)| other != block)
    }

    /// What malloc returned for `block`.
    pub fn user(&self, block: u32) -> Option<u64> {
        Some(self.space.address(self.starts.get(block as usize)?)? + HEADER_BYTES)
    }

    /// What the application can use of `block`.
    pub fn usable_bytes(&self, block: u32) -> u64 {
        let bytes = u64::from(self.units.get(block as usize).unwrap_or(0)) << UNIT_BITS;
        let lent = if self.space.is_mapped(self.start(block)) { 0 } else { 8 };
        bytes.saturating_sub(HEADER_BYTES) + lent
    }

    fn push(&mut self, chunk: &Chunk) -> Option<()> {
        let start = self.space.position(chunk.address)?;
        let units = u32::try_from(chunk.bytes >> UNIT_BITS).ok()?;
        // A heap with garbage in it must not make blocks that lie before the one before.
        if self.starts.last().is_some_and(|last| start <= last) {
            return None;
        }
        if chunk.state == State::Cached {
            self.marked.push(self.len());
        }
        self.starts.push(start);
        self.units.push(units);
        self.first.push(self.targets.len() as u32);
        Some(())
    }

    fn check(&mut self) {
        if self.hold.as_ref().is_some_and(|hold| !hold.holds()) {
            self.stopped = Some(Stopped::LetGo);
        } else if self.bytes() > self.bytes_max {
            self.stopped = Some(Stopped::Full);
        }
    }
}

impl Visitor for Table {
    fn chunk(&mut self, chunk: Chunk) {
        /// How many blocks pass between two looks at the clock and the size.
        const CHECK_EVERY: usize = 4096;
        if self.starts.len().is_multiple_of(CHECK_EVERY) && self.stopped.is_none() {
            self.check();
        }
        let live = chunk.in_use() || chunk.state == State::Cached;
        self.open = live && self.stopped.is_none() && self.push(&chunk).is_some();
    }

    fn wants(&self, _chunk: &Chunk) -> bool {
        self.open
    }

    fn contents(&mut self, address: u64, bytes: &[u8]) {
        /// A piece as large as this took time to read.
        const LONG: usize = 1 << 20;
        if bytes.len() >= LONG && self.stopped.is_none() {
            self.check();
        }
        if self.stopped.is_some() || !self.open {
            return;
        }
        let targets = &mut self.targets;
        let mut before = None;
        self.space.pointers_of_block(address, bytes, |place| {
            // Begin and end of one array are often side by side.
            if before.replace(place) != Some(place) {
                targets.push(place);
            }
        });
    }
}
