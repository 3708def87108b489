//! Buffers for what arrives and what goes out: lent by the thread, held only while in use.
//!
//! A connection that has nothing half done holds no buffer at all. One that waits for the rest of a
//! command keeps what it has in as little room as fits.

use super::roster::Roster;
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

/// A thread's buffers.
#[derive(Debug)]
pub(super) struct Pool {
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
    input_bytes: usize,
    roster: Arc<Roster>,
}

impl Pool {
    /// `input_bytes`: the room of an input buffer.
    pub(super) fn new(input_bytes: usize, roster: Arc<Roster>) -> Self {
        let (inputs, outputs) = (Vec::with_capacity(READY_MAX), Vec::with_capacity(READY_MAX));
        Self { inputs, outputs, input_bytes, roster }
    }

    /// An empty output buffer.
    pub(super) fn output(&mut self) -> Vec<u8> {
        self.outputs.pop().unwrap_or_else(|| Vec::with_capacity(OUTPUT_BYTES))
    }

    pub(super) fn return_output(&mut self, mut output: Vec<u8>) {
        let fits = (1..=OUTPUT_KEPT_BYTES_MAX).contains(&output.capacity());
        if fits && self.outputs.len() < READY_MAX {
            output.clear();
            self.outputs.push(output);
        }
    }

    fn input(&mut self) -> Vec<u8> {
        let lent = self.inputs.pop();
        if lent.is_some() {
            self.roster.buffers_free.fetch_sub(self.input_bytes as u64, Relaxed);
        }
        lent.unwrap_or_else(|| vec![0; self.input_bytes])
    }

    fn return_input(&mut self, input: Vec<u8>) {
        if input.len() == self.input_bytes && self.inputs.len() < READY_MAX {
            self.inputs.push(input);
            self.roster.buffers_free.fetch_add(self.input_bytes as u64, Relaxed);
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
    fn a_full_buffer_of_unfinished_bytes_has_no_room() {
        let (mut pool, mut input) = (pool(), Input::default());
        arrive(&mut input, &mut pool, &[b'x'; 4096]);
        assert!(input.room(&mut pool).is_empty());
        input.take(1);
        assert_eq!(input.room(&mut pool).len(), 1);
    }
}
