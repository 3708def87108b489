//! Who is connected: the limit on connections, and what `stats conns` shows of each.
//!
//! Threads note here what their connections do; a command reads it. An entry costs its thread two
//! relaxed stores for each turn of the connection.

use crate::clock::Secs;
use crate::protocol::{Connection, Gauges, Peer, Transport};
use parking_lot::Mutex;
use slab::Slab;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use Ordering::Relaxed;

/// What a connection does, as memcached names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Doing {
    Waiting,
    Executing,
    /// The rest of a value is awaited.
    Receiving,
    Sending,
    Watching,
    Closing,
}

impl Doing {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Waiting, "conn_waiting"),
        (Self::Executing, "conn_parse_cmd"),
        (Self::Receiving, "conn_nread"),
        (Self::Sending, "conn_mwrite"),
        (Self::Watching, "conn_watch"),
        (Self::Closing, "conn_closing"),
    ];
}

/// One connection's entry.
#[derive(Debug)]
pub struct Seat {
    pub peer: Peer,
    listener: Arc<str>,
    doing: AtomicU8,
    last_command: AtomicU32,
}

impl Seat {
    /// Notes what the connection does.
    pub fn does(&self, doing: Doing) {
        self.doing.store(doing as u8, Relaxed);
    }

    /// Notes that it has sent something whole.
    pub fn spoke(&self, now: Secs) {
        self.last_command.store(now, Relaxed);
    }

    #[must_use]
    pub fn silent_since(&self) -> Secs {
        self.last_command.load(Relaxed)
    }
}

/// A listener's entry.
#[derive(Debug)]
struct Listener {
    fd: i32,
    name: Arc<str>,
    state: &'static str,
}

/// All who are connected, and how often that was refused.
#[derive(Debug)]
pub struct Roster {
    seats: Mutex<Slab<Arc<Seat>>>,
    listeners: Mutex<Vec<Listener>>,
    connections_max: usize,
    current: AtomicUsize,
    most: AtomicUsize,
    total: AtomicU64,
    rejected: AtomicU64,
    closed_doors: AtomicU64,
    closed_doors_us: AtomicU64,
    doors_closed: AtomicBool,
    lost_workers: AtomicUsize,
    /// Memory is short: no more buffers lie ready than are in use all the time.
    lean: AtomicBool,
    /// Room of the buffers that connections hold, and that lie ready. Units: bytes.
    pub buffers_held: AtomicU64,
    pub buffers_free: AtomicU64,
    /// Room for buffers that was charged at the start. Units: bytes.
    reserve_bytes: AtomicU64,
}

impl Roster {
    #[must_use]
    pub fn new(connections_max: usize) -> Self {
        Self {
            seats: Mutex::default(),
            listeners: Mutex::default(),
            connections_max,
            current: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            total: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            closed_doors: AtomicU64::new(0),
            closed_doors_us: AtomicU64::new(0),
            doors_closed: AtomicBool::new(false),
            lost_workers: AtomicUsize::new(0),
            lean: AtomicBool::new(false),
            buffers_held: AtomicU64::new(0),
            buffers_free: AtomicU64::new(0),
            reserve_bytes: AtomicU64::new(0),
        }
    }

    pub(super) fn listens(&self, fd: i32, name: &Arc<str>, stream: bool) {
        let state = if stream { "conn_listening" } else { "conn_read" };
        self.listeners.lock().push(Listener { fd, name: Arc::clone(name), state });
    }

    /// Whether one more fits beside those that are there.
    pub(super) fn has_room(&self) -> bool {
        self.current.load(Relaxed) < self.connections_max
    }

    /// Takes a place if there is one.
    pub(super) fn admit(&self) -> bool {
        let taken = self.current.fetch_update(Relaxed, Relaxed, |n| {
            if n < self.connections_max { Some(n + 1) } else { None }
        });
        if let Ok(before) = taken {
            self.most.fetch_max(before + 1, Relaxed);
            self.total.fetch_add(1, Relaxed);
        }
        taken.is_ok()
    }

    /// Enters a connection that was admitted.
    pub(super) fn enter(&self, peer: Peer, listener: &Arc<str>, now: Secs) -> (usize, Arc<Seat>) {
        let seat = Arc::new(Seat {
            peer,
            listener: Arc::clone(listener),
            doing: AtomicU8::new(Doing::Waiting as u8),
            last_command: AtomicU32::new(now),
        });
        (self.seats.lock().insert(Arc::clone(&seat)), seat)
    }

    /// Gives the place back; `entry`: what [`Self::enter`] returned, if it came that far.
    pub(super) fn leave(&self, entry: Option<usize>) {
        if let Some(entry) = entry {
            self.seats.lock().try_remove(entry);
        }
        self.current.fetch_sub(1, Relaxed);
    }

    pub(super) fn reject(&self) {
        self.rejected.fetch_add(1, Relaxed);
    }

    /// Nobody is let in until [`Self::open_doors`].
    pub(super) fn close_doors(&self) {
        self.closed_doors.fetch_add(1, Relaxed);
        self.doors_closed.store(true, Relaxed);
    }

    pub(super) fn open_doors(&self, closed_for: Duration) {
        self.doors_closed.store(false, Relaxed);
        let us = u64::try_from(closed_for.as_micros()).unwrap_or(u64::MAX);
        self.closed_doors_us.fetch_add(us, Relaxed);
    }

    pub(super) fn reserve(&self, bytes: u64) {
        self.reserve_bytes.store(bytes, Relaxed);
    }

    pub(super) fn reserve_bytes(&self) -> u64 {
        self.reserve_bytes.load(Relaxed)
    }

    /// Whether memory is short, from now on. Returns whether that is news.
    pub(super) fn be_lean(&self, lean: bool) -> bool {
        self.lean.swap(lean, Relaxed) != lean
    }

    pub(super) fn is_lean(&self) -> bool {
        self.lean.load(Relaxed)
    }

    pub(super) fn lose_worker(&self) {
        self.lost_workers.fetch_add(1, Relaxed);
    }

    /// Workers that ended by a fault of their own; the others go on.
    #[must_use]
    pub fn lost_workers(&self) -> usize {
        self.lost_workers.load(Relaxed)
    }

    #[must_use]
    pub fn current(&self) -> usize {
        self.current.load(Relaxed)
    }

    /// Shows listeners, then connections.
    pub fn each(&self, now: Secs, see: &mut dyn FnMut(&Connection)) {
        for listener in &*self.listeners.lock() {
            see(&Connection {
                fd: listener.fd,
                address: listener.name.to_string(),
                listen_address: None,
                state: listener.state,
                secs_since_last_cmd: u64::from(now),
            });
        }
        for (_, seat) in &*self.seats.lock() {
            see(&shown(seat, now));
        }
    }

    #[must_use]
    pub fn gauges(&self) -> Gauges {
        let (user_time_us, system_time_us) = cpu_times().unwrap_or_default();
        Gauges {
            curr_connections: self.current.load(Relaxed) as u64,
            total_connections: self.total.load(Relaxed),
            rejected_connections: self.rejected.load(Relaxed),
            connection_structures: self.most.load(Relaxed) as u64,
            listen_disabled_num: self.closed_doors.load(Relaxed),
            time_in_listen_disabled_us: self.closed_doors_us.load(Relaxed),
            accepting_conns: !self.doors_closed.load(Relaxed),
            read_buf_bytes: self.buffers_held.load(Relaxed),
            read_buf_bytes_free: self.buffers_free.load(Relaxed),
            user_time_us,
            system_time_us,
        }
    }
}

fn shown(seat: &Seat, now: Secs) -> Connection {
    let doing = seat.doing.load(Relaxed);
    let state = Doing::ALL.iter().find(|(d, _)| *d as u8 == doing).map_or("", |(_, name)| name);
    let address = match (seat.peer.transport, seat.peer.address) {
        (Transport::Unix, _) | (_, None) => seat.listener.to_string(),
        (transport, Some(address)) => format!("{}:{address}", transport.name()),
    };
    Connection {
        fd: seat.peer.fd,
        address,
        listen_address: Some(seat.listener.to_string()),
        state,
        secs_since_last_cmd: now.saturating_sub(seat.silent_since()).into(),
    }
}

/// User and system time of the process. Units: microseconds. Source: proc_pid_stat(5), fields 14
/// and 15.
fn cpu_times() -> Option<(u64, u64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_ascii_whitespace().skip(11).map_while(|field| field.parse().ok());
    let (user, system): (u64, u64) = (ticks.next()?, ticks.next()?);
    let us = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
    Some((user * us, system * us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_nobody_is_admitted_until_one_leaves() {
        let roster = Roster::new(2);
        assert!(roster.admit() && roster.admit() && !roster.admit());
        roster.leave(None);
        assert!(roster.admit());
        assert_eq!(roster.gauges().total_connections, 3);
        assert_eq!(roster.gauges().connection_structures, 2);
    }

    #[test]
    fn a_connection_is_shown_with_what_it_does_and_for_how_long_it_was_silent() {
        let roster = Roster::new(2);
        let address = Some(([127, 0, 0, 1], 4000).into());
        let peer = Peer { transport: Transport::Tcp, address, fd: 7 };
        let (entry, seat) = roster.enter(peer, &"tcp:127.0.0.1:1".into(), 3);
        seat.does(Doing::Receiving);
        let mut seen = Vec::new();
        roster.each(8, &mut |it| seen.push(it.clone()));
        assert_eq!((seen[0].fd, seen[0].state), (7, "conn_nread"));
        assert_eq!(seen[0].address, "tcp:127.0.0.1:4000");
        assert_eq!(seen[0].secs_since_last_cmd, 5);
        roster.leave(Some(entry));
        roster.each(8, &mut |_| panic!("nobody is there"));
    }
}
