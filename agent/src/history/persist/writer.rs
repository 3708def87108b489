//! The thread that writes: takes batches from a short queue, so that a slow or broken disk is never
//! waited for.

use super::files::{Batch, Files};
use crate::clock::rfc3339_of_unix_ms;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, Release},
};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Batches that may wait or be in writing. Each has at most some 600 KiB.
const QUEUE_MAX: u64 = 3;

/// What the writer tells the encoder.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Batches that are not written yet.
    pub waiting: AtomicU64,
    pub failures: AtomicU64,
    /// There is a complete file, and changes can be appended to it.
    pub appending: AtomicBool,
    /// Bytes appended to it since it was complete.
    pub appended: AtomicU64,
    /// Since when and why what happens now is not on disk.
    pub degraded: Mutex<Option<String>>,
}

impl Progress {
    pub(super) fn failed(&self, what: &str, wall_ms: i64) {
        self.failures.fetch_add(1, Relaxed);
        let mut degraded = self.degraded.lock();
        let since = rfc3339_of_unix_ms(wall_ms);
        degraded.get_or_insert_with(|| format!("history is not written since {since}: {what}"));
    }

    /// Writes a batch and notes how it went.
    pub(super) fn write(&self, files: &mut Files, batch: &Batch, wall_ms: i64) {
        match files.write(batch) {
            Ok(()) if files.appending() => *self.degraded.lock() = None,
            Ok(()) => {}
            Err(e) => self.failed(&e.to_string(), wall_ms),
        }
        self.appending.store(files.appending(), Relaxed);
        self.appended.store(files.appended(), Relaxed);
    }
}

/// Ends, with all that is queued written, when it is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<Sender<(Batch, i64)>>,
    thread: Option<JoinHandle<()>>,
    progress: Arc<Progress>,
}

impl Writer {
    pub(super) fn spawn(mut files: Files, progress: Arc<Progress>) -> io::Result<Self> {
        let (queue, batches): (_, Receiver<(Batch, i64)>) = channel();
        let shared = Arc::clone(&progress);
        let thread =
            std::thread::Builder::new().name("history-writer".into()).spawn(move || {
                for (batch, wall_ms) in batches {
                    shared.write(&mut files, &batch, wall_ms);
                    shared.waiting.fetch_sub(1, Release);
                }
            })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), progress })
    }

    /// Queues a batch. Never blocks; false if the queue is full.
    pub(super) fn submit(&self, batch: Batch, wall_ms: i64) -> bool {
        let waiting = &self.progress.waiting;
        if waiting.load(Relaxed) >= QUEUE_MAX {
            return false;
        }
        waiting.fetch_add(1, Relaxed);
        self.queue.as_ref().is_some_and(|queue| queue.send((batch, wall_ms)).is_ok())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
