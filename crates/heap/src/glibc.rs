//! glibc's malloc from outside: its arenas, found without symbols, and every chunk in them.
//!
//! [`find`] takes memory and mappings and gives [`Arenas`]; [`walk::walk`] shows each chunk to a
//! [`Visitor`]; [`tally`] makes figures of them. All three run on a live process, on a frozen one
//! and on made-up memory alike, and none of them trusts what it reads: every chain has a bound, and
//! what does not fit is told in [`Outcome::notes`] rather than followed.
//!
//! Source: the layouts of malloc/malloc.c and malloc/arena.c of glibc 2.26 to 2.43, x86-64 and
//! aarch64 (64-bit words).

use std::ops::Range;

use rustc_hash::FxHashSet;

mod arena;
mod cache;
mod find;
mod mapped;
mod pages;
pub mod tally;
pub mod walk;

pub use find::{find, find_running};

/// A chunk's header is two words, of which the first belongs to the chunk before while that is in
/// use.
pub const HEADER_BYTES: u64 = 16;

/// The arenas of one process.
#[derive(Clone, Debug, Default)]
pub struct Arenas {
    /// The main arena first.
    pub list: Vec<Arena>,
    /// Blocks that have a mapping of their own.
    pub mmapped: Vec<Chunk>,
    /// Where the bins begin within an arena, which tells versions apart.
    pub head: u64,
    /// What glibc itself counts of the blocks with a mapping, where the counters were found.
    pub mapped_counters: Option<MappedCounters>,
    /// What marks a chunk that waits in a thread's cache, at its second word.
    pub key: Option<Key>,
    /// What could not be followed; empty if all was.
    pub notes: Vec<String>,
}

impl Arenas {
    /// All segments of all arenas.
    pub fn segments(&self) -> impl Iterator<Item = &Range<u64>> {
        self.list.iter().flat_map(|arena| &arena.segments)
    }

    /// Whether a block can be at `address`: it is aligned as malloc aligns, and in a segment.
    fn may_hold(&self, address: u64) -> bool {
        address.is_multiple_of(16) && self.segments().any(|segment| segment.contains(&address))
    }
}

/// One arena.
#[derive(Clone, Debug, Default)]
pub struct Arena {
    /// Of `struct malloc_state`.
    pub address: u64,
    /// Where the pointer to `top` is kept: it moves while the process runs.
    pub top_field: u64,
    pub main: bool,
    /// New memory comes from brk(2), and goes back by it when the heap is trimmed.
    pub is_brk: bool,
    /// The chunk at the end of the newest segment, out of which new ones are cut.
    pub top: u64,
    pub top_bytes: u64,
    /// What the arena has of the system, as it counts it itself.
    pub system_bytes: u64,
    /// Stretches of chunks, one after the other without a gap, by address.
    pub segments: Vec<Range<u64>>,
    /// Chunks in fast bins: free, though their headers say otherwise.
    pub fast: FxHashSet<u64>,
}

/// What `malloc_par` says of blocks that have a mapping of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappedCounters {
    pub count: u64,
    pub bytes: u64,
}

/// What glibc writes into the second word of a block that goes to a thread's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// 2.34 and later: a random number for the whole process.
    Random(u64),
    /// 2.29 to 2.33: the address of the thread's own cache.
    CacheAddress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Of the header; the application's address is [`Chunk::user`].
    pub address: u64,
    /// With its header, as the allocator counts it.
    pub bytes: u64,
    pub state: State,
    /// Index into [`Arenas::list`]; of the main arena for a chunk with its own mapping.
    pub arena: u16,
}

impl Chunk {
    /// What malloc returned.
    #[must_use]
    pub const fn user(&self) -> u64 {
        self.address + HEADER_BYTES
    }

    /// What malloc_usable_size(3) says: the word after a chunk of an arena is its own as well.
    #[must_use]
    pub const fn usable_bytes(&self) -> u64 {
        let own = self.bytes.saturating_sub(HEADER_BYTES);
        if matches!(self.state, State::Mapped) { own } else { own + 8 }
    }

    /// The application has it.
    #[must_use]
    pub const fn in_use(&self) -> bool {
        matches!(self.state, State::InUse | State::Mapped)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    InUse,
    /// In use, in a mapping of its own.
    Mapped,
    /// Freed and kept by a thread. glibc itself counts it as in use.
    Cached,
    /// Freed and in a fast bin.
    Fast,
    /// Freed and in a bin.
    Free,
    /// The rest of a segment.
    Top,
    /// The allocator's own, at the end of a segment that is full.
    Fence,
}

/// Who is shown the chunks of a walk. Any `FnMut(Chunk)` is one.
pub trait Visitor {
    /// Each chunk once, by address within a segment.
    fn chunk(&mut self, chunk: Chunk);

    /// Whether the contents of `chunk` are to be read. Asked before [`Visitor::contents`].
    fn wants(&self, _chunk: &Chunk) -> bool {
        false
    }

    /// A piece of what the application has in the chunk shown last, at `address`. Pieces come in
    /// order, start and end at multiples of eight bytes, and leave out pages that are not there.
    fn contents(&mut self, _address: u64, _bytes: &[u8]) {}
}

impl<F: FnMut(Chunk)> Visitor for F {
    fn chunk(&mut self, chunk: Chunk) {
        self(chunk);
    }
}

/// How a walk went.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Every segment was walked to its end.
    pub complete: bool,
    pub notes: Vec<String>,
    pub chunks: u64,
    pub bytes: u64,
    /// Within segments, where headers made no sense.
    pub bytes_skipped: u64,
    /// Pages of wanted contents that were not in RAM.
    pub pages_missing: u64,
    /// The chunks that the lists of the threads' caches hold, where these could be followed. They
    /// know better than [`State::Cached`], which goes by a mark that can be stale: a chunk that has
    /// that state and is not here is in use.
    pub cached: Option<FxHashSet<u64>>,
}

impl Outcome {
    /// The state of `chunk` by all that is known after the walk.
    #[must_use]
    pub fn settled(&self, chunk: &Chunk) -> State {
        match (&self.cached, chunk.state) {
            (Some(cached), State::InUse | State::Cached) => {
                if cached.contains(&chunk.address) {
                    State::Cached
                } else {
                    State::InUse
                }
            }
            (_, state) => state,
        }
    }
}

#[cfg(test)]
mod tests;
