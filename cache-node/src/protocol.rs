//! memcached's ASCII protocol, classic and meta: one [`Session`] for each connection; no IO.
//!
//! The server hands a session the bytes that have arrived; the session executes whole commands
//! against the store and appends their answers to `out`. It keeps across calls what a command that
//! has begun needs (a value on its way in, a dump on its way out), and nothing else.

mod ahead;
mod auth;
mod change;
mod classic;
mod control;
mod dispatch;
mod dump;
mod host;
mod meta;
mod number;
mod session;
mod stats;
mod turn;
mod users;
mod words;

pub use control::VERSION;
pub use host::{Alone, Connection, Gauges, Host, LimitRefused, Peer, Transport};
pub use session::Session;
pub use users::{Malformed, Users};

use crate::clock::Clock;
use crate::settings::Settings;
use crate::stats::{Counters, Prefixes, Tally};
use crate::store::Store;
use crate::watch::{Hub, Wake};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

/// A call ends with [`Next::Yield`] once it has appended more than this. Units: bytes.
pub const OUT_BYTES_MAX: usize = 64 << 10;

/// A line longer than this is a list of keys to get, or nothing that is understood. Units: bytes.
/// Source: memcached's limit.
pub const LINE_BYTES_MAX: usize = 2048;

/// The one class that items are said to be of, where memcached has many.
const CLASS: u32 = 1;

/// What an item is said to need beside key and value. Units: bytes.
const HEADER_BYTES: usize = 48;

/// What all sessions of the process share.
#[derive(Debug)]
pub struct Shared {
    pub host: Arc<dyn Host>,
    /// The counters of all threads, summed up on demand.
    pub tally: Tally,
    pub hub: Arc<Hub>,
    /// Statistics by key prefix (`stats detail`).
    pub prefixes: Prefixes,
    /// Whom the auth file (`-Y`) lets in; None: everyone.
    pub users: Option<Users>,
    pub live: Live,
}

/// What commands change while the server runs.
#[derive(Debug)]
pub struct Live {
    pub verbosity: AtomicU32,
    pub crawler: AtomicBool,
    /// `lru_crawler sleep`. Units: microseconds.
    pub crawler_sleep: AtomicU32,
    /// `lru_crawler tocrawl`; 0: all.
    pub crawler_items: AtomicU32,
    /// `slabs automove`: it is reported and has no other effect.
    pub automove: AtomicU32,
    /// `stats sizes` counts.
    pub sizes: AtomicBool,
}

impl Shared {
    #[must_use]
    pub fn new(settings: &Settings, host: Arc<dyn Host>, users: Option<Users>) -> Self {
        let watcher_bytes = usize::try_from(settings.watcher_bytes_max).unwrap_or(usize::MAX);
        Self {
            host,
            tally: Tally::default(),
            hub: Arc::new(Hub::new(watcher_bytes)),
            prefixes: Prefixes::new(settings.prefix_delimiter, settings.detail),
            users,
            live: Live {
                verbosity: AtomicU32::new(settings.verbosity.into()),
                crawler: AtomicBool::new(settings.crawler),
                crawler_sleep: AtomicU32::new(settings.crawler_sleep),
                crawler_items: AtomicU32::new(settings.crawler_items),
                automove: AtomicU32::new(settings.echoed.slab_automove),
                sizes: AtomicBool::new(settings.track_sizes),
            },
        }
    }
}

/// What all sessions of one thread share.
#[derive(Clone, Debug)]
pub struct Context {
    pub store: Arc<Store>,
    pub settings: Arc<Settings>,
    pub clock: Arc<Clock>,
    pub shared: Arc<Shared>,
    /// This thread's counters. The server adds to those that are its own (bytes, yields, kicks).
    pub counters: Arc<Counters>,
    /// Wakes this thread when one of its watchers has lines to write.
    pub wake: Arc<dyn Wake>,
}

impl Context {
    /// A thread's context; call it once for each thread.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        settings: Arc<Settings>,
        clock: Arc<Clock>,
        shared: Arc<Shared>,
        wake: Arc<dyn Wake>,
    ) -> Self {
        let counters = shared.tally.register();
        store.tell_evictions(Arc::<Hub>::clone(&shared.hub));
        Self { store, settings, clock, shared, counters, wake }
    }
}

/// What the server does next with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Call again with more input. What is not taken plus what arrives must be `at_least` bytes
    /// before it makes sense; never more than [`Session::input_bytes_max`].
    Read { at_least: usize },
    /// `out` is full enough, or others have waited for long enough: write, then call again, also
    /// without new input.
    Yield,
    /// Write what is in `out`, then close.
    Close,
    /// The connection watches from now on: write what [`Session::watcher`] drains until it ends;
    /// input is read and dropped.
    Watch,
    /// Write what is in `out`, then stop the server; `save`: with its items written to disk.
    Shutdown { save: bool },
}

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input that are done with.
    pub taken: usize,
    pub next: Next,
}

#[cfg(test)]
mod tests;
