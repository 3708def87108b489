//! Letting connections in: up to the limit, and no faster than descriptors allow.

use super::super::conn::Conn;
use super::super::mailbox::Arrival;
use super::super::stream::Stream;
use super::Worker;
use crate::protocol::Session;
use mio::Token;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections let in through one door before those inside have their turn.
const ACCEPTS_PER_TURN_MAX: usize = 64;
/// Before accepting again when it failed, which mostly is a lack of file descriptors.
const REST: Duration = Duration::from_millis(100);
/// Source: memcached with `maxconns_fast`.
const TOO_MANY: &[u8] = b"ERROR Too many open connections\r\n";

impl Worker {
    /// Lets in those who have knocked.
    pub(super) fn accept(&mut self) {
        if self.resting_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        self.resting_until = None;
        if let Some(since) = self.closed_since {
            if !self.bench.roster.has_room() {
                return;
            }
            self.bench.roster.open_doors(since.elapsed());
            self.closed_since = None;
        }
        for at in 0..self.doors.len() {
            if self.doors[at].knocked {
                self.accept_at(at);
            }
        }
    }

    fn accept_at(&mut self, at: usize) {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            let waits = !self.bench.context.settings.refuses_at_once;
            if waits && !self.bench.roster.has_room() {
                if self.closed_since.is_none() {
                    self.closed_since = Some(Instant::now());
                    self.bench.roster.close_doors();
                }
                return;
            }
            match self.doors[at].accept() {
                Ok(Some(stream)) => self.arrived(stream, at),
                Ok(None) => {
                    self.doors[at].knocked = false;
                    return;
                }
                Err(error) if is_theirs(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections; trying again soon");
                    self.resting_until = Some(Instant::now() + REST);
                    return;
                }
            }
        }
    }

    fn arrived(&mut self, mut stream: Stream, at: usize) {
        if !self.bench.roster.admit() {
            self.bench.roster.reject();
            // One attempt: who cannot take it sees the end.
            let _ = stream.write(TOO_MANY);
            return;
        }
        let listener = Arc::clone(&self.doors[at].name);
        let arrival = Arrival { stream, listener };
        if self.doors[at].sole {
            self.next_mailbox = (self.next_mailbox + 1) % self.mailboxes.len();
            if self.next_mailbox != self.index {
                self.mailboxes[self.next_mailbox].send(arrival);
                return;
            }
        }
        self.adopt(arrival);
    }

    /// Serves a connection that was admitted.
    pub(super) fn adopt(&mut self, arrival: Arrival) {
        let Arrival { mut stream, listener } = arrival;
        let place = self.conns.vacant_entry();
        let token = Token(self.first + place.key());
        if let Err(error) = stream.register(self.poll.registry(), token) {
            tracing::warn!(%error, "cannot watch a connection");
            self.bench.roster.leave(None);
            return;
        }
        let peer = stream.peer();
        let context = &self.bench.context;
        context.shared.hub.connected(&peer);
        let (entry, seat) = self.bench.roster.enter(peer, &listener, context.clock.now());
        // Registered, its state comes as the first event.
        place.insert(Conn::new(stream, Session::new(peer), entry, seat));
    }
}

/// Errors that concern only the connection that was to be accepted.
fn is_theirs(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, PermissionDenied};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | PermissionDenied)
}
