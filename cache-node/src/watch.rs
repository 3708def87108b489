//! The hub of watchers: lines about what happens, for connections that asked with `watch`.
//!
//! While nobody watches, an event costs one relaxed load. A line goes into the queue of each
//! watcher that wants its kind; a queue that is full drops it, and the watcher is told how many
//! were dropped with the next line that fits. Nobody ever waits for a watcher.

mod lines;

pub(crate) use lines::url_encode;
pub use lines::{Closed, Evicted, Fetched, Outcome, Stored};

use crate::clock::Secs;
use crate::store::{Evictions, Expires, Seen};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Watchers at the same time. Source: memcached's limit.
pub const WATCHERS_MAX: usize = 20;

/// What waits for one watcher, if nothing else was asked for. Units: bytes.
pub const QUEUE_BYTES: usize = 256 << 10;

/// Room kept for the line that tells of dropped ones. Units: bytes.
const SKIPPED_BYTES: usize = 128;

/// Kinds of events, a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    pub const SYSTEM: Self = Self(1 << 1);
    pub const FETCHERS: Self = Self(1 << 2);
    pub const MUTATIONS: Self = Self(1 << 3);
    pub const CONNECTIONS: Self = Self(1 << 5);
    pub const EVICTIONS: Self = Self(1 << 6);
    pub const RAW: Self = Self(1 << 9);
    pub const DELETIONS: Self = Self(1 << 13);
    /// Events of a proxy: known, and never seen here.
    pub const PROXY: Self = Self(1 << 10);

    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Evictions for Hub {
    fn wants(&self) -> bool {
        Self::wants(self, Kinds::EVICTIONS)
    }

    fn evicted(&self, seen: &Seen<'_>, now: Secs) {
        let item = &seen.item;
        let ttl = match item.expires {
            Expires::Never => None,
            Expires::At(at) => Some(at.saturating_sub(now)),
        };
        let idle = now.saturating_sub(item.accessed);
        let (key, fetched, size) = (seen.key, item.fetched, item.len());
        Self::evicted(self, &Evicted { key, fetched, ttl, idle, size });
    }
}

/// Wakes the thread that writes to a watcher.
pub trait Wake: Send + Sync + std::fmt::Debug {
    /// Called at most once between two drains, from whichever thread has something to say.
    fn wake(&self);
}

/// Wakes nobody: for those who look by themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asleep;

impl Wake for Asleep {
    fn wake(&self) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many watch as may")]
pub struct TooMany;

#[derive(Debug)]
pub struct Hub {
    /// What any watcher wants.
    wanted: AtomicU32,
    next_gid: AtomicU64,
    sent: AtomicU64,
    skipped: AtomicU64,
    queue_bytes: usize,
    watchers: Mutex<Vec<Arc<Queue>>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(QUEUE_BYTES)
    }
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    skipped: u64,
}

#[derive(Debug)]
struct Queue {
    kinds: Kinds,
    waiting: Mutex<Waiting>,
    woken: AtomicBool,
    wake: Arc<dyn Wake>,
}

/// One who watches. Dropped, the hub forgets it.
#[derive(Debug)]
pub struct Watcher {
    hub: Arc<Hub>,
    queue: Arc<Queue>,
}

/// What the hub has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub watchers: u64,
    pub sent_total: u64,
    pub skipped_total: u64,
    pub written_total: u64,
}

impl Hub {
    /// `queue_bytes`: what waits for one watcher at most.
    #[must_use]
    pub fn new(queue_bytes: usize) -> Self {
        Self {
            wanted: AtomicU32::new(0),
            next_gid: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            queue_bytes,
            watchers: Mutex::default(),
        }
    }

    #[must_use]
    pub const fn queue_bytes(&self) -> usize {
        self.queue_bytes
    }

    /// Whether anybody watches for one of `kinds`. Cost: a load.
    #[must_use]
    pub fn wants(&self, kinds: Kinds) -> bool {
        Kinds(self.wanted.load(Relaxed)).meets(kinds)
    }

    /// # Errors
    /// [`WATCHERS_MAX`] are watching.
    pub fn watch(self: &Arc<Self>, kinds: Kinds, wake: Arc<dyn Wake>) -> Result<Watcher, TooMany> {
        let queue = Queue { kinds, waiting: Mutex::default(), woken: false.into(), wake };
        let queue = Arc::new(queue);
        let mut watchers = self.watchers.lock();
        if watchers.len() >= WATCHERS_MAX {
            return Err(TooMany);
        }
        watchers.push(Arc::clone(&queue));
        self.wanted.store(wanted(&watchers), Relaxed);
        Ok(Watcher { hub: Arc::clone(self), queue })
    }

    #[must_use]
    pub fn told(&self) -> Told {
        Told {
            watchers: self.watchers.lock().len() as u64,
            sent_total: self.sent.load(Relaxed),
            skipped_total: self.skipped.load(Relaxed),
            written_total: self.next_gid.load(Relaxed),
        }
    }

    /// Hands the line that `write` appends to all who want one of `kinds`.
    #[cold]
    fn tell(&self, kinds: Kinds, write: impl FnOnce(&mut Vec<u8>)) {
        let gid = self.next_gid.fetch_add(1, Relaxed) + 1;
        let mut line = lines::stamp(gid);
        write(&mut line);
        line.push(b'\n');
        for queue in self.watchers.lock().iter().filter(|queue| queue.kinds.meets(kinds)) {
            let fits = queue.push(&line, self.queue_bytes);
            let count = if fits { &self.sent } else { &self.skipped };
            count.fetch_add(1, Relaxed);
        }
    }
}

fn wanted(watchers: &[Arc<Queue>]) -> u32 {
    watchers.iter().fold(0, |all, queue| all | queue.kinds.0)
}

impl Queue {
    fn push(&self, line: &[u8], room: usize) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.lines.len() + line.len() + SKIPPED_BYTES > room {
            waiting.skipped += 1;
            return false;
        }
        if waiting.skipped > 0 {
            let told = format!("skipped={}\n", waiting.skipped);
            waiting.lines.extend_from_slice(told.as_bytes());
            waiting.skipped = 0;
        }
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if !self.woken.swap(true, Relaxed) {
            self.wake.wake();
        }
        true
    }
}

impl Watcher {
    /// Moves what waits to the end of `out`; true if there was anything.
    pub fn drain(&self, out: &mut Vec<u8>) -> bool {
        self.queue.woken.store(false, Relaxed);
        let mut waiting = self.queue.waiting.lock();
        let any = !waiting.lines.is_empty();
        out.append(&mut waiting.lines);
        any
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut watchers = self.hub.watchers.lock();
        watchers.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
        self.hub.wanted.store(wanted(&watchers), Relaxed);
    }
}

#[cfg(test)]
mod tests;
