//! The thread that advances the coarse clock, and tells the workers whether memory is short.

use crate::clock::Clock;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How late a second may be noticed.
const TICK: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct End {
    come: Mutex<bool>,
    called: Condvar,
}

/// Dropped, the clock stands still.
#[derive(Debug)]
pub(super) struct Timer {
    end: Arc<End>,
    thread: Option<JoinHandle<()>>,
}

/// `each`: what else is done at each tick; it must not wait.
pub(super) fn start(clock: Arc<Clock>, each: impl Fn() + Send + 'static) -> io::Result<Timer> {
    let end = Arc::<End>::default();
    let seen = Arc::clone(&end);
    let thread = std::thread::Builder::new().name("clock".into()).spawn(move || {
        let mut come = seen.come.lock();
        while !*come {
            clock.tick();
            each();
            seen.called.wait_for(&mut come, TICK);
        }
    })?;
    Ok(Timer { end, thread: Some(thread) })
}

impl Drop for Timer {
    fn drop(&mut self) {
        *self.end.come.lock() = true;
        self.end.called.notify_one();
        if let Some(thread) = self.thread.take() {
            // It ends by itself; that it panicked was told when it did.
            let _ = thread.join();
        }
    }
}
