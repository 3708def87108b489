//! The cache's coarse clock: whole seconds since the start, advanced by a timer, read by everyone.
//!
//! memcached counts alike: what expires is compared with a second that a timer has set, so no
//! request reads a clock. Tests shift it instead of waiting.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Seconds on the cache's clock. The first is 2, so that "the second before" is never below 1.
pub type Secs = u32;

/// What the clock shows at first.
const FIRST: Secs = 2;

#[derive(Debug)]
pub struct Clock {
    started: Instant,
    unix_at_zero: u64,
    now: AtomicU32,
    /// By how much a debug command moved it. Units: seconds.
    shift: AtomicI64,
    paused: std::sync::atomic::AtomicBool,
}

impl Clock {
    #[must_use]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Self {
            started: Instant::now(),
            unix_at_zero: unix.saturating_sub(u64::from(FIRST)),
            now: AtomicU32::new(FIRST),
            shift: AtomicI64::new(0),
            paused: false.into(),
        }
    }

    /// The second that the last tick has set.
    #[must_use]
    pub fn now(&self) -> Secs {
        self.now.load(Relaxed)
    }

    /// Seconds since 1970 at which this clock shows zero.
    #[must_use]
    pub const fn unix_at_zero(&self) -> u64 {
        self.unix_at_zero
    }

    /// Sets the second anew. A timer calls it several times a second.
    pub fn tick(&self) {
        if self.paused.load(Relaxed) {
            return;
        }
        let passed = i64::try_from(self.started.elapsed().as_secs()).unwrap_or(i64::MAX);
        let shown = passed.saturating_add(self.shift.load(Relaxed)) + i64::from(FIRST);
        self.now.store(Secs::try_from(shown.max(0)).unwrap_or(Secs::MAX), Relaxed);
    }

    /// Moves it by `seconds` at once, for tests of what expires.
    pub fn shift(&self, seconds: i64) {
        self.shift.fetch_add(seconds, Relaxed);
        let shown = i64::from(self.now()).saturating_add(seconds).max(0);
        self.now.store(Secs::try_from(shown).unwrap_or(Secs::MAX), Relaxed);
    }

    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Relaxed);
    }
}
