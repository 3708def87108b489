//! The load generator: threads that hold many connections on epoll, as memtier does.
//!
//! *Closed*: each connection keeps as many requests under way as the pipeline is deep, and sends on
//! as answers come. *Paced*: requests are due at fixed instants; each latency counts from when the
//! request was due, not from when it could be sent, so that a stalled server is not asked less.

mod connection;
mod thread;

use super::histogram::Histogram;
use super::wire::Dialect;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How fast requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As fast as answers come, with so many under way on each connection.
    Closed { depth: usize },
    /// So many a second in all.
    Fixed { per_s: f64 },
}

/// Which requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Every key once, in order.
    Fill,
    /// One set for so many gets, of keys drawn evenly.
    Gets { for_each_set: u64 },
}

#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub address: SocketAddr,
    pub dialect: Dialect,
    pub connections: usize,
    pub threads: usize,
    pub pace: Pace,
    pub mix: Mix,
    pub keys: u64,
    pub value_len: usize,
    /// A fill ends by itself; this bounds it.
    pub lasts: Duration,
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub answered: u64,
    pub hits: u64,
    pub misses: u64,
    pub refused: u64,
    /// Connections that ended, or answered what was not asked.
    pub broken: u64,
    pub took: Duration,
    pub latencies: Histogram,
    /// What the first broken connection said.
    pub why: Option<String>,
}

impl Outcome {
    pub fn per_s(&self) -> f64 {
        self.answered as f64 / self.took.as_secs_f64()
    }

    fn merge(&mut self, other: Self) {
        self.answered += other.answered;
        self.hits += other.hits;
        self.misses += other.misses;
        self.refused += other.refused;
        self.broken += other.broken;
        self.took = self.took.max(other.took);
        self.latencies.merge(&other.latencies);
        self.why = self.why.take().or(other.why);
    }
}

/// Runs it to its end, or until `stops` is set.
pub fn run(load: &Load, stops: &AtomicBool) -> Result<Outcome, String> {
    let begun = Instant::now();
    let outcomes: Vec<Result<Outcome, String>> = std::thread::scope(|scope| {
        let start = |index| scope.spawn(move || thread::run(load, index, begun, stops));
        let threads: Vec<_> = (0..load.threads).map(start).collect();
        let ended = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err("a generator thread fell".to_owned()))
        };
        threads.into_iter().map(ended).collect()
    });
    let mut all = Outcome::default();
    for outcome in outcomes {
        all.merge(outcome?);
    }
    Ok(all)
}

/// The same to its end; an error if a connection broke.
pub fn run_whole(load: &Load) -> Result<Outcome, String> {
    let outcome = run(load, &AtomicBool::new(false))?;
    match &outcome.why {
        Some(why) => Err(format!("{} connections broke: {why}", outcome.broken)),
        None => Ok(outcome),
    }
}

/// Whether to go on.
fn is_over(load: &Load, begun: Instant, stops: &AtomicBool) -> bool {
    stops.load(Ordering::Relaxed) || begun.elapsed() >= load.lasts
}

#[cfg(test)]
mod tests;
