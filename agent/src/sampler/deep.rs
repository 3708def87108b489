//! Readings that take the target's `mmap_lock`: command lines and `smaps_rollup`.
//!
//! They run on a thread of their own, because a target that holds its lock (a huge mapping, a stuck
//! page fault) blocks the reader for as long. The sampler asks, goes on, and learns the answer
//! later; a reader that does not come back is reported, never waited for.

use crate::sources::process::{Redactor, SmapsRollup, read_cmdline, read_smaps_rollup};
use crate::sources::{ReadError, Roots};
use crate::target::ProcessId;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};

/// Questions that may wait; beyond it the asker is told to come again.
const QUEUE_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Cmdline(ProcessId),
    Smaps(ProcessId),
}

#[derive(Debug)]
pub enum Answer {
    Cmdline(ProcessId, Result<String, ReadError>),
    Smaps(ProcessId, Result<SmapsRollup, ReadError>),
}

#[derive(Debug)]
pub struct Deep {
    asks: SyncSender<Ask>,
    answers: Receiver<Answer>,
    pending: usize,
}

impl Deep {
    /// Starts the reader.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(roots: Roots, redactor: Redactor) -> std::io::Result<Self> {
        let (asks, questions) = sync_channel(QUEUE_MAX);
        let (tell, answers) = channel();
        std::thread::Builder::new()
            .name("plimsoll-deep".into())
            .stack_size(256 * 1024)
            .spawn(move || answer_all(&roots, &redactor, &questions, &tell))?;
        Ok(Self { asks, answers, pending: 0 })
    }

    /// Puts a question; false when the queue is full or the reader is gone.
    pub fn ask(&mut self, ask: Ask) -> bool {
        match self.asks.try_send(ask) {
            Ok(()) => {
                self.pending += 1;
                true
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// The next answer, if one is there.
    pub fn answer(&mut self) -> Option<Answer> {
        let answer = self.answers.try_recv().ok()?;
        self.pending = self.pending.saturating_sub(1);
        Some(answer)
    }

    /// Questions without an answer yet.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.pending
    }
}

fn answer_all(roots: &Roots, redactor: &Redactor, asks: &Receiver<Ask>, tell: &Sender<Answer>) {
    for ask in asks {
        let answer = match ask {
            Ask::Cmdline(id) => Answer::Cmdline(id, read_cmdline(roots, id, redactor)),
            Ask::Smaps(id) => Answer::Smaps(id, read_smaps_rollup(roots, id)),
        };
        if tell.send(answer).is_err() {
            return;
        }
    }
}
