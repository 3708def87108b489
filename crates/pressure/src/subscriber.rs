//! What an application uses: a thread that listens to the agent, and to the kernel while the agent
//! is silent, and hands on what concerns the application.
//!
//! ```no_run
//! use plimsoll_pressure::{Answer, Bytes, SOCKET, Subscriber};
//! # fn give_back(_: Option<Bytes>) -> Bytes { Bytes(0) }
//! let subscriber = Subscriber::connect(SOCKET, "my-cache", Bytes::mib(256))?;
//! while let Some(told) = subscriber.wait() {
//!     let freed_bytes = give_back(told.reclaim_bytes);
//!     subscriber.ack(&told, Answer { freed_bytes, ..Answer::default() });
//! }
//! # std::io::Result::Ok(())
//! ```

mod state;
mod thread;

use crate::frame::{Answer, Label, Level, Scope};
use crate::own::Own;
use crate::units::{Bytes, Epoch, Seq};
use crate::watch::Watch;
use parking_lot::{Condvar, Mutex};
use rustix::event::EventfdFlags;
use rustix::net::SocketAddrUnix;
use state::State;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The agent, which wants an answer.
    Agent { epoch: Epoch, seq: Seq },
    /// The own cgroup and the kernel's pressure figures, while there is no agent.
    Own,
    /// What systemd named in `MEMORY_PRESSURE_WATCH`.
    Systemd,
}

/// What the application is told, once each time something is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub source: Source,
    pub scope: Scope,
    /// Of this source and scope.
    pub level: Level,
    /// The worst that any source says of any scope from now on: what to go by.
    pub overall: Level,
    /// Wanted back, counted from now. None: nobody knows; as much as the level seems worth.
    pub reclaim_bytes: Option<Bytes>,
    /// Time in which it is wanted.
    pub deadline: Duration,
    pub headroom_bytes: Option<Bytes>,
    /// When the kernel would kill.
    pub eta: Option<Duration>,
    pub cause: Label,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acked {
    Queued,
    /// The agent that asked is gone, or another; it is not told.
    Stale,
    /// It did not come from the agent.
    NobodyAsked,
    /// The agent does not read.
    Full,
}

/// How to subscribe.
#[derive(Debug)]
pub struct Options {
    pub socket: PathBuf,
    pub name: Label,
    /// What could be given back now.
    pub can_free_bytes: Bytes,
    /// What is judged by while the agent is silent; None: nothing.
    pub own: Option<Own>,
    pub watch: Option<Watch>,
}

impl Options {
    /// With the own cgroup to fall back to, and systemd's watch where the environment names one
    /// that can be opened.
    pub fn new(socket: impl Into<PathBuf>, name: impl Into<Label>, can_free_bytes: Bytes) -> Self {
        Self {
            socket: socket.into(),
            name: name.into(),
            can_free_bytes,
            own: Some(Own::find()),
            watch: Watch::from_env().unwrap_or(None),
        }
    }

    /// Starts the thread; [`Subscriber::wait`] hands out what it hears.
    ///
    /// # Errors
    /// The thread cannot be started, or the path is none that a socket can have. That there is no
    /// agent is no error.
    pub fn start(self) -> std::io::Result<Subscriber> {
        Subscriber::start(self, None)
    }

    /// Starts the thread, which calls `on_told` itself. While that runs nothing is heard.
    ///
    /// # Errors
    /// As [`Options::start`].
    pub fn start_calling(
        self,
        on_told: impl FnMut(&Acker, Told) + Send + 'static,
    ) -> std::io::Result<Subscriber> {
        Subscriber::start(self, Some(Box::new(on_told)))
    }
}

type OnTold = Box<dyn FnMut(&Acker, Told) + Send>;

/// What the handles and the thread share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    told: Condvar,
    /// Written to so that the thread looks again.
    waker: OwnedFd,
    started: Instant,
}

/// Answers, from any thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Acker {
    shared: Arc<Shared>,
}

impl Acker {
    /// Answers what was told. A later answer to the same replaces the earlier one: `freed_bytes`
    /// is all that was freed because of it.
    pub fn ack(&self, told: &Told, answer: Answer) -> Acked {
        let acked = self.shared.state.lock().ack(told.source, answer);
        if acked == Acked::Queued {
            self.shared.wake();
        }
        acked
    }
}

impl Shared {
    fn wake(&self) {
        // It fails only when 2^64 wakes are pending.
        let _ = rustix::io::write(&self.waker, &1_u64.to_ne_bytes());
    }
}

/// A subscription. Dropped, its thread ends.
#[derive(Debug)]
pub struct Subscriber {
    acker: Acker,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Subscriber {
    /// Subscribes as [`Options::new`] does by default. Where there is no agent yet, it is tried
    /// again and again.
    ///
    /// # Errors
    /// As [`Options::start`].
    pub fn connect(
        socket: impl Into<PathBuf>,
        name: impl Into<Label>,
        can_free_bytes: Bytes,
    ) -> std::io::Result<Self> {
        Options::new(socket, name, can_free_bytes).start()
    }

    fn start(options: Options, on_told: Option<OnTold>) -> std::io::Result<Self> {
        SocketAddrUnix::new(&options.socket)?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(options.name.clone(), options.can_free_bytes)),
            told: Condvar::new(),
            waker: rustix::event::eventfd(0, flags)?,
            started: Instant::now(),
        });
        let acker = Acker { shared };
        let thread = Some(thread::start(acker.clone(), options, on_told)?);
        Ok(Self { acker, thread })
    }

    /// Waits until something is told. None: [`Self::close`] was called.
    #[must_use]
    pub fn wait(&self) -> Option<Told> {
        self.wait_until(None)
    }

    /// Waits until something is told, for so long at most.
    #[must_use]
    pub fn wait_for(&self, most: Duration) -> Option<Told> {
        self.wait_until(Instant::now().checked_add(most))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Option<Told> {
        let mut state = self.acker.shared.state.lock();
        loop {
            if let Some(told) = state.take() {
                return Some(told);
            }
            if state.is_closed {
                return None;
            }
            match deadline {
                None => self.acker.shared.told.wait(&mut state),
                Some(at) if Instant::now() >= at => return None,
                Some(at) => {
                    self.acker.shared.told.wait_until(&mut state, at);
                }
            }
        }
    }

    /// As [`Acker::ack`].
    pub fn ack(&self, told: &Told, answer: Answer) -> Acked {
        self.acker.ack(told, answer)
    }

    /// For answers from elsewhere.
    #[must_use]
    pub fn acker(&self) -> Acker {
        self.acker.clone()
    }

    /// The worst that any source says of any scope now.
    #[must_use]
    pub fn level(&self) -> Level {
        self.acker.shared.state.lock().overall()
    }

    /// The life of the agent that speaks; None while it is silent.
    #[must_use]
    pub fn agent(&self) -> Option<Epoch> {
        self.acker.shared.state.lock().agent()
    }

    /// How much went untold because nobody waited for it.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.acker.shared.state.lock().dropped
    }

    /// Ends the thread and all waiting.
    pub fn close(&self) {
        self.acker.shared.state.lock().is_closed = true;
        self.acker.shared.told.notify_all();
        self.acker.shared.wake();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.close();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // It ends by itself; that it panicked was told when it did.
            let _ = thread.join();
        }
    }
}
