//! The agent's side: a thread that listens on a unix socket and speaks to whoever subscribes.
//!
//! ```text
//! Server (handle) ─ tell, broadcast, events, subscribers ─▶ Registry ◀─ receive, tick ─ thread
//! ```
//!
//! It decides nothing: what is said is handed in, what was answered is handed out. A subscriber
//! that is slow, silent or hostile loses its connection and nobody else notices.

mod bells;
mod listener;
mod peer;
pub mod registry;
mod serving;

pub use listener::BindError;
pub use peer::{Credentials, Policy, cgroup_of};
pub use registry::{Counters, Event, Left, Limits, Subscriber, SubscriberId};

use crate::frame::{CgroupPath, Word};
use crate::own::Own;
use crate::units::{Bytes, Epoch, Seq};
use bells::Bells;
use listener::Listener;
use parking_lot::Mutex;
use registry::Registry;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::{Notify, watch};

/// How a server is made.
#[derive(Clone, Debug)]
pub struct Settings {
    pub socket: PathBuf,
    /// Where those are rung who know systemd's `MEMORY_PRESSURE_WATCH`; None: nowhere.
    pub bell: Option<PathBuf>,
    /// Who may connect, as the file system sees it.
    pub mode: u32,
    /// The group that owns the sockets; None leaves it to the process.
    pub gid: Option<u32>,
    /// One life of the agent: no two may have the same. The boot clock at start will do.
    pub epoch: Epoch,
    pub limits: Limits,
    /// What those hear who come before the node was spoken of: that all is calm, and what is
    /// available now.
    pub first: Word,
}

impl Settings {
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        let node = Own::find().read().node;
        let headroom_bytes = node.map_or(Bytes::ZERO, |room| room.headroom());
        let (limits, first) = (Limits::default(), Word { headroom_bytes, ..Word::default() });
        let socket = crate::SOCKET.into();
        Self { socket, bell: None, mode: 0o660, gid: None, epoch, limits, first }
    }
}

/// What the handle and the thread share.
#[derive(Debug)]
struct Shared {
    registry: Mutex<Registry>,
    bells: Mutex<Bells>,
    started: Instant,
    /// Something is to be written, or a connection is to be closed.
    changed: watch::Sender<()>,
    stops: Notify,
}

/// The running server. Dropped, it closes all connections and removes its socket.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds the socket and starts the thread `plimsoll-pressure`.
    ///
    /// # Errors
    /// [`BindError`]: another agent answers there, or the place cannot be used.
    pub fn start(settings: Settings, policy: Policy) -> Result<Self, BindError> {
        let bind = |path: &PathBuf| Listener::bind(path, settings.mode, settings.gid);
        let listener = bind(&settings.socket)?;
        let bell = settings.bell.as_ref().map(bind).transpose()?;
        let registry = Registry::new(settings.epoch, settings.limits, &settings.first);
        let shared = Arc::new(Shared {
            registry: Mutex::new(registry),
            bells: Mutex::default(),
            started: Instant::now(),
            changed: watch::Sender::new(()),
            stops: Notify::new(),
        });
        let thread = serving::start(Arc::clone(&shared), listener, bell, policy)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Says something to one subscriber, at once. None: it has left.
    pub fn tell(&self, id: SubscriberId, word: &Word) -> Option<Seq> {
        let now = self.shared.started.elapsed();
        let seq = self.shared.registry.lock().tell(id, word, now);
        self.shared.bells.lock().hear(word, now);
        self.shared.changed.send_replace(());
        seq
    }

    /// Says something to everyone whom the scope concerns, and to those who come later until the
    /// scope is said to be calm. The bytes are wanted of each of them; [`Self::tell`] shares.
    pub fn broadcast(&self, word: &Word) -> Seq {
        let now = self.shared.started.elapsed();
        let seq = self.shared.registry.lock().broadcast(word, now);
        self.shared.bells.lock().hear(word, now);
        self.shared.changed.send_replace(());
        seq
    }

    /// Alarms those whom the word concerns and who know systemd's protocol only, whether there are
    /// subscribers or not.
    pub fn ring(&self, word: &Word) {
        self.shared.bells.lock().hear(word, self.shared.started.elapsed());
    }

    /// Where those are who wait for an alarm; None: it cannot be seen from here.
    #[must_use]
    pub fn bell_cgroups(&self) -> Vec<Option<CgroupPath>> {
        self.shared.bells.lock().cgroups().map(Option::<&CgroupPath>::cloned).collect()
    }

    /// Alarms given to those who only know systemd's protocol.
    #[must_use]
    pub fn bells_rung(&self) -> u64 {
        self.shared.bells.lock().rung
    }

    /// What happened since it was asked last.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.shared.registry.lock().events()
    }

    /// Who has said hello and not left.
    #[must_use]
    pub fn subscribers(&self) -> Vec<Subscriber> {
        self.shared.registry.lock().subscribers()
    }

    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.registry.lock().counters()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stops.notify_one();
        if let Some(thread) = self.thread.take() {
            // It ends by itself; that it panicked was told when it did.
            let _ = thread.join();
        }
    }
}
