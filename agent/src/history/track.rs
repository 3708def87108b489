//! A growing sequence of runs in a chain of blocks: appended at the tail, dropped at the head.
//!
//! The newest run is not in the blocks but in the track itself, where it can be prolonged at no
//! cost; only its start is in the chain (if there is one), as the base of the next delta.

use super::codec::{Reader, Run, Scrap};
use super::pool::{Block, Cell, NIL, Pool};

#[derive(Clone, Copy, Debug)]
pub(super) struct Track<const N: usize> {
    pub at: i64,
    pub until: i64,
    pub values: [u32; N],
    head: u32,
    tail: u32,
    pub blocks: u16,
    joined: bool,
    /// Runs begun since the last fold into the next tier; saturates.
    pub unfolded: u8,
}

impl<const N: usize> Track<N> {
    pub(super) const EMPTY: Self = Self {
        at: 0,
        until: -1,
        values: [0; N],
        head: NIL,
        tail: NIL,
        blocks: 0,
        joined: false,
        unfolded: 0,
    };

    pub(super) const fn is_empty(&self) -> bool {
        self.until < self.at
    }

    pub(super) const fn newest(&self) -> Run<N> {
        Run { at: self.at, until: self.until, values: self.values, joined: self.joined }
    }

    pub(super) fn oldest_at(&self, pool: &Pool) -> i64 {
        pool.block(self.head).map_or(self.at, |block| block.at)
    }

    /// Where the second block begins: what lies before it can be dropped at once.
    pub(super) fn second_at(&self, pool: &Pool) -> i64 {
        pool.block(self.head)
            .and_then(|head| pool.block(head.next))
            .map_or(self.at, |second| second.at)
    }

    /// Makes `run` the newest. Callers see to it that `run.at` is not before `self.until`.
    ///
    /// Takes at most one free cell. Returns how many runs were lost because there was none: a track
    /// with blocks then reuses its oldest one. Cost: about 20 ns.
    pub(super) fn append(&mut self, pool: &mut Pool, run: Run<N>) -> u64 {
        let lost = if self.is_empty() { 0 } else { self.write(pool, &run) };
        self.at = run.at;
        self.until = run.until;
        self.values = run.values;
        self.joined = run.joined;
        self.unfolded = self.unfolded.saturating_add(1);
        lost
    }

    /// As [`Self::append`], but only prolongs the newest run if `run` goes on with equal values,
    /// and leaves out what would overlap it.
    pub(super) fn append_merging(&mut self, pool: &mut Pool, mut run: Run<N>) -> u64 {
        if !self.is_empty() {
            run.at = run.at.max(self.until);
            if run.at >= run.until {
                return 0;
            }
            if run.at == self.until && run.values == self.values {
                self.until = run.until;
                return 0;
            }
        }
        self.append(pool, run)
    }

    fn write(&mut self, pool: &mut Pool, run: &Run<N>) -> u64 {
        if self.tail == NIL {
            let Some(id) = pool.put(Cell::Block(Block::starting(&self.newest()))) else {
                return 1;
            };
            (self.head, self.tail, self.blocks) = (id, id, 1);
        }
        let mut span = Scrap::new();
        span.span(self.until - self.at);
        let mut both = span;
        both.span(run.at - self.until);
        both.values(&self.values, &run.values, run.joined);
        let Some(tail) = pool.block_mut(self.tail) else { return 1 };
        if tail.room() >= both.as_bytes().len() + Scrap::SPAN_MAX {
            tail.extend(&both);
            tail.runs = tail.runs.saturating_add(1);
            return 0;
        }
        tail.extend(&span);
        self.chain(pool, Block::starting(run))
    }

    fn chain(&mut self, pool: &mut Pool, block: Block) -> u64 {
        let mut lost = 0;
        if pool.free_cells() == 0 {
            lost = self.drop_head(pool);
        }
        let Some(id) = pool.put(Cell::Block(block)) else { return lost + 1 };
        match pool.block_mut(self.tail) {
            Some(tail) => tail.next = id,
            None => self.head = id,
        }
        self.tail = id;
        self.blocks += 1;
        lost
    }

    /// Frees the oldest block and returns how many runs went with it. A run that is also the newest
    /// stays, in the track.
    pub(super) fn drop_head(&mut self, pool: &mut Pool) -> u64 {
        let Some(Cell::Block(block)) = pool.free(self.head) else { return 0 };
        self.head = block.next;
        self.blocks = self.blocks.saturating_sub(1);
        if self.head == NIL {
            self.tail = NIL;
            return u64::from(block.runs.saturating_sub(1));
        }
        u64::from(block.runs)
    }

    pub(super) fn clear(&mut self, pool: &mut Pool) {
        while self.head != NIL {
            self.drop_head(pool);
        }
        *self = Self::EMPTY;
    }

    /// All runs, oldest first.
    pub(super) fn runs<'a>(&self, pool: &'a Pool) -> Runs<'a, N> {
        Runs::starting(pool, *self, self.head)
    }

    /// The runs from the one that holds at `from`, or a few before it, oldest first.
    pub(super) fn runs_from<'a>(&self, pool: &'a Pool, from: i64) -> Runs<'a, N> {
        Runs::starting(pool, *self, self.block_of(pool, from))
    }

    /// The block in which the run that holds at `from` begins, NIL if it is the newest run. What is
    /// asked for lies near the end nearly always, and the chain leads there from the other one.
    fn block_of(&self, pool: &Pool, from: i64) -> u32 {
        if self.at <= from {
            return NIL;
        }
        if pool.block(self.tail).is_some_and(|tail| tail.at <= from) {
            return self.tail;
        }
        let mut id = self.head;
        while let Some(next) = pool.block(id).map(|block| block.next) {
            match pool.block(next) {
                Some(block) if block.at <= from => id = next,
                _ => break,
            }
        }
        id
    }
}

/// Iterates over the runs of a track without allocating. Cost: about 10 ns each.
#[derive(Clone, Debug)]
pub(super) struct Runs<'a, const N: usize> {
    pool: &'a Pool,
    track: Track<N>,
    block: u32,
    reader: Reader<'a>,
    /// The run whose end has not been read yet.
    begun: Option<Run<N>>,
}

impl<'a, const N: usize> Runs<'a, N> {
    pub(super) const fn none(pool: &'a Pool) -> Self {
        Self { pool, track: Track::EMPTY, block: NIL, reader: Reader::new(&[]), begun: None }
    }

    fn starting(pool: &'a Pool, track: Track<N>, block: u32) -> Self {
        let mut runs = Self { track, ..Self::none(pool) };
        if block == NIL {
            runs.begun = (!track.is_empty()).then(|| track.newest());
        } else {
            runs.enter(block);
        }
        runs
    }

    fn enter(&mut self, id: u32) {
        self.block = id;
        self.begun = self.pool.block(id).and_then(|block| {
            self.reader = Reader::new(block.bytes());
            let (values, joined) = self.reader.values(&[0; N])?;
            Some(Run { at: block.at, until: block.at, values, joined })
        });
    }
}

impl<const N: usize> Iterator for Runs<'_, N> {
    type Item = Run<N>;

    fn next(&mut self) -> Option<Run<N>> {
        let mut run = self.begun.take()?;
        if self.reader.is_empty() {
            return Some(Run { until: self.track.until, ..run });
        }
        run.until = run.at + self.reader.span()?;
        if self.reader.is_empty() {
            let next = self.pool.block(self.block)?.next;
            self.enter(next);
        } else {
            let at = run.until + self.reader.span()?;
            let (values, joined) = self.reader.values(&run.values)?;
            self.begun = Some(Run { at, until: at, values, joined });
        }
        Some(run)
    }
}
