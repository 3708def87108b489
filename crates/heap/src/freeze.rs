//! A pause of another process that cannot outlast its limit.
//!
//! ```text
//!  caller's thread            holding thread                    target
//!        │ spawn ───────────────▶ seize + interrupt each ──────▶ stands still
//!        │ ◀──── registers ────── rescan until none is new
//!      work                       waits: done, or the deadline
//!        │ done ────────────────▶ ends ────────────────────────▶ goes on
//! ```
//!
//! A tracer is a thread: the kernel lets go of what it holds when that thread ends, whether it
//! returned, panicked or was killed with the whole process, and delivers a signal that was on its
//! way (ptrace(2), "Death under ptrace"). So nothing here ever detaches: the holding thread ends.
//! It does nothing but wait, so that no read of the target that hangs can prolong the pause.
//!
//! A target that was stopped by a signal before stays so. A system call that a signal handler could
//! not interrupt goes on; those few that a stop interrupts (signal(7): `epoll_wait`, `semop`, …)
//! return `EINTR`, as they do for any debugger. Writes nothing into the target.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Refusal, Target};

mod registers;
mod task;
mod threads;
mod urgent;

pub use threads::Thread;
pub use urgent::Urgent;

/// The target as it stands: it does not change for as long as [`Hold::holds`].
#[derive(Debug)]
pub struct Frozen {
    pub threads: Vec<Thread>,
    pub hold: Hold,
}

/// Whether a target is still held.
#[derive(Clone, Debug, Default)]
pub struct Hold {
    let_go: Arc<AtomicBool>,
}

impl Hold {
    /// False once the limit has passed and the target was let go. What was read since must not be
    /// used: ask after each read.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.let_go.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.let_go.store(true, Ordering::Release);
    }
}

/// How the pause went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// From before the first thread was stopped until after the last was let go.
    pub length: Duration,
    /// The limit came before the work was done.
    pub cut_short: bool,
}

/// Runs `work` while every thread of the target stands still, for at most `pause_max`.
///
/// # Errors
/// The target cannot be stopped, or did not stand still within the limit; it goes on as before.
pub fn frozen<R>(
    target: Target,
    pause_max: Duration,
    work: impl FnOnce(&Frozen) -> R,
) -> Result<(R, Pause), Refusal> {
    let state = Hold::default();
    thread::scope(|scope| {
        let (tell, told) = mpsc::sync_channel(1);
        // Dropped when the work is done, also when it panics: that is the sign to let go.
        let (done, is_done) = mpsc::sync_channel::<()>(1);
        let began = Instant::now();
        let held = state.clone();
        let hold = move || hold(target, began + pause_max, &tell, &is_done, &held);
        let holder = thread::Builder::new().name("freeze".into()).spawn_scoped(scope, hold);
        let holder = holder.map_err(|source| Refusal::Unavailable {
            what: "a pause",
            why: format!("no thread to hold the target: {source}"),
        })?;
        let stopped = told.recv().unwrap_or_else(|_| {
            let why = "the thread that holds the target ended early".into();
            Err(Refusal::Unavailable { what: "a pause", why })
        });
        let worked = stopped.map(|threads| work(&Frozen { threads, hold: state }));
        drop(done);
        let let_go = holder.join().unwrap_or_else(|_| Some(Instant::now()));
        let end = let_go.unwrap_or_else(Instant::now);
        let pause = Pause { length: end.duration_since(began), cut_short: let_go.is_some() };
        worked.map(|worked| (worked, pause))
    })
}

/// Stops the target, tells of its threads, and waits. Returns when it let go if that was because of
/// the deadline: the work may go on for longer.
fn hold(
    target: Target,
    deadline: Instant,
    tell: &mpsc::SyncSender<Result<Vec<Thread>, Refusal>>,
    is_done: &mpsc::Receiver<()>,
    state: &Hold,
) -> Option<Instant> {
    let stopped = threads::stop(target, deadline);
    let held = stopped.is_ok();
    if tell.send(stopped).is_err() || !held {
        return None;
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let cut_short = is_done.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Timeout);
    state.end();
    cut_short.then(Instant::now)
}
