//! memcached's ASCII protocol, classic and meta: one [`Session`] for each connection; no IO.
//!
//! The server hands a session the bytes that have arrived; the session executes whole commands
//! against the store and appends their answers to `out`. It keeps across calls what a command that
//! has begun needs (a value on its way in, a dump on its way out), and nothing else.

mod host;
mod users;

pub use host::{Alone, Connection, Gauges, Host, LimitRefused, Peer, Transport};
pub use users::Users;

use crate::clock::Clock;
use crate::settings::Settings;
use crate::stats::{Counters, Prefixes, Tally};
use crate::store::Store;
use crate::watch::{Hub, Wake, Watcher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32};

/// A call ends with [`Next::Yield`] once it has appended more than this. Units: bytes.
pub const OUT_BYTES_MAX: usize = 64 << 10;

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
    pub automove: AtomicI32,
}

impl Shared {
    #[must_use]
    pub fn new(settings: &Settings, host: Arc<dyn Host>, users: Option<Users>) -> Self {
        Self {
            host,
            tally: Tally::default(),
            hub: Arc::new(Hub::new(settings.watcher_queue_bytes)),
            prefixes: Prefixes::new(settings.prefix_delimiter, settings.detail),
            users,
            live: Live {
                verbosity: AtomicU32::new(settings.verbosity.into()),
                crawler: AtomicBool::new(true),
                crawler_sleep: AtomicU32::new(100),
                crawler_items: AtomicU32::new(0),
                automove: AtomicI32::new(1),
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

/// The state of one connection's conversation.
#[derive(Debug)]
pub struct Session {
    peer: Peer,
    watcher: Option<Watcher>,
}

impl Session {
    #[must_use]
    pub const fn new(peer: Peer) -> Self {
        Self { peer, watcher: None }
    }

    /// The most input that a session ever asks to see at once: a line, and a value short enough
    /// to be stored from one slice. Units: bytes.
    #[must_use]
    pub fn input_bytes_max(store: &Store) -> usize {
        store.inline_bytes_max() + (4 << 10)
    }

    /// Executes what is whole in `input`.
    pub fn run(&mut self, _context: &Context, input: &[u8], _out: &mut Vec<u8>) -> Progress {
        Progress { taken: input.len(), next: Next::Close }
    }

    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What this connection watches, after [`Next::Watch`].
    #[must_use]
    pub const fn watcher(&self) -> Option<&Watcher> {
        self.watcher.as_ref()
    }
}
