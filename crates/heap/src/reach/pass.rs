//! The one pass over a target that stands still: everything that is read of it in the pause.
//!
//! Nothing is concluded here: the pass leaves the table of blocks, the pointers of the roots and
//! the names that belong to them; marking comes when the target runs again.

use std::ops::Range;
use std::time::Duration;

use crate::Refusal;
use crate::freeze::Frozen;
use crate::glibc::{self, Arenas, Outcome};
use crate::maps::{Mapping, Residency, read};
use crate::memory::Memory;
use crate::memory::ahead::reading_ahead;
use crate::memory::window::Window;
use crate::target::Opened;

use super::roots::{Kind, Region, Search, merged};
use super::space::{self, Place, Space};
use super::table::{Stopped, Table};
use super::threads;

const PAGE_BYTES: u64 = 4096;
/// What a pointer of a root takes until it is marked: as it was found, its address, its root.
const POINTER_BYTES: usize = size_of::<RootPointer>() + 8 + 8;

/// A word of a root that points into the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootPointer {
    /// Index into [`Pass::regions`], or of a thread above them: a register.
    pub region: u32,
    /// In words, from the start of the region.
    pub word: u32,
    pub place: Place,
}

/// What the pass leaves behind.
#[derive(Debug)]
pub struct Pass {
    pub mappings: Vec<Mapping>,
    pub thread_names: Vec<String>,
    pub regions: Vec<Region>,
    pub pointers: Vec<RootPointer>,
    pub table: Table,
    pub outcome: Outcome,
    /// In swap, and not read.
    pub swapped_bytes: u64,
    pub bytes_searched: u64,
    /// What the thread that read ahead took of a processor.
    pub ahead_cpu: Duration,
    pub notes: Vec<String>,
}

/// What is known before the pause.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// Where the arenas are looked for.
    pub data: &'a [Range<u64>],
    /// What each thread has of variables.
    pub tls_bytes: u64,
    pub table_bytes_max: u64,
}

/// Reads everything once. None where the heap is not one that can be walked.
///
/// # Errors
/// The target's mappings cannot be read.
pub fn run<M: Memory + Sync + ?Sized>(
    opened: &Opened,
    memory: &M,
    before: Before<'_>,
    frozen: &Frozen,
) -> Result<Option<Pass>, Refusal> {
    let mappings = read::mappings(opened)?;
    let Some(arenas) = glibc::find(memory, &mappings, before.data) else { return Ok(None) };
    let Some(space) = Space::new(&arenas) else {
        let why = "it is larger than 64 GiB".into();
        return Err(Refusal::Unavailable { what: "a walk of this heap", why });
    };
    let regions = regions(memory, &mappings, &arenas, before.tls_bytes, frozen);
    let heap = merged(heap_ranges(&arenas).collect());
    let residency = residency(opened, &regions, &heap);
    let swapped = |range: &Range<u64>| residency.as_ref().map_or(0, |at| at.swapped_bytes(range));
    let of_regions = regions.iter().map(|region| &region.range);
    let swapped_bytes = of_regions.chain(&heap).map(swapped).sum();
    let mut notes = arenas.notes.clone();
    let waiting = frozen.threads.iter().filter(|thread| !thread.complete).count();
    if waiting > 0 {
        notes.push(format!(
            "{waiting} threads waited in the kernel: what only their registers point to counts as \
             unreachable"
        ));
    }
    let table = Table::new(space, Some(frozen.hold.clone()), before.table_bytes_max);
    let mut pass = Pass {
        mappings,
        thread_names: frozen.threads.iter().map(|thread| thread.name.clone()).collect(),
        regions,
        pointers: Vec::new(),
        table,
        outcome: Outcome::default(),
        swapped_bytes,
        bytes_searched: 0,
        ahead_cpu: Duration::ZERO,
        notes,
    };
    pass.registers(frozen);
    let of_roots = pass.regions.iter().map(|region| region.range.clone());
    let stretches = of_roots.chain(heap_ranges(&arenas)).collect();
    let ((), ahead_cpu) = reading_ahead(memory, residency.as_ref(), stretches, |window| {
        pass.read(window, &arenas, frozen);
    });
    pass.ahead_cpu = ahead_cpu;
    if !frozen.hold.holds() {
        pass.table.stop(Stopped::LetGo);
    }
    Ok(Some(pass))
}

fn heap_ranges(arenas: &Arenas) -> impl Iterator<Item = Range<u64>> {
    let segments = arenas.list.iter().flat_map(|arena| arena.segments.iter().cloned());
    let mapped = arenas.mmapped.iter();
    segments.chain(mapped.map(|chunk| chunk.address..chunk.address.saturating_add(chunk.bytes)))
}

fn regions<M: Memory + ?Sized>(
    memory: &M,
    mappings: &[Mapping],
    arenas: &Arenas,
    tls_bytes: u64,
    frozen: &Frozen,
) -> Vec<Region> {
    let of = |thread| threads::memory_of(memory, mappings, thread, tls_bytes);
    let known: Vec<_> = frozen.threads.iter().map(of).collect();
    // The lists of free chunks would hold whatever lies before those.
    let records = arenas.list.iter().map(space::record);
    let mut excluded: Vec<_> = heap_ranges(arenas).chain(records).collect();
    excluded.extend(threads::ended(memory, mappings, &frozen.threads));
    Search { mappings, threads: &known, excluded }.regions()
}

/// Which pages of all that is searched are there: reading one that is not would make it. None
/// where the kernel does not say.
fn residency(opened: &Opened, regions: &[Region], heap: &[Range<u64>]) -> Option<Residency> {
    let ranges = regions.iter().map(|region| region.range.clone()).chain(heap.iter().cloned());
    let whole_pages =
        |range: Range<u64>| range.start & !(PAGE_BYTES - 1)..range.end.next_multiple_of(PAGE_BYTES);
    read::residency(opened, &merged(ranges.map(whole_pages).collect()))
}

impl Pass {
    /// Why a pointer is one: the kind of its root.
    pub fn kind(&self, pointer: &RootPointer) -> Kind {
        let region = pointer.region as usize;
        match self.regions.get(region) {
            Some(region) => region.kind,
            None => Kind::Registers(region - self.regions.len()),
        }
    }

    /// Where a pointer lies; of a register that is nowhere.
    pub fn address(&self, pointer: &RootPointer) -> Option<u64> {
        let region = self.regions.get(pointer.region as usize)?;
        Some(region.range.start + 8 * u64::from(pointer.word))
    }

    /// Roots and heap, in this order. The window ends here: so that nobody reads on for it.
    fn read<M: Memory + ?Sized>(
        &mut self,
        mut window: Window<'_, M>,
        arenas: &Arenas,
        frozen: &Frozen,
    ) {
        self.roots(&mut window, frozen);
        if self.table.stopped().is_none() {
            self.outcome = glibc::walk::walk(&mut window, arenas, &mut self.table);
        }
    }

    fn registers(&mut self, frozen: &Frozen) {
        for (region, thread) in (self.regions.len() as u32..).zip(&frozen.threads) {
            let held = thread.registers.iter().filter_map(|word| self.table.space.place(*word));
            let pointers = held.map(|place| RootPointer { region, word: 0, place });
            self.pointers.extend(pointers);
        }
    }

    fn roots<M: Memory + ?Sized>(&mut self, window: &mut Window<'_, M>, frozen: &Frozen) {
        for index in 0..self.regions.len() {
            let range = self.regions[index].range.clone();
            let mut at = range.start.next_multiple_of(8);
            while at < range.end && self.table.stopped().is_none() {
                let piece = window.piece(at, range.end);
                let count = piece.len() as u64;
                self.search(index, range.start, at, piece);
                at = if count == 0 { window.behind(at, range.end) } else { at + count };
                if !frozen.hold.holds() {
                    self.table.stop(Stopped::LetGo);
                }
            }
        }
    }

    fn search(&mut self, index: usize, start: u64, at: u64, bytes: &[u8]) {
        let pointers = &mut self.pointers;
        self.table.space.pointers(at, bytes, |address, place| {
            // A region of which the words do not have 32-bit numbers is no region of any process.
            let word = u32::try_from((address - start) / 8).unwrap_or(u32::MAX);
            pointers.push(RootPointer { region: index as u32, word, place });
        });
        self.bytes_searched += bytes.len() as u64;
        self.table.also_kept(self.pointers.capacity() * POINTER_BYTES);
    }
}
