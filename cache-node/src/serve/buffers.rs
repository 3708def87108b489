//! Buffers for what arrives and what goes out: lent by the thread, held only while in use.
//!
//! A connection that has nothing half done holds no buffer at all. One that waits for the rest of a
//! command keeps what it has in as little room as fits.

use super::roster::Roster;
use crate::store::{Charge, Store};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Buffers that lie ready; one connection at a time needs one, others only while they wait.
const READY_MAX: usize = 8;
/// An output buffer that has grown beyond this is not kept. Units: bytes.
const OUTPUT_KEPT_BYTES_MAX: usize = 128 << 10;
/// Room that an output buffer has at first. Units: bytes.
const OUTPUT_BYTES: usize = 16 << 10;
/// What is left over is kept in room of a multiple of this. Units: bytes.
const REMAINDER_STEP_BYTES: usize = 256;

/// What lies ready is charged in steps of this. Units: bytes.
const CHARGE_STEP_BYTES: u64 = 64 << 10;

/// A thread's buffers.
#[derive(Debug)]
pub(super) struct Pool {
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
    input_bytes: usize,
    /// Room of all that lie ready. Units: bytes.
    ready_bytes: u64,
    /// What of it is paid for beyond the common reserve.
    charge: Option<(u64, Charge)>,
    roster: Arc<Roster>,
}

impl Pool {
    /// `input_bytes`: the room of an input buffer.
    pub(super) fn new(input_bytes: usize, roster: Arc<Roster>) -> Self {
        let (inputs, outputs) = (Vec::with_capacity(READY_MAX), Vec::with_capacity(READY_MAX));
        Self { inputs, outputs, input_bytes, ready_bytes: 0, charge: None, roster }
    }

    /// An empty output buffer.
    pub(super) fn output(&mut self) -> Vec<u8> {
        let Some(output) = self.outputs.pop() else { return Vec::with_capacity(OUTPUT_BYTES) };
        self.lent(output.capacity());
        output
    }

    pub(super) fn return_output(&mut self, mut output: Vec<u8>) {
        let (kept, most) = match self.roster.is_lean() {
            true => (OUTPUT_BYTES, 1),
            false => (OUTPUT_KEPT_BYTES_MAX, READY_MAX),
        };
        if (1..=kept).contains(&output.capacity()) && self.outputs.len() < most {
            output.clear();
            self.returned(output.capacity());
            self.outputs.push(output);
        }
    }

    fn input(&mut self) -> Vec<u8> {
        let Some(input) = self.inputs.pop() else { return vec![0; self.input_bytes] };
        self.lent(input.capacity());
        input
    }

    fn return_input(&mut self, input: Vec<u8>) {
        let most = if self.roster.is_lean() { 1 } else { READY_MAX };
        if input.len() == self.input_bytes && self.inputs.len() < most {
            self.returned(input.capacity());
            self.inputs.push(input);
        }
    }

    fn lent(&mut self, bytes: usize) {
        self.ready_bytes -= bytes as u64;
        self.roster.buffers_free.fetch_sub(bytes as u64, Relaxed);
    }

    fn returned(&mut self, bytes: usize) {
        self.ready_bytes += bytes as u64;
        self.roster.buffers_free.fetch_add(bytes as u64, Relaxed);
    }

    /// Whether nothing lies ready.
    pub(super) const fn is_empty(&self) -> bool {
        self.ready_bytes == 0
    }

    /// Lets go of all that lies ready.
    pub(super) fn clear(&mut self) {
        self.inputs.clear();
        self.outputs.clear();
        self.roster.buffers_free.fetch_sub(self.ready_bytes, Relaxed);
        self.ready_bytes = 0;
        self.charge = None;
    }

    /// Charges what lies ready to the budget, or lets go of it. Called between rounds.
    pub(super) fn account(&mut self, store: &Store) {
        let all = self.roster.buffers_held.load(Relaxed) + self.roster.buffers_free.load(Relaxed);
        let is_paid = all <= self.roster.reserve_bytes();
        let due = if is_paid { 0 } else { self.ready_bytes.next_multiple_of(CHARGE_STEP_BYTES) };
        let charged = self.charge.as_ref().map_or(0, |(bytes, _)| *bytes);
        if due == charged || due < charged && !is_paid && !self.roster.is_lean() {
            return;
        }
        self.charge = None;
        if due == 0 {
            return;
        }
        match store.charge(due) {
            Ok(charge) => self.charge = Some((due, charge)),
            Err(_) => self.clear(),
        }
    }
}

/// What has arrived on a connection and is not done with.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    live: Range<usize>,
}

impl Input {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.live.clone()]
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Room that is held. Units: bytes.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn take(&mut self, count: usize) {
        self.live.start += count.min(self.live.len());
    }

    /// Where the next bytes go; empty only when a whole buffer is full of what is not done with.
    pub(super) fn room(&mut self, pool: &mut Pool) -> &mut [u8] {
        if self.bytes.len() < pool.input_bytes {
            let mut whole = pool.input();
            let count = self.live.len();
            whole[..count].copy_from_slice(&self.bytes[self.live.clone()]);
            self.bytes = whole;
            self.live = 0..count;
        } else if self.live.is_empty() {
            self.live = 0..0;
        } else if self.live.end == self.bytes.len() {
            self.bytes.copy_within(self.live.clone(), 0);
            self.live = 0..self.live.len();
        }
        &mut self.bytes[self.live.end..]
    }

    /// So many bytes were put into [`Self::room`].
    pub(super) fn arrived(&mut self, count: usize) {
        self.live.end += count.min(self.bytes.len() - self.live.end);
    }

    /// Forgets everything and gives back its room.
    pub(super) fn drop_all(&mut self, pool: &mut Pool) {
        self.live = 0..0;
        self.settle(pool);
    }

    /// Gives back what room is not needed until more arrives.
    pub(super) fn settle(&mut self, pool: &mut Pool) {
        if self.bytes.is_empty() {
            return;
        }
        let kept = self.live.len().next_multiple_of(REMAINDER_STEP_BYTES);
        if self.live.is_empty() {
            pool.return_input(std::mem::take(&mut self.bytes));
            self.live = 0..0;
        } else if kept * 2 < self.bytes.len() {
            let mut small = vec![0; kept];
            let count = self.live.len();
            small[..count].copy_from_slice(&self.bytes[self.live.clone()]);
            pool.return_input(std::mem::replace(&mut self.bytes, small));
            self.live = 0..count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Params;

    fn pool() -> Pool {
        Pool::new(4096, Arc::new(Roster::new(1)))
    }

    fn arrive(input: &mut Input, pool: &mut Pool, bytes: &[u8]) {
        input.room(pool)[..bytes.len()].copy_from_slice(bytes);
        input.arrived(bytes.len());
    }

    #[test]
    fn what_is_done_with_holds_no_room() {
        let (mut pool, mut input) = (pool(), Input::default());
        arrive(&mut input, &mut pool, b"get a\r\n");
        input.take(7);
        input.settle(&mut pool);
        assert_eq!((input.capacity(), pool.inputs.len()), (0, 1));
    }

    #[test]
    fn a_remainder_is_kept_in_little_room_and_continued_in_order() {
        let (mut pool, mut input) = (pool(), Input::default());
        arrive(&mut input, &mut pool, b"get a\r\nget b");
        input.take(7);
        input.settle(&mut pool);
        assert_eq!(input.capacity(), REMAINDER_STEP_BYTES);
        arrive(&mut input, &mut pool, b"\r\n");
        assert_eq!(input.bytes(), b"get b\r\n");
    }

    #[test]
    fn nothing_is_left_of_a_connection_that_ends_in_the_midst_of_a_command() {
        let (mut pool, mut input) = (pool(), Input::default());
        arrive(&mut input, &mut pool, b"get a\r\nget b");
        input.take(7);
        input.drop_all(&mut pool);
        assert_eq!((input.len(), input.capacity(), pool.inputs.len()), (0, 0, 1));
    }

    #[test]
    fn when_memory_is_short_one_of_each_lies_ready_and_idle_threads_let_go_of_those() {
        let mut pool = pool();
        let roster = Arc::clone(&pool.roster);
        let fill = |pool: &mut Pool| {
            (0..3).for_each(|_| pool.return_input(vec![0; 4096]));
            (0..3).for_each(|_| pool.return_output(Vec::with_capacity(OUTPUT_BYTES)));
        };
        fill(&mut pool);
        let one = 4096 + OUTPUT_BYTES as u64;
        assert_eq!(roster.gauges().read_buf_bytes_free, 3 * one);
        pool.clear();
        assert!(pool.is_empty() && roster.gauges().read_buf_bytes_free == 0);
        roster.be_lean(true);
        fill(&mut pool);
        assert_eq!(roster.gauges().read_buf_bytes_free, one);
        let lent = (pool.input(), pool.output());
        assert!(pool.is_empty());
        drop(lent);
    }

    #[test]
    fn what_lies_ready_beyond_the_reserve_is_charged_until_it_is_let_go_of() {
        let params = Params {
            limit_bytes: 32 << 20,
            reserve_bytes: 32 << 20,
            item_bytes_max: 1 << 20,
            partitions: 1,
            evicts: true,
        };
        let store = Store::new(params).unwrap();
        let mut pool = pool();
        pool.return_input(vec![0; 4096]);
        pool.roster.reserve(8192);
        pool.account(&store);
        assert_eq!(store.totals().buffer_bytes, 0, "the reserve pays");
        pool.roster.reserve(0);
        pool.account(&store);
        assert_eq!(store.totals().buffer_bytes, CHARGE_STEP_BYTES);
        pool.clear();
        assert_eq!(store.totals().buffer_bytes, 0);
    }

    #[test]
    fn a_full_buffer_of_unfinished_bytes_has_no_room() {
        let (mut pool, mut input) = (pool(), Input::default());
        arrive(&mut input, &mut pool, &[b'x'; 4096]);
        assert!(input.room(&mut pool).is_empty());
        input.take(1);
        assert_eq!(input.room(&mut pool).len(), 1);
    }
}
