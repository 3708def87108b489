//! The cgroup's usage every few milliseconds, as the kernel counts it, and what a neighbour holds.

use crate::arena::Arena;
use crate::process::resident;
use crate::wait::unix_ms;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// An hour of readings; what comes after is not kept.
const READINGS_MAX: usize = 720_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub at_ms: i64,
    pub usage_bytes: u64,
    /// Resident size of the neighbour; 0 before there is one.
    pub neighbour_bytes: u64,
}

/// The thread. Dropped, it ends.
#[derive(Debug)]
pub struct Meter {
    stops: Arc<AtomicBool>,
    readings: Arc<Mutex<Vec<Reading>>>,
    /// Its pid; 0: there is none yet.
    neighbour: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Meter {
    /// Reads once in each `step`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(arena: &Arc<Arena>, step: Duration) -> Result<Self, crate::Fault> {
        let (stops, readings) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let neighbour = Arc::new(AtomicU32::new(0));
        let (told, kept, arena) = (Arc::clone(&stops), Arc::clone(&readings), Arc::clone(arena));
        let of = Arc::clone(&neighbour);
        let thread = std::thread::Builder::new().name("meter".into());
        let read = move || {
            while !told.load(Ordering::Relaxed) {
                if let Some(usage_bytes) = arena.usage() {
                    let pid = of.load(Ordering::Relaxed);
                    let neighbour_bytes = (pid > 0).then(|| resident(pid)).flatten().unwrap_or(0);
                    let mut kept: parking_lot::MutexGuard<'_, Vec<Reading>> = kept.lock();
                    if kept.len() < READINGS_MAX {
                        kept.push(Reading { at_ms: unix_ms(), usage_bytes, neighbour_bytes });
                    }
                }
                std::thread::park_timeout(step);
            }
        };
        let thread = thread.spawn(read).map_err(|e| e.to_string())?;
        Ok(Self { stops, readings, neighbour, thread: Some(thread) })
    }

    /// From now on reads what this process holds as well.
    pub fn follow(&self, neighbour: u32) {
        self.neighbour.store(neighbour, Ordering::Relaxed);
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

/// When the kernel's own figures first met the documented conditions of `critical`: a fortieth of
/// the limit left, or two seconds of it at the neighbour's pace in the last second. What the cache
/// gives back meanwhile is room, and slows nobody's pace.
#[must_use]
pub fn critical_from(readings: &[Reading], limit_bytes: u64, from_ms: i64) -> Option<i64> {
    let (mut rate, mut before) = (0.0_f64, None::<Reading>);
    for reading in readings.iter().filter(|reading| reading.at_ms >= from_ms) {
        let left = limit_bytes as f64 - reading.usage_bytes as f64;
        if let Some(before) = before.filter(|before| before.at_ms < reading.at_ms) {
            let passed_s = (reading.at_ms - before.at_ms) as f64 / 1000.0;
            let taken = reading.neighbour_bytes as f64 - before.neighbour_bytes as f64;
            rate += (taken / passed_s - rate) * (1.0 - (-passed_s).exp());
        }
        before = Some(*reading);
        if left <= limit_bytes as f64 / 40.0 || (rate > 0.0 && left / rate <= 2.0) {
            return Some(reading.at_ms);
        }
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MIB;

    /// A neighbour that takes, beside 100 MiB of which so much is given back in each second.
    fn rising(mib_per_s: u64, given_per_s: u64) -> Vec<Reading> {
        let at = |ms: u64| Reading {
            at_ms: i64::try_from(ms).unwrap(),
            usage_bytes: (100 * MIB + mib_per_s * MIB * ms / 1000) - given_per_s * MIB * ms / 1000,
            neighbour_bytes: mib_per_s * MIB * ms / 1000,
        };
        (0..200).map(|n| at(n * 100)).collect()
    }

    #[test]
    fn slow_growth_is_critical_at_a_fortieth_and_fast_growth_two_seconds_ahead() {
        let slow = critical_from(&rising(10, 0), 200 * MIB, 0);
        assert!((7_800..=8_100).contains(&slow.unwrap()), "{slow:?}: 20 MiB are two seconds");
        let fast = critical_from(&rising(40, 0), 200 * MIB, 0);
        assert!((900..=1_300).contains(&fast.unwrap()), "{fast:?}: the pace has to be seen first");
        assert_eq!(critical_from(&rising(0, 0), 200 * MIB, 0), None);
    }

    #[test]
    fn what_is_given_back_meanwhile_slows_no_pace() {
        let at = critical_from(&rising(60, 60), 200 * MIB, 0);
        assert!((1_700..=1_900).contains(&at.unwrap()), "{at:?}: 100 MiB at 50 of 60 MiB/s");
    }
}
