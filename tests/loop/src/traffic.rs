//! Clients that go on all the while: gets and sets in turn at an even pace, each one timed.

use crate::Fault;
use crate::client::{Client, Stored};
use crate::subject::Server;
use crate::wait::unix_ms;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Requests that are remembered; later ones are only counted.
const SAMPLES_MAX: usize = 2_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Hit,
    Miss,
    Stored,
    Refused,
}

/// One request and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at_ms: i64,
    pub took: Duration,
    pub asked: Asked,
}

#[derive(Debug, Default)]
struct Kept {
    samples: Vec<Sample>,
    fault: Option<Fault>,
}

/// The thread. Dropped, it ends.
#[derive(Debug)]
pub struct Traffic {
    stops: Arc<AtomicBool>,
    kept: Arc<Mutex<Kept>>,
    thread: Option<JoinHandle<()>>,
}

/// What came of it all.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub samples: Vec<Sample>,
    /// Why it ended before it was told to.
    pub fault: Option<Fault>,
}

impl Traffic {
    /// A get and a set, `pause` between them, over the first `keys` keys.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn start(server: &Server, keys: u64, pause: Duration) -> Result<Self, Fault> {
        let (client, value_len) = (server.client()?, server.value_len);
        let (stops, kept) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let (told, keeps) = (Arc::clone(&stops), Arc::clone(&kept));
        let thread = std::thread::Builder::new().name("traffic".into());
        let thread = thread
            .spawn(move || go_on(client, (keys.max(1), value_len), pause, &told, &keeps))
            .map_err(|e| e.to_string())?;
        Ok(Self { stops, kept, thread: Some(thread) })
    }

    /// Ends it.
    #[must_use]
    pub fn finish(mut self) -> Tally {
        self.join();
        let mut kept = self.kept.lock();
        Tally { samples: std::mem::take(&mut kept.samples), fault: kept.fault.take() }
    }

    fn join(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // That it panicked was told when it did.
            let _ = thread.join();
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.join();
    }
}

fn go_on(
    mut client: Client,
    (keys, value_len): (u64, usize),
    pause: Duration,
    stops: &AtomicBool,
    kept: &Mutex<Kept>,
) {
    let mut turn = 0_u64;
    while !stops.load(Ordering::Relaxed) {
        turn += 1;
        // A stride that meets every key in the end, old and new ones mixed.
        let key = turn.wrapping_mul(7919) % keys;
        let (at_ms, begun) = (unix_ms(), Instant::now());
        let answer = if turn.is_multiple_of(2) {
            client.get(key, value_len).map(|hit| if hit { Asked::Hit } else { Asked::Miss })
        } else {
            client.set(key, value_len).map(|stored| match stored {
                Stored::Yes => Asked::Stored,
                Stored::Refused => Asked::Refused,
            })
        };
        let took = begun.elapsed();
        let mut kept = kept.lock();
        match answer {
            Ok(asked) if kept.samples.len() < SAMPLES_MAX => {
                kept.samples.push(Sample { at_ms, took, asked });
            }
            Ok(_) => {}
            Err(fault) => {
                kept.fault = Some(fault);
                return;
            }
        }
        drop(kept);
        if !pause.is_zero() {
            std::thread::park_timeout(pause);
        }
    }
}

impl Tally {
    #[must_use]
    pub fn count(&self, wanted: impl Fn(Asked) -> bool) -> usize {
        self.samples.iter().filter(|sample| wanted(sample.asked)).count()
    }

    /// The time below which a share of those answers came, in milliseconds; None: there were none.
    #[must_use]
    pub fn took_ms(&self, share: f64, wanted: impl Fn(Asked) -> bool) -> Option<f64> {
        let of = self.samples.iter().filter(|sample| wanted(sample.asked));
        let mut times: Vec<Duration> = of.map(|sample| sample.took).collect();
        times.sort_unstable();
        let at = (share * times.len().saturating_sub(1) as f64).round() as usize;
        times.get(at).map(|took| took.as_secs_f64() * 1000.0)
    }

    /// The longest time without an answer to a get. Units: milliseconds.
    #[must_use]
    pub fn longest_silence_ms(&self) -> i64 {
        let gets = self.samples.iter().filter(|s| matches!(s.asked, Asked::Hit | Asked::Miss));
        let times: Vec<i64> = gets.map(|sample| sample.at_ms).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(i64::MAX)
    }
}
