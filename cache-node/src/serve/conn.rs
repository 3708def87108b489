//! One connection: what has arrived is executed, answers are written, whoever does not read waits.
//!
//! As long as answers cannot be written nothing more is read, so a connection holds at most one
//! buffer of input and what one turn of its session appends to the output.

use super::buffers::{Input, Pool};
use super::roster::{Doing, Roster, Seat};
use super::stream::Stream;
use crate::protocol::{Context, Next, Session};
use crate::store::Charge;
use crate::watch::Closed;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Reads of one connection before the others have their turn.
const READS_PER_TURN_MAX: usize = 16;
/// Answers are written once there are so many, though the session has more to say. Units: bytes.
const WRITE_BYTES: usize = 16 << 10;
/// Buffers that a connection keeps while it waits are charged in steps of this. Units: bytes.
const CHARGE_STEP_BYTES: u64 = 4 << 10;
/// What a connection counts at least below `-o read_buf_mem_limit`: memcached's read buffer.
const READ_BUFFER_BYTES: u64 = 16 << 10;

/// What a thread's connections share.
#[derive(Debug)]
pub(super) struct Bench {
    pub context: Context,
    pub pool: Pool,
    pub roster: Arc<Roster>,
    /// A session wants the server to stop; `save`: with its items written to disk.
    pub stop: Option<bool>,
    /// No more is awaited than what has been sent already.
    pub draining: bool,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing to do until the socket says so.
    Wait,
    /// There is more to do; others first.
    Again,
    Close(Closed),
}

#[derive(Debug)]
pub(super) struct Conn {
    stream: Stream,
    session: Session,
    pub seat: Arc<Seat>,
    /// Its place in the roster.
    pub entry: usize,
    input: Input,
    /// Less than this makes no sense to the session.
    at_least: usize,
    output: Vec<u8>,
    written: usize,
    /// The session has something to do with what is there.
    runnable: bool,
    readable: bool,
    /// The peer will send no more, or something failed: read on until that is seen.
    hung_up: bool,
    closing: Option<Closed>,
    watching: bool,
    /// Waits in the thread's queue for its next turn.
    pub queued: bool,
    /// What its buffers take of the reserve for buffers (None) or of the budget.
    charge: Option<(u64, Option<Charge>)>,
}

impl Conn {
    pub(super) fn new(stream: Stream, session: Session, entry: usize, seat: Arc<Seat>) -> Self {
        Self {
            stream,
            session,
            seat,
            entry,
            input: Input::default(),
            at_least: 1,
            output: Vec::new(),
            written: 0,
            runnable: false,
            readable: true,
            hung_up: false,
            closing: None,
            watching: false,
            queued: false,
            charge: None,
        }
    }

    pub(super) const fn is_watching(&self) -> bool {
        self.watching
    }

    /// Whether it is in the midst of something: a command, a value, an answer.
    pub(super) fn is_busy(&self) -> bool {
        let midst = !self.session.is_idle() || !self.input.is_empty() || !self.output.is_empty();
        midst && !self.watching
    }

    /// The socket can be read again. `ends`: there is an end or an error to be seen.
    pub(super) const fn readable(&mut self, ends: bool) {
        self.readable = true;
        self.hung_up |= ends;
    }

    /// Says that nothing more will be written; what was written still arrives.
    pub(super) fn finish(&self) {
        self.stream.finish();
    }

    /// Does what can be done now.
    pub(super) fn turn(&mut self, bench: &mut Bench) -> Turn {
        let turn = self.work(bench);
        if matches!(turn, Turn::Close(_)) {
            return turn;
        }
        self.input.settle(&mut bench.pool);
        if self.output.is_empty() && self.output.capacity() > 0 {
            bench.pool.return_output(std::mem::take(&mut self.output));
        }
        if self.account(bench) { turn } else { self.out_of_memory(bench) }
    }

    fn work(&mut self, bench: &mut Bench) -> Turn {
        let mut reads = 0;
        loop {
            if self.watching {
                self.drain_watched(bench);
            }
            let more = self.runnable && self.closing.is_none() && self.execute(bench);
            if !more || self.output.len() >= WRITE_BYTES {
                match self.flush(bench) {
                    Ok(true) => {}
                    Ok(false) => return Turn::Wait,
                    Err(closed) => return Turn::Close(closed),
                }
            }
            if let Some(closed) = self.closing {
                return Turn::Close(closed);
            }
            if more {
                return Turn::Again;
            }
            if !self.readable {
                return Turn::Wait;
            }
            if reads == READS_PER_TURN_MAX {
                return Turn::Again;
            }
            reads += 1;
            match self.fill(bench) {
                Ok(true) => {}
                Ok(false) => return Turn::Wait,
                Err(closed) => return Turn::Close(closed),
            }
        }
    }

    /// Lets the session execute once; true if it has more to do with what is there.
    fn execute(&mut self, bench: &mut Bench) -> bool {
        if self.output.capacity() == 0 {
            self.output = bench.pool.output();
        }
        self.seat.does(Doing::Executing);
        let progress = self.session.run(&bench.context, self.input.bytes(), &mut self.output);
        if progress.taken > 0 {
            self.seat.spoke(bench.context.clock.now());
        }
        self.input.take(progress.taken);
        self.runnable = false;
        match progress.next {
            Next::Yield => self.runnable = true,
            Next::Read { at_least } => {
                self.at_least = at_least.max(self.input.len() + 1);
                let idle = self.session.is_idle() && at_least <= 1;
                self.seat.does(if idle { Doing::Waiting } else { Doing::Receiving });
            }
            Next::Close => self.closing = Some(self.session.why_closed()),
            Next::Watch => {
                self.watching = true;
                self.seat.does(Doing::Watching);
            }
            Next::Shutdown { save } => {
                bench.stop = Some(save);
                self.closing = Some(Closed::Shutdown);
            }
        }
        self.runnable
    }

    /// Appends the watcher's lines once those before them are written.
    fn drain_watched(&mut self, bench: &mut Bench) {
        if !self.output.is_empty() {
            return;
        }
        if self.output.capacity() == 0 {
            self.output = bench.pool.output();
        }
        if let Some(watcher) = self.session.watcher() {
            watcher.drain(&mut self.output);
        }
    }

    /// Writes; true when all is out, false when the peer must read first.
    fn flush(&mut self, bench: &Bench) -> Result<bool, Closed> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(Some(count)) => {
                    self.written += count;
                    bench.context.counters.bytes_written.add(count as u64);
                }
                Ok(None) => {
                    self.seat.does(Doing::Sending);
                    return Ok(false);
                }
                Err(_) => return Err(Closed::Error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(true)
    }

    /// Reads once; false when there is nothing to be read at the moment.
    fn fill(&mut self, bench: &mut Bench) -> Result<bool, Closed> {
        let room = self.input.room(&mut bench.pool);
        if room.is_empty() {
            // The session wants more than it said it ever would.
            return Err(Closed::Error);
        }
        let asked = room.len();
        match self.stream.read(room) {
            Ok(Some(0)) => Err(Closed::Normal),
            Ok(Some(count)) => {
                bench.context.counters.bytes_read.add(count as u64);
                if self.watching {
                    return Ok(true);
                }
                self.input.arrived(count);
                self.runnable = self.input.len() >= self.at_least;
                // A read that leaves room has seen all there was; an end comes with a new event.
                self.readable = count == asked || self.hung_up || bench.draining;
                Ok(true)
            }
            Ok(None) => {
                self.readable = false;
                Ok(false)
            }
            Err(_) => Err(Closed::Error),
        }
    }

    /// Charges the buffers that are kept to the budget; false if it has no room for them.
    fn account(&mut self, bench: &Bench) -> bool {
        let held = (self.input.capacity() + self.output.capacity()) as u64;
        let charged = self.charge.as_ref().map_or(0, |(bytes, _)| *bytes);
        let limit = bench.context.settings.buffer_bytes_max;
        // Who sets a limit for buffers reckons with memcached's, whole for whoever waits.
        let held = if limit.is_some() && held > 0 { held.max(READ_BUFFER_BYTES) } else { held };
        let due = held.next_multiple_of(CHARGE_STEP_BYTES);
        if due == charged {
            return true;
        }
        bench.roster.buffers_held.fetch_sub(charged, Relaxed);
        self.charge = None;
        if due == 0 {
            return true;
        }
        let before = bench.roster.buffers_held.load(Relaxed);
        if limit.is_some_and(|limit| before + due > limit) {
            return false;
        }
        let ready = bench.roster.buffers_free.load(Relaxed);
        let charge = if before + ready + due <= bench.roster.reserve_bytes() {
            None
        } else {
            match bench.context.store.charge(due) {
                Ok(charge) => Some(charge),
                Err(_) => return false,
            }
        };
        bench.roster.buffers_held.fetch_add(due, Relaxed);
        self.charge = Some((due, charge));
        true
    }

    /// Ends it; whoever reads learns why.
    fn out_of_memory(&mut self, bench: &Bench) -> Turn {
        bench.context.counters.read_buf_oom.add(1);
        if self.output.is_empty() {
            // One attempt: whoever does not read will not know.
            let _ = self.stream.write(b"SERVER_ERROR out of memory reading request\r\n");
        }
        Turn::Close(Closed::Error)
    }

    /// Ends it, and gives back all that it held.
    pub(super) fn close(mut self, bench: &mut Bench) {
        self.input.drop_all(&mut bench.pool);
        bench.pool.return_output(std::mem::take(&mut self.output));
        if let Some((bytes, _)) = self.charge.take() {
            bench.roster.buffers_held.fetch_sub(bytes, Relaxed);
        }
        bench.roster.leave(Some(self.entry));
    }
}
