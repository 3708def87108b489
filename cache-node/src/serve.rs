//! Threads and sockets: bytes of connections in, answers out; it knows no command.
//!
//! ```text
//! kernel ──SO_REUSEPORT──▶ door ─▶ connection ─▶ session ─▶ store      each worker thread alike
//!          unix socket ──▶ door ─▶ mailbox of the next thread
//!          UDP ──────────▶ first thread: a session for each datagram
//! ```
//!
//! Each worker waits on an epoll of its own and shares nothing on the way of a request but the
//! store. It refuses connections beyond the limit, stops reading from whoever does not read, and at
//! the end answers all that has arrived before it closes.

mod buffers;
mod conn;
mod door;
mod listen;
mod mailbox;
mod roster;
mod stream;
mod udp;
mod worker;

pub use listen::ListenError;
pub use roster::{Doing, Roster, Seat};

use crate::clock::Clock;
use crate::protocol::{Context, Shared};
use crate::settings::Settings;
use crate::store::{Charge, Store};
use crate::watch::Wake;
use door::{Door, Socket};
use listen::Sockets;
use mailbox::Mailbox;
use mio::{Poll, Waker};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::{fmt, io};
use udp::Udp;
use worker::{MAIL, Parts, Worker};

/// Why it does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("cannot start a worker: {0}")]
    Worker(#[from] io::Error),
}

/// What the workers serve with.
#[derive(Debug)]
pub struct Kitchen {
    pub store: Arc<Store>,
    pub settings: Arc<Settings>,
    pub clock: Arc<Clock>,
    pub shared: Arc<Shared>,
    pub roster: Arc<Roster>,
    /// Where a client's wish to stop the server goes; true: with its items written to disk.
    pub stops: Sender<bool>,
}

/// Where it listens.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    pub tcp: Vec<SocketAddr>,
    pub udp: Vec<SocketAddr>,
    pub unix: Option<PathBuf>,
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tcp = self.tcp.iter().map(|address| format!("tcp:{address}"));
        let udp = self.udp.iter().map(|address| format!("udp:{address}"));
        let unix = self.unix.iter().map(|path| format!("unix:{}", path.display()));
        f.write_str(&tcp.chain(udp).chain(unix).collect::<Vec<_>>().join(", "))
    }
}

/// The running workers.
#[derive(Debug)]
pub struct Server {
    mailboxes: Vec<Arc<Mailbox>>,
    threads: Vec<JoinHandle<()>>,
    pub addresses: Addresses,
    roster: Arc<Roster>,
    /// Of the budget, for connections; returned at the end.
    _reserve: Option<Charge>,
}

/// Its state, its place in the roster, its slot in the kernel's table. Units: bytes.
const CONNECTION_BYTES: u64 = 1 << 10;
/// Buffers that are there also when the cache is full and evicts nothing. Units: bytes.
const BUFFER_RESERVE_BYTES: u64 = 1 << 20;
/// Connections and buffers reserve no more than one in so many of the limit.
const RESERVE_SHARE: u64 = 16;

impl Server {
    /// Listens, then starts the workers.
    ///
    /// # Errors
    /// An address cannot be had, or a thread cannot be started.
    pub fn start(kitchen: &Kitchen) -> Result<Self, ServeError> {
        let count = kitchen.settings.threads.max(1);
        let sockets = listen::open(&kitchen.settings, count)?;
        let addresses = addresses(&sockets);
        let polls: Vec<Poll> = (0..count).map(|_| Poll::new()).collect::<io::Result<_>>()?;
        let mailboxes = polls.iter().map(|poll| {
            let waker = Waker::new(poll.registry(), MAIL)?;
            Ok(Arc::new(Mailbox::new(waker)))
        });
        let mailboxes: Vec<Arc<Mailbox>> = mailboxes.collect::<io::Result<_>>()?;
        let reserve = reserve(kitchen);
        let mut shares = share(sockets, count, &kitchen.roster);
        let mut threads = Vec::with_capacity(count);
        // Built all before any runs: a failure leaves nothing half started.
        let mut workers = Vec::with_capacity(count);
        for (index, poll) in polls.into_iter().enumerate() {
            let (doors, udp) = std::mem::take(&mut shares[index]);
            let wake: Arc<dyn Wake> = Arc::clone(&mailboxes[index]) as _;
            let context = Context::new(
                Arc::clone(&kitchen.store),
                Arc::clone(&kitchen.settings),
                Arc::clone(&kitchen.clock),
                Arc::clone(&kitchen.shared),
                wake,
            );
            let (roster, stops) = (Arc::clone(&kitchen.roster), kitchen.stops.clone());
            let mailboxes = mailboxes.clone();
            workers.push(Worker::new(Parts {
                poll,
                mailboxes,
                index,
                doors,
                udp,
                context,
                roster,
                stops,
            })?);
        }
        for (index, worker) in workers.into_iter().enumerate() {
            let name = format!("worker-{index}");
            let watch = Watch(Arc::clone(&kitchen.roster));
            let run = move || {
                worker.run();
                drop(watch);
            };
            threads.push(std::thread::Builder::new().name(name).spawn(run)?);
        }
        let roster = Arc::clone(&kitchen.roster);
        Ok(Self { mailboxes, threads, addresses, roster, _reserve: reserve })
    }

    /// What tells the workers that memory is short.
    #[must_use]
    pub fn thrift(&self) -> Thrift {
        Thrift { roster: Arc::clone(&self.roster), mailboxes: self.mailboxes.clone() }
    }

    /// Stops taking connections, answers what has arrived, closes. Returns when that is done.
    pub fn drain(self) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.stop());
        for thread in self.threads {
            // That it panicked was told when it did.
            let _ = thread.join();
        }
        if let Some(path) = &self.addresses.unix {
            // Somebody may have removed it before.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Tells the workers whether memory is short.
#[derive(Debug)]
pub struct Thrift {
    roster: Arc<Roster>,
    mailboxes: Vec<Arc<Mailbox>>,
}

impl Thrift {
    /// From now on idle workers keep no buffers, and busy ones no more than they use; or they do
    /// again.
    pub fn set(&self, lean: bool) {
        if self.roster.be_lean(lean) && lean {
            self.mailboxes.iter().for_each(|mailbox| mailbox.ring());
        }
    }
}

/// Charges what connections take, so that a full cache that evicts nothing still lets them in.
fn reserve(kitchen: &Kitchen) -> Option<Charge> {
    let most = kitchen.settings.memory_bytes / RESERVE_SHARE;
    let connections = kitchen.settings.connections_max as u64 * CONNECTION_BYTES;
    let connections = connections.min(most / 2);
    let buffers = BUFFER_RESERVE_BYTES.min(most / 2);
    match kitchen.store.charge(connections + buffers) {
        Ok(charge) => {
            kitchen.roster.reserve(buffers);
            Some(charge)
        }
        Err(error) => {
            tracing::warn!(%error, "nothing is reserved for connections");
            None
        }
    }
}

/// Notes it if its thread ends by a fault.
struct Watch(Arc<Roster>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a worker ended by a fault of its own; its connections are lost");
            self.0.lose_worker();
        }
    }
}

fn addresses(sockets: &Sockets) -> Addresses {
    Addresses {
        tcp: sockets.tcp.iter().map(|(address, _)| *address).collect(),
        udp: sockets.udp.iter().map(|(address, _)| *address).collect(),
        unix: sockets.unix.as_ref().map(|(path, _)| path.clone()),
    }
}

type Share = (Vec<Door>, Vec<Udp>);

/// Gives each of `count` workers its sockets.
fn share(sockets: Sockets, count: usize, roster: &Roster) -> Vec<Share> {
    let mut shares: Vec<Share> = (0..count).map(|_| Share::default()).collect();
    for (address, listeners) in sockets.tcp {
        let name: Arc<str> = format!("tcp:{address}").into();
        let sole = listeners.len() < count;
        for (at, listener) in listeners.into_iter().enumerate() {
            let door = Door::new(Socket::Tcp(listener), Arc::clone(&name), sole);
            roster.listens(door.fd(), &name, true);
            shares[at].0.push(door);
        }
    }
    if let Some((path, listener)) = sockets.unix {
        let name: Arc<str> = format!("unix:{}", path.display()).into();
        let door = Door::new(Socket::Unix(listener), Arc::clone(&name), count > 1);
        roster.listens(door.fd(), &name, true);
        shares[0].0.push(door);
    }
    for (address, socket) in sockets.udp {
        use std::os::fd::AsRawFd as _;
        let name: Arc<str> = format!("udp:{address}").into();
        roster.listens(socket.as_raw_fd(), &name, false);
        shares[0].1.push(Udp::new(socket));
    }
    shares
}
