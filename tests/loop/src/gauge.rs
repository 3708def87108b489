//! What the cache says of itself, asked every few milliseconds: what it gave back, its level, and
//! whether it hears the agent. Ours only: peers know of none of this.

use crate::Fault;
use crate::subject::Server;
use crate::wait::unix_ms;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const LOOKS_MAX: usize = 500_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub at_ms: i64,
    /// In all, since it started.
    pub given_bytes: u64,
    pub used_bytes: u64,
    pub floor_bytes: u64,
    pub level: String,
    pub agent_speaks: bool,
}

/// The thread. Dropped, it ends.
#[derive(Debug)]
pub struct Gauge {
    stops: Arc<AtomicBool>,
    looks: Arc<Mutex<Vec<Look>>>,
    thread: Option<JoinHandle<()>>,
}

impl Gauge {
    /// Asks once in each `step`.
    ///
    /// # Errors
    /// When the cache cannot be reached.
    pub fn start(server: &Server, step: Duration) -> Result<Self, Fault> {
        let mut client = server.client()?;
        let (stops, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let (told, kept) = (Arc::clone(&stops), Arc::clone(&looks));
        let look = move || {
            while !told.load(Ordering::Relaxed) {
                // An end of the connection is the end of the cache, which is judged elsewhere.
                let Ok(figures) = client.stats("plimsoll") else { return };
                let mut kept: parking_lot::MutexGuard<'_, Vec<Look>> = kept.lock();
                if kept.len() < LOOKS_MAX {
                    kept.push(Look::of(&figures));
                }
                drop(kept);
                std::thread::park_timeout(step);
            }
        };
        let thread = std::thread::Builder::new().name("gauge".into());
        let thread = thread.spawn(look).map_err(|e| e.to_string())?;
        Ok(Self { stops, looks, thread: Some(thread) })
    }

    #[must_use]
    pub fn looks(&self) -> Vec<Look> {
        self.looks.lock().clone()
    }

    #[must_use]
    pub fn last(&self) -> Look {
        self.looks.lock().last().cloned().unwrap_or_default()
    }

    /// When it first was so, from `from_ms` on.
    #[must_use]
    pub fn first(&self, from_ms: i64, wanted: impl Fn(&Look) -> bool) -> Option<i64> {
        let looks = self.looks.lock();
        let found = looks.iter().find(|look| look.at_ms >= from_ms && wanted(look));
        found.map(|look| look.at_ms)
    }
}

impl Look {
    fn of(figures: &[(String, String)]) -> Self {
        let word = |name: &str| {
            let found = figures.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let bytes = |name: &str| word(name).parse().unwrap_or(0);
        Self {
            at_ms: unix_ms(),
            given_bytes: bytes("given_back_on_demand_bytes"),
            used_bytes: bytes("used_bytes"),
            floor_bytes: bytes("floor_bytes"),
            level: word("pressure_level"),
            agent_speaks: word("agent_speaks") == "1",
        }
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // That it panicked was told when it did.
            let _ = thread.join();
        }
    }
}
