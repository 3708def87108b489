//! Figures out of a walk: what each arena has in use and free, by size, and what a trim would give
//! back.
//!
//! They are mallinfo2(3)'s, to the byte: in use and cached together are its `uordblks`, free and
//! top its `fordblks`, mapped its `hblkhd`. What is not the application's but not free either
//! (headers of heaps, fences) counts as in use there, and so it does here.
//!
//! What malloc_trim(0) gives back (mtrim and systrim of malloc/malloc.c): fast chunks are first
//! joined to their neighbours; then of each free chunk the whole pages behind its first 48 bytes,
//! and of the main arena's top all pages that end with it, but for the last 32 bytes.

use std::ops::Range;

use super::{Arenas, Chunk, Outcome, State, Visitor};
use crate::maps::Residency;
use crate::maps::residency::PAGE_BYTES;
use crate::memory::Memory;
use crate::report;

mod classes;

use classes::Classes;

/// What a free chunk keeps at its start: `struct malloc_chunk`.
const FREE_HEADER_BYTES: u64 = 48;
const TOP_KEPT_BYTES: u64 = 32;
/// Chunks with the mark of a cache that are remembered until the lists are known.
const MARKED_MAX: usize = 1 << 20;

/// A visitor that counts.
#[derive(Debug)]
pub struct Tally<'a> {
    arenas: &'a Arenas,
    residency: Option<&'a Residency>,
    list: Vec<report::Arena>,
    classes: Classes,
    mapped_bytes: u64,
    mapped_count: u64,
    /// Free chunks that a trim would join, which lie behind one another.
    run: Range<u64>,
    run_arena: usize,
    trimmable: Vec<u64>,
    free_resident_bytes: u64,
    heap_resident_bytes: u64,
    marked: Vec<Chunk>,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub arenas: Vec<report::Arena>,
    pub size_classes: Vec<report::SizeClass>,
    pub mapped_bytes: u64,
    pub mapped_count: u64,
    /// None without residency, as the two below.
    pub free_resident_bytes: Option<u64>,
    pub trimmable_bytes: Option<u64>,
    /// Of all segments.
    pub heap_resident_bytes: Option<u64>,
}

impl<'a> Tally<'a> {
    #[must_use]
    pub fn new(arenas: &'a Arenas, residency: Option<&'a Residency>) -> Self {
        let list = arenas.list.iter().map(|arena| report::Arena {
            address: arena.address,
            main: arena.main,
            system_bytes: arena.system_bytes,
            ..report::Arena::default()
        });
        Self {
            arenas,
            residency,
            list: list.collect(),
            classes: Classes::default(),
            mapped_bytes: 0,
            mapped_count: 0,
            run: 0..0,
            run_arena: 0,
            trimmable: vec![0; arenas.list.len()],
            free_resident_bytes: 0,
            heap_resident_bytes: 0,
            marked: Vec::new(),
        }
    }

    /// The figures, once the walk has ended as `outcome` says.
    #[must_use]
    pub fn figures<M: Memory + ?Sized>(mut self, memory: &M, outcome: &Outcome) -> Figures {
        self.end_run();
        self.settle(memory, outcome);
        for arena in &mut self.list {
            let counted =
                arena.in_use_bytes + arena.tcache_bytes + arena.free_bytes + arena.top_bytes;
            // Headers of heaps and what others took out of the middle; on a process that runs the
            // counter may be ahead of the walk or behind it.
            arena.in_use_bytes += arena.system_bytes.saturating_sub(counted);
        }
        let known = self.residency.is_some();
        for (arena, &bytes) in self.list.iter_mut().zip(&self.trimmable) {
            arena.trimmable_bytes = known.then_some(bytes);
        }
        if let Some(residency) = self.residency {
            let segments = self.arenas.segments();
            self.heap_resident_bytes =
                segments.map(|segment| residency.resident_bytes(segment)).sum();
        }
        Figures {
            arenas: self.list,
            size_classes: self.classes.list(),
            mapped_bytes: self.mapped_bytes,
            mapped_count: self.mapped_count,
            free_resident_bytes: known.then_some(self.free_resident_bytes),
            trimmable_bytes: known.then(|| self.trimmable.iter().sum()),
            heap_resident_bytes: known.then_some(self.heap_resident_bytes),
        }
    }

    /// Puts what only looked cached back, and what only the lists knew of where it belongs.
    fn settle<M: Memory + ?Sized>(&mut self, memory: &M, outcome: &Outcome) {
        let Some(cached) = &outcome.cached else { return };
        if self.marked.len() == MARKED_MAX {
            return;
        }
        let mut unseen = cached.clone();
        for chunk in std::mem::take(&mut self.marked) {
            if !unseen.remove(&chunk.address) {
                self.moved(&chunk, true);
            }
        }
        for address in unseen {
            let holds = |arena: &super::Arena| {
                arena.segments.iter().any(|segment| segment.contains(&address))
            };
            let arena = self.arenas.list.iter().position(holds);
            let word = memory.word(address + 8);
            let (Some(arena), Some(word)) = (arena.and_then(|n| u16::try_from(n).ok()), word)
            else {
                continue;
            };
            let bytes = word & super::walk::SIZE_MASK;
            self.moved(&Chunk { address, bytes, state: State::Cached, arena }, false);
        }
    }

    fn moved(&mut self, chunk: &Chunk, to_in_use: bool) {
        let Some(arena) = self.list.get_mut(usize::from(chunk.arena)) else { return };
        let (from, to, count) = if to_in_use {
            (&mut arena.tcache_bytes, &mut arena.in_use_bytes, 1)
        } else {
            (&mut arena.in_use_bytes, &mut arena.tcache_bytes, -1)
        };
        if *from < chunk.bytes {
            return;
        }
        *from -= chunk.bytes;
        *to += chunk.bytes;
        arena.in_use_count = arena.in_use_count.saturating_add_signed(count);
        self.classes.moved(chunk, to_in_use);
        if let Some(residency) = self.residency {
            let bytes = residency.resident_bytes(&(chunk.address..chunk.address + chunk.bytes));
            self.free_resident_bytes = if to_in_use {
                self.free_resident_bytes.saturating_sub(bytes)
            } else {
                self.free_resident_bytes + bytes
            };
        }
    }

    /// What a trim would give back of the run of free chunks that has ended.
    fn end_run(&mut self) {
        let run = std::mem::replace(&mut self.run, 0..0);
        let (Some(residency), false) = (self.residency, run.is_empty()) else { return };
        let start = (run.start + FREE_HEADER_BYTES).next_multiple_of(PAGE_BYTES);
        let end = start + run.end.saturating_sub(start) / PAGE_BYTES * PAGE_BYTES;
        if start < end
            && let Some(bytes) = self.trimmable.get_mut(self.run_arena)
        {
            *bytes += residency.resident_bytes(&(start..end));
        }
    }

    /// The top, to which the run before it is joined.
    fn top(&mut self, chunk: &Chunk) {
        let start = if self.run.end == chunk.address && !self.run.is_empty() {
            std::mem::replace(&mut self.run, 0..0).start
        } else {
            self.end_run();
            chunk.address
        };
        let index = usize::from(chunk.arena);
        let is_brk = self.arenas.list.get(index).is_some_and(|arena| arena.is_brk);
        let Some(residency) = self.residency.filter(|_| is_brk) else { return };
        let end = chunk.address + chunk.bytes;
        let area = (end - start).saturating_sub(TOP_KEPT_BYTES + 1);
        let returned = end - area / PAGE_BYTES * PAGE_BYTES..end;
        if let Some(bytes) = self.trimmable.get_mut(index) {
            *bytes += residency.resident_bytes(&returned);
        }
    }

    fn free(&mut self, chunk: &Chunk) {
        let index = usize::from(chunk.arena);
        if self.run.end == chunk.address && self.run_arena == index && !self.run.is_empty() {
            self.run.end += chunk.bytes;
        } else {
            self.end_run();
            self.run = chunk.address..chunk.address + chunk.bytes;
            self.run_arena = index;
        }
    }
}

impl Visitor for Tally<'_> {
    fn chunk(&mut self, chunk: Chunk) {
        match chunk.state {
            State::Free | State::Fast => self.free(&chunk),
            State::Top => self.top(&chunk),
            _ if !self.run.is_empty() => self.end_run(),
            _ => {}
        }
        if let (false, Some(residency)) = (chunk.in_use(), self.residency) {
            let range = chunk.address..chunk.address + chunk.bytes;
            self.free_resident_bytes += residency.resident_bytes(&range);
        }
        if chunk.state == State::Mapped {
            self.mapped_bytes += chunk.bytes;
            self.mapped_count += 1;
        }
        self.classes.add(&chunk);
        if chunk.state == State::Cached && self.marked.len() < MARKED_MAX {
            self.marked.push(chunk);
        }
        let Some(arena) = self.list.get_mut(usize::from(chunk.arena)) else { return };
        match chunk.state {
            State::InUse => {
                arena.in_use_bytes += chunk.bytes;
                arena.in_use_count += 1;
            }
            State::Fence => arena.in_use_bytes += chunk.bytes,
            State::Cached => arena.tcache_bytes += chunk.bytes,
            State::Fast | State::Free => {
                arena.free_bytes += chunk.bytes;
                arena.free_count += 1;
                if chunk.state == State::Fast {
                    arena.fastbin_bytes += chunk.bytes;
                }
            }
            State::Top => arena.top_bytes += chunk.bytes,
            State::Mapped => {}
        }
    }
}
