//! Early senses: a thread that waits for the kernel to say that memory gets short somewhere, and
//! wakes the sampler.
//!
//! One epoll over the node's PSI trigger and over the notices of those cgroups that [`plan`] chose.
//! It sleeps until one of them speaks, costs nothing while none does, and lets each rest after a
//! word ([`rest`]). It reads no memory and judges nothing: what is short is read by the sampler. A
//! sense that is not to be had is reported in one line and done without.

pub mod plan;
mod rest;
mod watch;

use crate::clock::Clock;
use crate::sources::Roots;
use crate::sources::cgroup::Layout;
use plan::Wanted;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel};

/// What the sampler may find in its queue. More than the senses of all watched cgroups can say
/// while the sampler is at one sweep.
pub const MESSAGES_MAX: usize = 512;

/// What wakes the sampler.
#[derive(Clone, Debug)]
pub enum Message {
    Stop,
    /// Memory gets short there.
    Sensed(Sensed),
    /// What the senses can do changed.
    Report(Report),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sensed {
    Node,
    Cgroup { path: Arc<str>, how: &'static str },
}

impl Sensed {
    /// For metrics.
    #[must_use]
    pub const fn how(&self) -> &'static str {
        match self {
            Self::Node => "node_pressure",
            Self::Cgroup { how, .. } => how,
        }
    }
}

/// What is listened to, and what is not to be had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The node's trigger in words; None: there is none.
    pub node: Option<String>,
    pub cgroups: usize,
    pub descriptors: usize,
    /// The first thing that was refused.
    pub refused: Option<String>,
}

/// The thread's handle. Dropped, the thread ends.
#[derive(Debug)]
pub struct Senses {
    /// Taken when it is to end.
    plans: Option<Sender<Vec<Wanted>>>,
    waker: Arc<OwnedFd>,
    dropped: Arc<AtomicU64>,
    last: Vec<Wanted>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Ears {
    pub(super) roots: Roots,
    pub(super) layout: Option<Arc<Layout>>,
    pub(super) clock: Clock,
    pub(super) plans: Receiver<Vec<Wanted>>,
    pub(super) waker: Arc<OwnedFd>,
    pub(super) tell: Tell,
}

/// Tells the sampler, and counts what it has no ear for.
#[derive(Clone, Debug)]
pub(super) struct Tell {
    to: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Tell {
    /// False once nobody listens any more.
    pub(super) fn tell(&self, message: Message) -> bool {
        match self.to.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

impl Senses {
    /// Starts the thread, which listens to the node from now on and to cgroups once it is told
    /// which.
    ///
    /// # Errors
    /// When the thread or its descriptors cannot be made.
    pub fn start(
        roots: Roots,
        layout: Option<Arc<Layout>>,
        clock: Clock,
        to: SyncSender<Message>,
    ) -> std::io::Result<Self> {
        let waker = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (plans, planned) = channel();
        let dropped = Arc::new(AtomicU64::new(0));
        let tell = Tell { to, dropped: Arc::clone(&dropped) };
        let waker_of_thread = Arc::clone(&waker);
        let ears = Ears { roots, layout, clock, plans: planned, waker: waker_of_thread, tell };
        let mut watch = watch::Watch::new(ears)?;
        let thread = std::thread::Builder::new()
            .name("plimsoll-senses".into())
            .stack_size(256 * 1024)
            .spawn(move || watch.run())?;
        let thread = Some(thread);
        Ok(Self { plans: Some(plans), waker, dropped, last: Vec::new(), thread })
    }

    /// Listens to these cgroups from now on.
    pub fn plan(&mut self, wanted: Vec<Wanted>) {
        if wanted == self.last {
            return;
        }
        self.last.clone_from(&wanted);
        if let Some(plans) = &self.plans {
            // It fails only if the thread is gone, and then nothing is sensed any more.
            let _ = plans.send(wanted);
            self.wake();
        }
    }

    /// Words that the sampler's queue had no room for.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn wake(&self) {
        // It fails only when 2^64 wakes are pending.
        let _ = rustix::io::write(&*self.waker, &1_u64.to_ne_bytes());
    }
}

impl Drop for Senses {
    fn drop(&mut self) {
        self.plans = None;
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It ends by itself; that it panicked was told when it did.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
