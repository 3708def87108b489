//! memcached's ASCII protocol, classic and meta: one [`Session`] for each connection; no IO.
//!
//! The server hands a session the bytes that have arrived; the session executes whole commands
//! against the store and appends their answers to `out`. It keeps across calls what a command that
//! has begun needs (a value on its way in, a dump on its way out), and nothing else.

use crate::clock::Clock;
use crate::settings::Settings;
use crate::store::Store;
use std::sync::Arc;

/// What all sessions of one thread share.
#[derive(Clone, Debug)]
pub struct Context {
    pub store: Arc<Store>,
    pub settings: Arc<Settings>,
    pub clock: Arc<Clock>,
}

/// What the server does next with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Call again with more input. `at_least` bytes are wanted before it makes sense.
    Read { at_least: usize },
    /// `out` is full enough, or others have waited for long enough: write, then call again.
    Yield,
    /// Write what is in `out`, then close.
    Close,
    /// The connection watches from now on; see the hub of watchers.
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
#[derive(Debug, Default)]
pub struct Session {}

impl Session {
    /// Executes what is whole in `input`.
    pub fn run(&mut self, _context: &Context, input: &[u8], _out: &mut Vec<u8>) -> Progress {
        Progress { taken: input.len(), next: Next::Close }
    }
}
