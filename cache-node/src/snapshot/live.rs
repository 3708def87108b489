//! Snapshots while requests are answered: one thread, one at a time, at a bounded rate, no fork.

use super::file::Kind;
use super::save::{Manner, Saved, save};
use crate::clock::Clock;
use crate::store::Store;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Where a rate is not given. Units: bytes per second.
pub const BYTES_PER_S: NonZeroU64 = NonZeroU64::new(64 << 20).expect("it is not 0");

/// What came of the snapshots so far. Counters never fall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub is_writing: bool,
    pub written_total: u64,
    pub failed_total: u64,
    pub last: Saved,
}

/// What asking led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Begun,
    /// One is being written; no other follows.
    UnderWay,
}

#[derive(Debug, Default)]
struct Shared {
    is_asked: bool,
    figures: Figures,
}

#[derive(Debug, Default)]
struct Desk {
    shared: Mutex<Shared>,
    called: Condvar,
    stops: AtomicBool,
}

/// The handle. Dropped, a snapshot under way is given up.
#[derive(Debug)]
pub struct Live {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread that writes to `path` when asked.
///
/// # Errors
/// The thread cannot be started.
pub fn start(
    path: PathBuf,
    store: Arc<Store>,
    clock: Arc<Clock>,
    bytes_per_s_max: NonZeroU64,
) -> io::Result<Live> {
    let desk = Arc::new(Desk::default());
    let kept = Arc::clone(&desk);
    let thread = std::thread::Builder::new().name("snapshot".into()).spawn(move || {
        while kept.is_asked() {
            let manner = Manner {
                kind: Kind::Live,
                bytes_per_s_max: Some(bytes_per_s_max),
                cancelled: &kept.stops,
            };
            let saved = save(&path, &store, &clock, manner);
            match &saved {
                Ok(saved) => {
                    let Saved { items, bytes, took } = *saved;
                    tracing::info!(path = %path.display(), items, bytes, ?took, "snapshot written");
                }
                Err(why) => tracing::warn!(%why, "snapshot not written"),
            }
            kept.note(saved);
        }
    })?;
    Ok(Live { desk, thread: Some(thread) })
}

impl Live {
    /// Asks for a snapshot and returns.
    #[must_use]
    pub fn ask(&self) -> Asked {
        let mut shared = self.desk.shared.lock();
        if shared.is_asked || shared.figures.is_writing {
            return Asked::UnderWay;
        }
        shared.is_asked = true;
        self.desk.called.notify_one();
        Asked::Begun
    }

    #[must_use]
    pub fn figures(&self) -> Figures {
        self.desk.shared.lock().figures
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.desk.stops.store(true, Ordering::Relaxed);
        // Under the lock, so that a thread about to wait does not miss it.
        drop(self.desk.shared.lock());
        self.desk.called.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends by itself; that it panicked was told when it did.
            let _ = thread.join();
        }
    }
}

impl Desk {
    /// Waits until one is asked for; false when it is time to stop.
    fn is_asked(&self) -> bool {
        let mut shared = self.shared.lock();
        loop {
            if self.stops.load(Ordering::Relaxed) {
                return false;
            }
            if std::mem::take(&mut shared.is_asked) {
                shared.figures.is_writing = true;
                return true;
            }
            self.called.wait(&mut shared);
        }
    }

    fn note(&self, saved: io::Result<Saved>) {
        let figures = &mut self.shared.lock().figures;
        figures.is_writing = false;
        match saved {
            Ok(saved) => {
                figures.written_total += 1;
                figures.last = saved;
            }
            Err(_) => figures.failed_total += 1,
        }
    }
}
