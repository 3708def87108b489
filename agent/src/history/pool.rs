//! The one heap of the history: cells of 128 bytes, each a block of runs, a series or its buckets.
//!
//! Cells come in chunks of 64 KiB, are never moved and never given back; their number is fixed when
//! the pool is made, so that the budget cannot be exceeded. Knows nothing of what the cells mean.

use super::codec::{Run, Scrap};
use super::track::Track;
use crate::target::Target;

/// The number of a cell that is not there.
pub(super) const NIL: u32 = u32::MAX;
pub(super) const CELL_BYTES: usize = 128;
const CHUNK_CELLS: usize = 512;

#[derive(Debug)]
#[repr(align(128))]
pub(super) enum Cell {
    /// Holds the next free cell.
    Free(u32),
    Block(Block),
    Series(Series),
    Buckets(Buckets),
}

const _: () = assert!(size_of::<Cell>() == CELL_BYTES);

/// Runs in their order, written by [`Scrap`]; the first one's values are deltas to zero.
#[derive(Debug)]
pub(super) struct Block {
    pub at: i64,
    pub next: u32,
    len: u8,
    pub runs: u8,
    bytes: [u8; 106],
}

impl Block {
    pub(super) fn starting<const N: usize>(run: &Run<N>) -> Self {
        let mut block = Self { at: run.at, next: NIL, len: 0, runs: 1, bytes: [0; 106] };
        let mut scrap = Scrap::new();
        scrap.values(&[0; N], &run.values, run.joined);
        block.extend(&scrap);
        block
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub(super) fn room(&self) -> usize {
        self.bytes.len() - usize::from(self.len)
    }

    /// Appends, or does nothing if there is no room: callers ask [`Self::room`] first.
    pub(super) fn extend(&mut self, scrap: &Scrap) {
        let from = usize::from(self.len);
        let to = from + scrap.as_bytes().len();
        if let (Some(slot), Ok(len)) = (self.bytes.get_mut(from..to), u8::try_from(to)) {
            slot.copy_from_slice(scrap.as_bytes());
            self.len = len;
        }
    }
}

/// The header of a series; the fields that every reading touches come first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Series {
    pub fine: Track<5>,
    /// When the open minute ends. Until then an unchanged reading only moves `fine.until`.
    pub minute_end: i64,
    /// The usual time between two readings. Units: milliseconds.
    pub usual: u32,
    pub flags: u8,
    /// The snapshot that this series was last written to.
    pub snapshot: u8,
    /// Up to here the fine runs are folded into minutes; of a closed series, when it ended.
    pub minute_from: i64,
    pub target: Target,
    /// Its [`Buckets`], NIL before the first minute is over.
    pub buckets: u32,
    pub generation: u32,
    /// Neighbours in the list of closed series, older and newer.
    pub older: u32,
    pub newer: u32,
    /// Start of the newest run that the log on disk has.
    pub flushed_at: i64,
}

impl Series {
    pub(super) const OPEN: u8 = 1;
    /// The next reading is not joined to the last one, however close.
    pub(super) const BREAK: u8 = 2;
    /// Open, but not read for longer than the gap limit, and the log on disk says so.
    pub(super) const SILENT: u8 = 4;
    /// The log on disk knows who this is.
    pub(super) const DEFINED: u8 = 8;
    /// Closed or reopened since the last flush.
    pub(super) const TURNED: u8 = 16;
    /// A process of a former boot; a new one with the same pid and start time is another.
    pub(super) const FORMER: u8 = 32;

    pub(super) const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) const fn set(&mut self, flag: u8, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }
}

/// The coarse tiers of a series.
#[derive(Debug)]
pub(super) struct Buckets {
    pub minute: Track<7>,
    pub hour: Track<7>,
    /// Up to here the minutes are folded into hours.
    pub hour_from: i64,
}

#[derive(Debug)]
pub(super) struct Pool {
    chunks: Vec<Box<[Cell]>>,
    free: u32,
    free_cells: usize,
    cells: usize,
    cells_max: usize,
}

impl Pool {
    pub(super) fn new(cells_max: usize) -> Self {
        let chunks = Vec::with_capacity(cells_max.div_ceil(CHUNK_CELLS));
        Self { chunks, free: NIL, free_cells: 0, cells: 0, cells_max }
    }

    pub(super) const fn free_cells(&self) -> usize {
        self.free_cells
    }

    /// Heap held, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.cells * CELL_BYTES + self.chunks.capacity() * size_of::<Box<[Cell]>>()
    }

    /// Takes another chunk from the heap. False if the pool has its full size.
    pub(super) fn grow(&mut self) -> bool {
        let more = CHUNK_CELLS.min(self.cells_max - self.cells);
        let first = u32::try_from(self.cells).unwrap_or(NIL);
        if more == 0 {
            return false;
        }
        let mut next = self.free;
        let mut chunk: Vec<Cell> = Vec::with_capacity(more);
        for id in first..first + more as u32 {
            chunk.push(Cell::Free(next));
            next = id;
        }
        self.free = next;
        self.free_cells += more;
        self.cells += more;
        self.chunks.push(chunk.into_boxed_slice());
        true
    }

    /// Puts `cell` into a free cell, if there is one.
    pub(super) fn put(&mut self, cell: Cell) -> Option<u32> {
        let id = self.free;
        let slot = self.get_mut(id)?;
        let Cell::Free(next) = *slot else { return None };
        *slot = cell;
        self.free = next;
        self.free_cells -= 1;
        Some(id)
    }

    pub(super) fn free(&mut self, id: u32) -> Option<Cell> {
        let next = self.free;
        let slot = self.get_mut(id)?;
        if matches!(slot, Cell::Free(_)) {
            return None;
        }
        let cell = std::mem::replace(slot, Cell::Free(next));
        self.free = id;
        self.free_cells += 1;
        Some(cell)
    }

    fn get(&self, id: u32) -> Option<&Cell> {
        let id = id as usize;
        self.chunks.get(id / CHUNK_CELLS)?.get(id % CHUNK_CELLS)
    }

    fn get_mut(&mut self, id: u32) -> Option<&mut Cell> {
        let id = id as usize;
        self.chunks.get_mut(id / CHUNK_CELLS)?.get_mut(id % CHUNK_CELLS)
    }

    pub(super) fn block(&self, id: u32) -> Option<&Block> {
        if let Some(Cell::Block(block)) = self.get(id) { Some(block) } else { None }
    }

    pub(super) fn block_mut(&mut self, id: u32) -> Option<&mut Block> {
        if let Some(Cell::Block(block)) = self.get_mut(id) { Some(block) } else { None }
    }

    pub(super) fn series(&self, id: u32) -> Option<&Series> {
        if let Some(Cell::Series(series)) = self.get(id) { Some(series) } else { None }
    }

    pub(super) fn series_mut(&mut self, id: u32) -> Option<&mut Series> {
        if let Some(Cell::Series(series)) = self.get_mut(id) { Some(series) } else { None }
    }

    pub(super) fn buckets(&self, id: u32) -> Option<&Buckets> {
        if let Some(Cell::Buckets(buckets)) = self.get(id) { Some(buckets) } else { None }
    }

    pub(super) fn buckets_mut(&mut self, id: u32) -> Option<&mut Buckets> {
        if let Some(Cell::Buckets(buckets)) = self.get_mut(id) { Some(buckets) } else { None }
    }
}
