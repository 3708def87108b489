//! Waiting: by polling, with a deadline, and no longer than until somebody interrupts.

use crate::Fault;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often is looked.
const STEP: Duration = Duration::from_millis(10);

/// Whether the run is to end. Whoever waits is told, and cleans up on its way out.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on the signals that end a program only set the flag.
    ///
    /// # Errors
    /// When they cannot be caught.
    pub fn watched() -> Result<Self, Fault> {
        let own = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&own.0)).map_err(|e| e.to_string())?;
        }
        Ok(own)
    }

    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Polls until `look` finds something.
    ///
    /// # Errors
    /// What was seen last when `within` is over, or that somebody interrupted.
    pub fn wait<T>(
        &self,
        what: &str,
        within: Duration,
        look: impl FnMut() -> Result<T, String>,
    ) -> Result<T, Fault> {
        self.wait_every(STEP, what, within, look)
    }

    /// The same, looking as often as is asked for.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_every<T>(
        &self,
        step: Duration,
        what: &str,
        within: Duration,
        mut look: impl FnMut() -> Result<T, String>,
    ) -> Result<T, Fault> {
        let begun = Instant::now();
        loop {
            match look() {
                Ok(found) => return Ok(found),
                Err(_) if self.is_set() => return Err("interrupted".to_owned()),
                Err(seen) if begun.elapsed() > within => {
                    return Err(format!("{what}: not within {within:?}: {seen}"));
                }
                Err(_) => std::thread::park_timeout(step),
            }
        }
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// When somebody interrupts.
    pub fn pause(&self, time: Duration) -> Result<(), Fault> {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            if self.is_set() {
                return Err("interrupted".to_owned());
            }
            std::thread::park_timeout(left.min(STEP));
        }
        Ok(())
    }
}

/// Milliseconds since 1970, as the agent's times are compared with.
#[must_use]
pub fn unix_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
