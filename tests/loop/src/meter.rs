//! The cgroup's usage every few milliseconds, as the kernel counts it.

use crate::arena::Arena;
use crate::wait::unix_ms;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const STEP: Duration = Duration::from_millis(5);
/// An hour of readings; what comes after is not kept.
const READINGS_MAX: usize = 720_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub at_ms: i64,
    pub usage_bytes: u64,
}

/// The thread. Dropped, it ends.
#[derive(Debug)]
pub struct Meter {
    stops: Arc<AtomicBool>,
    readings: Arc<Mutex<Vec<Reading>>>,
    thread: Option<JoinHandle<()>>,
}

impl Meter {
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(arena: &Arc<Arena>) -> Result<Self, crate::Fault> {
        let (stops, readings) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let (told, kept, arena) = (Arc::clone(&stops), Arc::clone(&readings), Arc::clone(arena));
        let thread = std::thread::Builder::new().name("meter".into());
        let read = move || {
            while !told.load(Ordering::Relaxed) {
                if let Some(usage_bytes) = arena.usage() {
                    let mut kept: parking_lot::MutexGuard<'_, Vec<Reading>> = kept.lock();
                    if kept.len() < READINGS_MAX {
                        kept.push(Reading { at_ms: unix_ms(), usage_bytes });
                    }
                }
                std::thread::park_timeout(STEP);
            }
        };
        let thread = thread.spawn(read).map_err(|e| e.to_string())?;
        Ok(Self { stops, readings, thread: Some(thread) })
    }

    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        self.readings.lock().clone()
    }

    /// The most that was held. Units: bytes.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.readings.lock().iter().map(|reading| reading.usage_bytes).max().unwrap_or(0)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // That it panicked was told when it did.
            let _ = thread.join();
        }
    }
}
