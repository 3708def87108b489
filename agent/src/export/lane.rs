//! One signal on its way: its queue on disk, and the thread that sends what is in it, in order.
//!
//! A request stays in the queue until the collector took it; what it refuses for good is dropped
//! and counted, for nothing else is given up but by the queue's own bounds.

use super::Signal;
use super::otlp::{Client, Outcome};
use crate::clock::{Clock, Stamp};
use crate::config::ExportConfig;
use crate::route::backoff::{Dice, wait};
use crate::spool::{Dropped, Kind, Limits, Spool};
use crate::view::LaneView;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// How often the thread looks up although nobody called.
const IDLE: Duration = Duration::from_secs(60);
/// How long what waits is still sent after the agent was told to end.
pub(super) const GRACE: Duration = Duration::from_secs(3);

const KIND: Kind = Kind {
    ending: "otlp",
    magic: "plimsoll-otlp-1",
    entries_max: 20_000,
    entry_bytes_max: 4 << 20,
    held_bytes_max: 4 << 20,
};

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) signal: Signal,
    client: Client,
    state: Mutex<Inner>,
    called: Condvar,
}

#[derive(Debug)]
struct Inner {
    queue: Spool,
    view: LaneView,
    dropped: BTreeMap<Dropped, u64>,
    /// Until when it may still send.
    stopping: Option<Stamp>,
    /// Attempts that failed in a row.
    failures: u32,
    next_attempt: Option<Stamp>,
}

impl Lane {
    pub(super) fn new(
        signal: Signal,
        config: &Arc<ExportConfig>,
        state_dir: Option<&Path>,
    ) -> Self {
        let limits = Limits { bytes_max: config.queue_size_max.0, age_max: config.queue_age_max };
        let dir = state_dir.map(|top| top.join("export").join(signal.name()));
        let client = Client::new(signal, Arc::clone(config));
        let view = LaneView {
            signal: signal.name().to_owned(),
            endpoint: client.endpoint(),
            ..LaneView::default()
        };
        let state = Mutex::new(Inner {
            queue: Spool::open(KIND, dir, limits),
            view,
            dropped: BTreeMap::new(),
            stopping: None,
            failures: 0,
            next_attempt: None,
        });
        Self { signal, client, state, called: Condvar::new() }
    }

    /// Queues a request. Waits for the disk.
    pub(super) fn push(&self, request: &[u8], now_ms: i64) {
        let mut state = self.state.lock();
        if !state.queue.push(request, now_ms) {
            tracing::warn!(
                signal = self.signal.name(),
                why = state.queue.trouble,
                "the export's queue cannot be written: a restart would lose what waits"
            );
        }
        state.count_dropped();
        drop(state);
        self.called.notify_all();
    }

    pub(super) fn stop(&self, now: Stamp) {
        self.state.lock().stopping = Some(now.plus(GRACE));
        self.called.notify_all();
    }

    pub(super) fn view(&self) -> LaneView {
        let state = self.state.lock();
        LaneView {
            dropped_total: state
                .dropped
                .iter()
                .map(|(why, count)| (why.name().to_owned(), *count))
                .collect(),
            queued: state.queue.len(),
            queued_bytes: state.queue.bytes(),
            not_on_disk: state.queue.trouble.clone(),
            ..state.view.clone()
        }
    }

    /// Starts its thread, which holds `alive` for as long as it runs.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub(super) fn start(self: &Arc<Self>, clock: Clock, alive: Sender<()>) -> std::io::Result<()> {
        let own = Arc::clone(self);
        std::thread::Builder::new()
            .name(format!("otlp-{}", self.signal.name()))
            .stack_size(512 * 1024)
            .spawn(move || {
                let _alive = alive;
                own.run(clock);
            })
            .map(drop)
    }

    fn run(&self, mut clock: Clock) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(why) => {
                tracing::error!(%why, signal = self.signal.name(), "nothing can be exported");
                self.state.lock().view.failing = Some(why.to_string());
                return;
            }
        };
        let mut dice = Dice(clock.now().0.unsigned_abs() ^ self.signal as u64);
        loop {
            clock.resync();
            let Some((seq, request)) = self.next(clock) else { return };
            let unix_s = clock.unix_ms(clock.now()) / 1000;
            let outcome = runtime.block_on(self.client.send(&request, unix_s));
            let now = clock.now();
            self.state.lock().settle(seq, request.len(), outcome, clock, now, dice.roll());
        }
    }

    /// Waits for the next request and its time; None when it is to stop.
    fn next(&self, clock: Clock) -> Option<(u64, Vec<u8>)> {
        let mut state = self.state.lock();
        loop {
            let now = clock.now();
            let ending = state.stopping.is_some();
            if ending && (state.failures > 0 || state.stopping.is_some_and(|until| now >= until)) {
                return None;
            }
            let idle = match state.next_attempt {
                Some(at) if at > now => at.since(now),
                _ => {
                    let first = state.queue.first(clock.unix_ms(now));
                    state.count_dropped();
                    match first {
                        Some(first) => return Some(first),
                        None if ending => return None,
                        None => IDLE,
                    }
                }
            };
            self.called.wait_for(&mut state, idle.min(IDLE));
        }
    }
}

impl Inner {
    fn settle(
        &mut self,
        seq: u64,
        bytes: usize,
        outcome: Outcome,
        clock: Clock,
        now: Stamp,
        dice: f64,
    ) {
        let signal = self.view.signal.clone();
        match outcome {
            Outcome::Delivered { rejected, why } => {
                self.queue.remove(seq, None);
                self.view.sent_total += 1;
                self.view.sent_bytes_total += bytes as u64;
                self.view.rejected_total += rejected;
                self.view.last_sent_at = Some(clock.rfc3339(now));
                if let Some(why) = why {
                    tracing::warn!(signal, rejected, why, "the collector did not take all of it");
                }
                if self.view.failing.take().is_some() {
                    tracing::info!(signal, "the collector takes what is exported again");
                }
                (self.failures, self.next_attempt) = (0, None);
            }
            Outcome::Refused { why } => {
                if self.view.failing.is_none() {
                    tracing::error!(signal, why, "the collector refused a request: it is dropped");
                }
                self.view.failed_total += 1;
                self.queue.remove(seq, Some(Dropped::Refused));
                self.view.failing = Some(why);
                (self.failures, self.next_attempt) = (0, None);
            }
            Outcome::Failed { why, after } => {
                self.view.failed_total += 1;
                self.failures = self.failures.saturating_add(1);
                self.next_attempt = Some(now.plus(wait(self.failures, after, dice)));
                if self.view.failing.is_none() {
                    tracing::warn!(signal, why, "nothing could be exported; it waits on disk");
                }
                self.view.failing = Some(why);
            }
        }
        self.count_dropped();
    }

    fn count_dropped(&mut self) {
        for why in self.queue.take_dropped() {
            let count = self.dropped.entry(why).or_default();
            *count += 1;
            // The first of a kind is told; the metric counts the others.
            if *count == 1 && why != Dropped::Refused {
                let signal = &self.view.signal;
                tracing::error!(signal, why = why.name(), "an export was dropped");
            }
        }
    }
}
