//! A worker thread: waits for its sockets, gives each connection its turn, drains at the end.

mod accept;
mod drain;

use super::buffers::Pool;
use super::conn::{Bench, Conn, Turn};
use super::door::Door;
use super::mailbox::Mailbox;
use super::roster::Roster;
use super::udp::Udp;
use crate::clock::Secs;
use crate::protocol::{Context, Session};
use crate::watch::Closed;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 256;
/// How often is looked for who is silent for too long, and for room at the door.
const LOOK_AROUND: Duration = Duration::from_millis(250);
/// While memory is short, who has had nothing to do for so long lets go of his buffers.
const IDLE: Duration = Duration::from_millis(10);
/// The mailbox. Doors come next, then UDP sockets, then connections.
pub(super) const MAIL: Token = Token(0);

/// What a worker is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub poll: Poll,
    pub mailboxes: Vec<Arc<Mailbox>>,
    /// Which of the mailboxes is its own.
    pub index: usize,
    pub doors: Vec<Door>,
    pub udp: Vec<Udp>,
    pub context: Context,
    pub roster: Arc<Roster>,
    /// Where a session's wish to stop the server goes.
    pub stops: Sender<bool>,
}

#[derive(Debug)]
pub(super) struct Worker {
    poll: Poll,
    mailboxes: Vec<Arc<Mailbox>>,
    index: usize,
    doors: Vec<Door>,
    udp: Vec<Udp>,
    /// Which of the UDP sockets may have more.
    udp_pending: bool,
    /// Token of the first connection.
    first: usize,
    conns: Slab<Conn>,
    queue: VecDeque<usize>,
    bench: Bench,
    stops: Sender<bool>,
    looked: Secs,
    /// Since when nobody is let in because the limit is reached.
    closed_since: Option<Instant>,
    /// Accepting failed; until then it is not tried again.
    resting_until: Option<Instant>,
    next_mailbox: usize,
}

impl Worker {
    /// # Errors
    /// The kernel refuses to watch a socket.
    pub(super) fn new(mut parts: Parts) -> io::Result<Self> {
        let registry = parts.poll.registry();
        for (at, door) in parts.doors.iter_mut().enumerate() {
            door.register(registry, Token(MAIL.0 + 1 + at))?;
        }
        let after_doors = MAIL.0 + 1 + parts.doors.len();
        for (at, udp) in parts.udp.iter_mut().enumerate() {
            registry.register(udp.socket(), Token(after_doors + at), Interest::READABLE)?;
        }
        let whole = Session::input_bytes_max(&parts.context.store).next_multiple_of(4096);
        let pool = Pool::new(whole, Arc::clone(&parts.roster));
        Ok(Self {
            poll: parts.poll,
            mailboxes: parts.mailboxes,
            index: parts.index,
            first: after_doors + parts.udp.len(),
            doors: parts.doors,
            udp_pending: !parts.udp.is_empty(),
            udp: parts.udp,
            conns: Slab::new(),
            queue: VecDeque::new(),
            bench: Bench {
                context: parts.context,
                pool,
                roster: parts.roster,
                stop: None,
                draining: false,
            },
            stops: parts.stops,
            looked: 0,
            closed_since: None,
            resting_until: None,
            next_mailbox: parts.index,
        })
    }

    /// Serves until it is told to stop, then drains.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.mailboxes[self.index].is_stopping() {
            let patience = self.patience();
            self.round(&mut events, patience);
            self.accept();
            self.look_around();
            self.bench.pool.account(&self.bench.context.store);
        }
        self.drain(&mut events);
    }

    /// How long to wait for the kernel at most; None: until something happens.
    fn patience(&self) -> Option<Duration> {
        let waiting = self.closed_since.is_some() || self.resting_until.is_some();
        if !self.queue.is_empty() || self.udp_pending {
            return Some(Duration::ZERO);
        }
        if !waiting && self.doors.iter().any(|door| door.knocked) {
            return Some(Duration::ZERO);
        }
        if self.keeps_needlessly() {
            return Some(IDLE);
        }
        let looks = waiting || self.bench.context.settings.idle_timeout.is_some();
        looks.then_some(LOOK_AROUND)
    }

    /// Whether buffers are to be let go of as soon as nobody uses them.
    fn keeps_needlessly(&self) -> bool {
        self.bench.roster.is_lean() && !self.bench.pool.is_empty()
    }

    /// Waits, then gives everyone who has something to do one turn.
    fn round(&mut self, events: &mut Events, patience: Option<Duration>) {
        if let Err(error) = self.poll.poll(events, patience)
            && error.kind() != io::ErrorKind::Interrupted
        {
            tracing::error!(%error, "cannot wait for sockets");
            return;
        }
        if events.is_empty() && self.queue.is_empty() && self.keeps_needlessly() {
            self.bench.pool.clear();
        }
        for event in &*events {
            self.happened(event);
        }
        if self.udp_pending {
            self.udp_pending = false;
            for at in 0..self.udp.len() {
                self.udp_pending |= self.udp[at].turn(&mut self.bench);
            }
        }
        for _ in 0..self.queue.len() {
            let Some(index) = self.queue.pop_front() else { break };
            if let Some(conn) = self.conns.get_mut(index).filter(|conn| conn.queued) {
                conn.queued = false;
                self.turn(index);
            }
        }
        if let Some(save) = self.bench.stop.take() {
            // Nobody listens only if the server is about to end anyway.
            let _ = self.stops.send(save);
        }
    }

    fn happened(&mut self, event: &Event) {
        let token = event.token().0;
        if let Some(index) = token.checked_sub(self.first) {
            let Some(conn) = self.conns.get_mut(index) else { return };
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                conn.readable(event.is_read_closed() || event.is_error());
            }
            if !conn.queued {
                self.turn(index);
            }
        } else if token == MAIL.0 {
            self.read_mail();
        } else if let Some(door) = self.doors.get_mut(token - MAIL.0 - 1) {
            door.knocked = true;
        } else {
            self.udp_pending = true;
        }
    }

    fn read_mail(&mut self) {
        let mail = Arc::clone(&self.mailboxes[self.index]);
        while let Some(arrival) = mail.next() {
            self.adopt(arrival);
        }
        if mail.take_watched() {
            let watching = self.conns.iter().filter(|(_, conn)| conn.is_watching());
            let watching: Vec<usize> = watching.map(|(index, _)| index).collect();
            watching.into_iter().for_each(|index| self.turn(index));
        }
    }

    fn turn(&mut self, index: usize) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        match conn.turn(&mut self.bench) {
            Turn::Wait => {}
            Turn::Again => {
                conn.queued = true;
                self.queue.push_back(index);
            }
            Turn::Close(why) => self.close(index, why),
        }
    }

    fn close(&mut self, index: usize, why: Closed) {
        if let Some(conn) = self.conns.try_remove(index) {
            self.bench.context.shared.hub.closed(&conn.seat.peer, why);
            conn.close(&mut self.bench);
        }
    }

    /// Once a second: who has been silent for too long?
    fn look_around(&mut self) {
        let now = self.bench.context.clock.now();
        let Some(timeout) = self.bench.context.settings.idle_timeout else { return };
        if now == self.looked {
            return;
        }
        self.looked = now;
        let silent = |conn: &Conn| {
            let silent = Duration::from_secs(now.saturating_sub(conn.seat.silent_since()).into());
            !conn.is_watching() && silent > timeout
        };
        let idle = self.conns.iter().filter(|(_, conn)| silent(conn));
        let idle: Vec<usize> = idle.map(|(index, _)| index).collect();
        for index in idle {
            self.bench.context.counters.idle_kicks.add(1);
            self.close(index, Closed::Idle);
        }
    }
}
