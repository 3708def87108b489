//! How others reach a worker thread: connections handed to it, the order to stop, lines to write.

use super::stream::Stream;
use crate::watch::Wake;
use mio::Waker;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};

/// A connection on its way to the thread that will serve it; it has been admitted.
#[derive(Debug)]
pub(super) struct Arrival {
    pub stream: Stream,
    pub listener: Arc<str>,
}

/// As many arrivals as there may be connections fit: each has been admitted before.
#[derive(Debug)]
pub(super) struct Mailbox {
    waker: Waker,
    arrivals: Mutex<VecDeque<Arrival>>,
    watched: AtomicBool,
    stopping: AtomicBool,
}

impl Mailbox {
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            waker,
            arrivals: Mutex::default(),
            watched: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        }
    }

    pub(super) fn send(&self, arrival: Arrival) {
        self.arrivals.lock().push_back(arrival);
        self.ring();
    }

    pub(super) fn next(&self) -> Option<Arrival> {
        self.arrivals.lock().pop_front()
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Release);
        self.ring();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Acquire)
    }

    /// Whether a watcher has lines; asked, it is forgotten.
    pub(super) fn take_watched(&self) -> bool {
        self.watched.swap(false, AcqRel)
    }

    pub(super) fn ring(&self) {
        // Fails only when the counter is full, and then the thread is about to wake anyway.
        let _ = self.waker.wake();
    }
}

impl Wake for Mailbox {
    fn wake(&self) {
        if !self.watched.swap(true, AcqRel) {
            self.ring();
        }
    }
}
