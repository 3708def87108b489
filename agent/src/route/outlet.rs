//! Delivery to one destination: takes its queue's first notice, sends it, and goes on when it was
//! taken. A thread for each, so that one that is slow or dead holds up nobody else.

use super::backoff::{Dice, wait};
use super::notice::{Notice, Reason, Status, ToldAlert};
use super::queue::{Dropped, Limits, Queue};
use super::send::{Outcome, Sender};
use crate::clock::{Clock, Stamp};
use crate::config::{DestinationConfig, DestinationKind};
use crate::view::{DeliveryView, DestinationView};
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender as Alive;
use std::time::Duration;

/// How often a thread looks up although nobody called.
const IDLE: Duration = Duration::from_secs(60);
/// Attempts that are remembered for who asks; the oldest give way.
const DELIVERIES_MAX: usize = 64;

/// A destination, or one instance of it.
#[derive(Debug)]
pub struct Outlet {
    /// As metrics and health call it.
    pub label: String,
    sender: Sender,
    state: Mutex<Inner>,
    called: Condvar,
}

#[derive(Debug)]
struct Inner {
    queue: Queue,
    stopping: bool,
    sent_total: u64,
    failed_total: u64,
    dropped_total: BTreeMap<Dropped, u64>,
    last_sent: Option<String>,
    failing: Option<String>,
    /// Attempts that failed in a row.
    failures: u32,
    next_attempt: Option<Stamp>,
    /// Attempts that nobody has asked for yet, newest last.
    deliveries: VecDeque<DeliveryView>,
}

impl Outlet {
    /// All outlets of a destination. Their queues are below `state_dir`, if there is one.
    #[must_use]
    pub fn of(config: &DestinationConfig, state_dir: Option<&Path>) -> Vec<Arc<Self>> {
        let instances = config.urls.len().max(1);
        let outlet = |instance: usize| {
            let label = label_of(config, instance);
            let dir = label.replace('/', ".");
            let limits =
                Limits { bytes_max: config.queue_size_max.0, age_max: config.queue_age_max };
            let queue = Queue::open(state_dir.map(|top| top.join("outbox").join(dir)), limits);
            let inner = Inner {
                queue,
                stopping: false,
                sent_total: 0,
                failed_total: 0,
                dropped_total: BTreeMap::new(),
                last_sent: None,
                failing: None,
                failures: 0,
                next_attempt: None,
                deliveries: VecDeque::new(),
            };
            Arc::new(Self {
                label,
                sender: Sender::new(config.clone(), instance),
                state: Mutex::new(inner),
                called: Condvar::new(),
            })
        };
        (0..instances).map(outlet).collect()
    }

    /// The name that routes know it by.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.sender.config().name
    }

    /// Queues a notice, without what this destination does not want to hear.
    pub fn tell(&self, notice: &Notice, now_ms: i64) {
        let Some(notice) = wanted(self.sender.config(), notice) else { return };
        let mut state = self.state.lock();
        // What still fires is said anew when it is said: one such notice in the queue is enough.
        if notice.reason == Reason::Repeated
            && self.sender.config().kind == DestinationKind::Alertmanager
            && !state.queue.is_empty()
        {
            return;
        }
        if !state.queue.push(&notice, now_ms) {
            tracing::warn!(
                destination = self.label,
                why = state.queue.trouble(),
                "the queue cannot be written: a restart would lose what waits"
            );
        }
        state.count_dropped(&self.label);
        drop(state);
        self.called.notify_all();
    }

    pub fn stop(&self) {
        self.state.lock().stopping = true;
        self.called.notify_all();
    }

    #[must_use]
    pub fn view(&self) -> DestinationView {
        let state = self.state.lock();
        let dropped = state.dropped_total.iter();
        DestinationView {
            name: self.label.clone(),
            kind: self.sender.config().kind.name().to_owned(),
            sent_total: state.sent_total,
            failed_total: state.failed_total,
            dropped_total: dropped.map(|(why, n)| (why.name().to_owned(), *n)).collect(),
            queued: state.queue.len(),
            queued_bytes: state.queue.bytes(),
            last_sent_at: state.last_sent.clone(),
            failing: state.failing.clone(),
            not_on_disk: state.queue.trouble().cloned(),
        }
    }

    /// Attempts since this was last asked, as far as they are remembered.
    pub fn take_deliveries(&self) -> Vec<DeliveryView> {
        self.state.lock().deliveries.drain(..).collect()
    }

    /// Starts its thread, which holds `alive` for as long as it runs.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(self: &Arc<Self>, clock: Clock, alive: Alive<()>) -> std::io::Result<()> {
        let own = Arc::clone(self);
        std::thread::Builder::new()
            .name(format!("to-{}", self.label).chars().take(15).collect())
            .stack_size(512 * 1024)
            .spawn(move || {
                let _alive: Alive<()> = alive;
                own.run(clock);
            })
            .map(drop)
    }

    fn run(&self, mut clock: Clock) {
        let seed = crc32fast::hash(self.label.as_bytes());
        let mut dice = Dice(u64::from(seed) ^ clock.now().0.unsigned_abs());
        loop {
            clock.resync();
            let Some((seq, notice)) = self.next(clock) else { return };
            let began_ms = clock.unix_ms(clock.now());
            let outcome = self.sender.send(&notice, began_ms);
            let mut state = self.state.lock();
            let now = clock.now();
            if state.deliveries.len() == DELIVERIES_MAX {
                state.deliveries.pop_front();
            }
            state.deliveries.push_back(DeliveryView {
                destination: self.label.clone(),
                notice: notice.id.clone(),
                began_ms,
                ended_ms: clock.unix_ms(now),
                failed: outcome.failure().map(str::to_owned),
            });
            state.settle(&self.label, seq, outcome, now, clock, dice.roll());
        }
    }

    /// Waits for the next notice and its time; None when it is to stop.
    fn next(&self, clock: Clock) -> Option<(u64, Notice)> {
        let mut state = self.state.lock();
        loop {
            if state.stopping {
                return None;
            }
            let now = clock.now();
            let idle = match state.next_attempt {
                Some(at) if at > now => at.since(now),
                _ => {
                    let first = state.queue.first(clock.unix_ms(now));
                    state.count_dropped(&self.label);
                    match first {
                        Some(first) => return Some(first),
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
        label: &str,
        seq: u64,
        outcome: Outcome,
        now: Stamp,
        clock: Clock,
        dice: f64,
    ) {
        let recovered = || tracing::info!(destination = label, "the destination answers again");
        match outcome {
            Outcome::Delivered(_) => {
                self.queue.remove(seq, None);
                self.sent_total += 1;
                self.last_sent = Some(clock.rfc3339(now));
                if self.failing.take().is_some() {
                    recovered();
                }
                (self.failures, self.next_attempt) = (0, None);
            }
            Outcome::Refused { why } => {
                tracing::error!(destination = label, why, "a notice was refused and is dropped");
                self.failed_total += 1;
                self.queue.remove(seq, Some(Dropped::Refused));
                self.failing = Some(why);
                (self.failures, self.next_attempt) = (0, None);
            }
            Outcome::Failed { why, after } => {
                self.failed_total += 1;
                self.failures = self.failures.saturating_add(1);
                let pause = wait(self.failures, after, dice);
                self.next_attempt = Some(now.plus(pause));
                if self.failing.is_none() {
                    tracing::warn!(
                        destination = label,
                        why,
                        "a notice was not delivered; it is kept and tried again"
                    );
                }
                self.failing = Some(why);
            }
        }
        self.count_dropped(label);
    }

    fn count_dropped(&mut self, label: &str) {
        for why in self.queue.take_dropped() {
            let count = self.dropped_total.entry(why).or_default();
            *count += 1;
            // The first of a kind is told; the metric counts the others.
            if *count == 1 && why != Dropped::Refused {
                tracing::error!(destination = label, why = why.name(), "a notice was dropped");
            }
        }
    }
}

/// The notice as this destination wants it; None if nothing in it is for it.
fn wanted(config: &DestinationConfig, notice: &Notice) -> Option<Notice> {
    let mut notice = notice.clone();
    let alertmanager = config.kind == DestinationKind::Alertmanager;
    if !alertmanager {
        notice.alerts.retain(|alert| alert.change != super::notice::Change::Renamed);
    }
    if !alertmanager && !config.send_resolved {
        notice.alerts.retain(ToldAlert::fires);
    }
    if notice.status == Status::Resolved && !config.send_resolved && !alertmanager {
        return None;
    }
    (!notice.alerts.is_empty()).then_some(notice)
}

/// How one attempt went, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub label: String,
    /// The status of the answer, or what was wrong.
    pub outcome: Result<u16, String>,
}

/// Every instance of a destination by its label, and the host and port that it talks to, or what
/// keeps it from being used at all.
#[must_use]
pub fn outlook(config: &DestinationConfig) -> Vec<(String, Result<String, String>)> {
    let one = |at| (label_of(config, at), Sender::new(config.clone(), at).authority());
    (0..config.urls.len().max(1)).map(one).collect()
}

fn label_of(config: &DestinationConfig, instance: usize) -> String {
    if config.urls.len() > 1 {
        format!("{}/{}", config.name, instance + 1)
    } else {
        config.name.clone()
    }
}

/// Sends `notice` once to every instance of a destination, past its queue.
#[must_use]
pub fn attempt(config: &DestinationConfig, notice: &Notice, now_ms: i64) -> Vec<Attempt> {
    let one = |instance| {
        let sender = Sender::new(config.clone(), instance);
        let outcome = match sender.send(notice, now_ms) {
            Outcome::Delivered(status) => Ok(status),
            Outcome::Failed { why, .. } | Outcome::Refused { why } => Err(why),
        };
        let number =
            if config.urls.len() > 1 { format!("/{}", instance + 1) } else { String::new() };
        Attempt { label: format!("{}{number}", config.name), outcome }
    };
    (0..config.urls.len().max(1)).map(one).collect()
}

#[cfg(test)]
mod tests;
