//! Reading ahead: a second thread copies what comes next while a walk looks at what came.
//!
//! Half of what a pass costs is the kernel's copying; where a second processor is free, it costs no
//! time. [`reading_ahead`] has both ends, each in a thread of its own:
//!
//! ```text
//! Reader ── pieces, in the order of the plan ──▶ Ahead ──▶ the window
//!        ◀─ buffers to fill, and where the walk is ──
//! ```
//!
//! What the walk passes over is not read, and what is not read here the window reads by itself:
//! also when there is no thread to run the reader.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::Memory;
use super::window::{self, BYTES_MAX, Window};
use crate::cpu;
use crate::maps::Residency;
use crate::maps::residency::PAGE_BYTES;

/// Buffers on their way, beside the one that the window holds.
const BUFFERS: usize = 3;

/// What was read of the plan's stretch of that number.
#[derive(Debug)]
struct Piece {
    stretch: usize,
    base: u64,
    bytes: Vec<u8>,
    filled: usize,
}

/// Stretches in the order in which they will be walked.
#[derive(Debug)]
struct Plan {
    stretches: Vec<Range<u64>>,
    /// Their numbers, by address.
    by_address: Vec<usize>,
}

impl Plan {
    fn new(stretches: Vec<Range<u64>>) -> Self {
        let mut by_address: Vec<_> = (0..stretches.len()).collect();
        by_address.sort_by_key(|&number| stretches[number].start);
        Self { stretches, by_address }
    }

    fn stretch_at(&self, address: u64) -> Option<usize> {
        let ends_before = |&number: &usize| self.stretches[number].end <= address;
        let number = *self.by_address.get(self.by_address.partition_point(ends_before))?;
        self.stretches[number].contains(&address).then_some(number)
    }
}

/// Gives `work` a window of `memory` for which `stretches` are read ahead, which do not overlap and
/// are walked in this order. Returns what the thread that reads took of a processor as well.
pub fn reading_ahead<M: Memory + Sync + ?Sized, R>(
    memory: &M,
    residency: Option<&Residency>,
    stretches: Vec<Range<u64>>,
    work: impl FnOnce(Window<'_, M>) -> R,
) -> (R, Duration) {
    let (ahead, reader) = pair(stretches);
    let window = Window::new(memory, residency).reading_ahead(ahead);
    thread::scope(|scope| {
        let read = move || {
            reader.run(memory, residency);
            cpu::of_thread()
        };
        // Without it everything is read by the window itself.
        let reader = thread::Builder::new().name("heap-ahead".into()).spawn_scoped(scope, read);
        let worked = work(window);
        let cpu = reader.ok().and_then(|reader| reader.join().ok());
        (worked, cpu.unwrap_or_default())
    })
}

/// The end of the walk.
#[derive(Debug)]
pub struct Ahead {
    plan: Arc<Plan>,
    walked_to: Arc<AtomicU64>,
    pieces: Receiver<Piece>,
    buffers: Sender<Vec<u8>>,
    /// Came, and its turn has not.
    next: Option<Piece>,
}

/// The end that reads.
#[derive(Debug)]
struct Reader {
    plan: Arc<Plan>,
    walked_to: Arc<AtomicU64>,
    pieces: Sender<Piece>,
    buffers: Receiver<Vec<u8>>,
}

fn pair(stretches: Vec<Range<u64>>) -> (Ahead, Reader) {
    let plan = Arc::new(Plan::new(stretches));
    let walked_to = Arc::new(AtomicU64::new(0));
    let (pieces, from_reader) = channel();
    let (buffers, from_walk) = channel();
    for _ in 0..BUFFERS {
        // The other end is in this very function.
        let _ = buffers.send(vec![0; BYTES_MAX]);
    }
    let reader = Reader {
        plan: Arc::clone(&plan),
        walked_to: Arc::clone(&walked_to),
        pieces,
        buffers: from_walk,
    };
    (Ahead { plan, walked_to, pieces: from_reader, buffers, next: None }, reader)
}

impl Ahead {
    /// Exchanges `buffer`, which has [`BYTES_MAX`] bytes, for one that holds `address`, and gives
    /// the address of its first byte and how many were read. None where none will come.
    pub(super) fn take(&mut self, address: u64, buffer: &mut Vec<u8>) -> Option<(u64, usize)> {
        let stretch = self.plan.stretch_at(address)?;
        self.walked_to.store(address, Ordering::Relaxed);
        loop {
            let mut piece = match self.next.take() {
                Some(piece) => piece,
                None => self.pieces.recv().ok()?,
            };
            let (base, filled) = (piece.base, piece.filled);
            if piece.stretch == stretch && (base..base + filled as u64).contains(&address) {
                std::mem::swap(buffer, &mut piece.bytes);
                self.give_back(piece.bytes);
                return Some((base, filled));
            }
            if piece.stretch > stretch || (piece.stretch == stretch && base > address) {
                self.next = Some(piece);
                return None;
            }
            self.give_back(piece.bytes);
        }
    }

    fn give_back(&self, buffer: Vec<u8>) {
        // A reader that has come to its end needs no more.
        let _ = self.buffers.send(buffer);
    }
}

impl Reader {
    /// Reads all of the plan that is there, until it is through or the other end is gone.
    fn run<M: Memory + ?Sized>(self, memory: &M, residency: Option<&Residency>) {
        for (number, stretch) in self.plan.stretches.iter().enumerate() {
            let mut at = stretch.start;
            while at < stretch.end {
                let walked_to = self.walked_to.load(Ordering::Relaxed);
                if stretch.contains(&walked_to) {
                    at = at.max(walked_to & !(PAGE_BYTES - 1));
                }
                let until = stretch.end.min(at.saturating_add(BYTES_MAX as u64));
                let until = residency.map_or(until, |known| known.run(at, until));
                let Some(filled) = self.piece(memory, number, at..until) else { return };
                at += filled;
                if at < until || filled == 0 {
                    at = window::behind(residency, at, stretch.end);
                }
            }
        }
    }

    /// How much of it was read; None: nobody wants it any more.
    fn piece<M: Memory + ?Sized>(
        &self,
        memory: &M,
        stretch: usize,
        range: Range<u64>,
    ) -> Option<u64> {
        let wanted = usize::try_from(range.end - range.start).unwrap_or(0);
        if wanted == 0 {
            return Some(0);
        }
        let mut bytes = self.buffers.recv().ok()?;
        let filled = memory.read(range.start, &mut bytes[..wanted]);
        self.pieces.send(Piece { stretch, base: range.start, bytes, filled }).ok()?;
        Some(filled as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Recorded;
    use std::thread;

    const PIECE: u64 = BYTES_MAX as u64;

    /// Each byte is the number of its page.
    fn stretch(start: u64, pages: u64) -> (u64, Vec<u8>) {
        (start, (0..pages * PAGE_BYTES).map(|at| (at / PAGE_BYTES) as u8).collect())
    }

    fn with(
        stretches: Vec<Range<u64>>,
        memory: &Recorded,
        walk: impl FnOnce(&mut dyn FnMut(u64) -> Option<(u64, usize, u8)>),
    ) {
        let (mut ahead, reader) = pair(stretches);
        thread::scope(|scope| {
            scope.spawn(|| reader.run(memory, None));
            let mut buffer = vec![0; BYTES_MAX];
            walk(&mut |address| {
                let (base, filled) = ahead.take(address, &mut buffer)?;
                Some((base, filled, buffer[(address - base) as usize]))
            });
            drop(ahead);
        });
    }

    #[test]
    fn pieces_come_in_the_order_of_the_plan_whatever_their_addresses() {
        let pages = 3 * PIECE / PAGE_BYTES;
        let memory = Recorded { stretches: vec![stretch(0x10_0000, 2), stretch(1 << 30, pages)] };
        let (low, high) = (0x10_0000..0x10_2000, (1 << 30)..(1 << 30) + 3 * PIECE);
        with(vec![high, low], &memory, |take| {
            assert_eq!(take(1 << 30), Some((1 << 30, BYTES_MAX, 0)));
            let third = (1 << 30) + 2 * PIECE;
            assert_eq!(take(third + PAGE_BYTES).map(|(.., byte)| byte), Some(1), "passed over");
            let low = take(0x10_1000);
            assert_eq!(
                low.map(|(base, filled, byte)| (base + filled as u64, byte)),
                Some((0x10_2000, 1))
            );
            assert_eq!(take(1 << 30), None, "long past");
            assert_eq!(take(0x5000), None, "in no stretch");
        });
    }

    #[test]
    fn what_cannot_be_read_does_not_come_and_what_lies_behind_it_does() {
        let memory = Recorded { stretches: vec![stretch(0x1000, 1), stretch(0x4000, 1)] };
        with(std::iter::once(0x1000..0x5000).collect(), &memory, |take| {
            assert_eq!(take(0x1008), Some((0x1000, 0x1000, 0)));
            assert_eq!(take(0x2000), None);
            assert_eq!(take(0x4000), Some((0x4000, 0x1000, 0)));
        });
    }

    #[test]
    fn without_a_thread_that_reads_nothing_comes() {
        let (mut ahead, reader) = pair(std::iter::once(0x1000..0x2000).collect());
        drop(reader);
        assert_eq!(ahead.take(0x1000, &mut vec![0; BYTES_MAX]), None);
    }
}
