//! The thread that takes reports, and the handle through which they are asked for.

use super::policy::{Cooling, Declined, Order};
use super::shelf::{ReportShelf, ShelfCounts};
use super::take::{Doing, Taker};
use crate::clock::{Clock, Stamp};
use crate::config::ReportsConfig;
use crate::target::{ProcessId, Target};
use crate::view::{ReportState, ReportSummary};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// Reports that may wait for their turn.
pub const QUEUE_MAX: usize = 8;
/// Outcomes that nobody has fetched yet; the oldest is dropped beyond it.
const OUTCOMES_MAX: usize = 64;
/// How often the old ones are looked for while nothing else is to be done.
const PRUNE_EVERY: Duration = Duration::from_secs(20);

/// What the keeper needs to know.
#[derive(Debug)]
pub struct ReportsParams {
    /// The state directory; None: the newest few are kept in memory.
    pub dir: Option<PathBuf>,
    pub config: ReportsConfig,
    pub clock: Clock,
}

/// A report that was taken up.
#[derive(Debug)]
pub struct Ticket {
    pub id: String,
    /// Comes when it is finished or refused.
    pub done: oneshot::Receiver<ReportSummary>,
}

/// What came of one report, for the sampler.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub process: ProcessId,
    pub summary: ReportSummary,
}

/// What the keeper counted since the agent started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReportCounts {
    /// By level.
    pub taken: [u64; 3],
    pub refused: u64,
    /// Orders that were not taken up: too many, or too soon.
    pub declined: u64,
    pub seconds: f64,
    pub pause_seconds: f64,
    pub outcomes_dropped: u64,
    pub shelf: ShelfCounts,
}

struct Job {
    id: String,
    order: Order,
    done: oneshot::Sender<ReportSummary>,
}

/// The keeper of heap reports.
#[derive(Debug)]
pub struct Reports {
    config: ReportsConfig,
    clock: Clock,
    shelf: ReportShelf,
    asked: Mutex<Asked>,
    told: Mutex<Told>,
    alive: AtomicBool,
}

/// Notes the end of the thread, however it comes.
struct Alive(Arc<Reports>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.store(false, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Asked {
    /// None once the agent ends.
    jobs: Option<SyncSender<Box<Job>>>,
    cooling: Cooling,
}

#[derive(Debug, Default)]
struct Told {
    outcomes: VecDeque<Outcome>,
    counts: ReportCounts,
}

impl Reports {
    /// Opens the shelf and starts the thread. Returns notes on files that could not be read.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(params: ReportsParams, taker: Taker) -> io::Result<(Arc<Self>, Vec<String>)> {
        let ReportsParams { dir, config, clock } = params;
        let now_ms = clock.unix_ms(clock.now());
        let (shelf, notes) = ReportShelf::open(dir, config.clone(), now_ms);
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        let asked = Asked { jobs: Some(jobs), cooling: Cooling::default() };
        let reports = Arc::new(Self {
            config,
            clock,
            shelf,
            asked: Mutex::new(asked),
            told: Mutex::default(),
            alive: AtomicBool::new(true),
        });
        let own = Alive(Arc::clone(&reports));
        std::thread::Builder::new()
            .name("plimsoll-report".into())
            .spawn(move || own.0.work(&queue, &taker))?;
        Ok((reports, notes))
    }

    #[must_use]
    pub const fn config(&self) -> &ReportsConfig {
        &self.config
    }

    #[must_use]
    pub const fn shelf(&self) -> &ReportShelf {
        &self.shelf
    }

    /// Takes up an order without waiting for it.
    ///
    /// # Errors
    /// Why it is not taken up.
    pub fn order(&self, order: Order) -> Result<Ticket, Declined> {
        let now = self.clock.now();
        let taken_up = self.try_order(order, now);
        if taken_up.is_err() {
            self.told.lock().counts.declined += 1;
        }
        taken_up
    }

    fn try_order(&self, order: Order, now: Stamp) -> Result<Ticket, Declined> {
        let mut asked = self.asked.lock();
        asked.cooling.check(&order, &self.config, now)?;
        let summary = ReportSummary {
            at: self.clock.rfc3339(now),
            target: Target::Process(order.process).to_string(),
            pid: order.process.pid,
            comm: order.comm.clone(),
            level: order.level,
            asked_by: order.asked_by,
            peer: order.peer.clone(),
            stage: order.stage,
            doing: Some("waits for its turn".to_owned()),
            ..ReportSummary::default()
        };
        let id = self.shelf.begin(summary, self.clock.unix_ms(now));
        let (done, finished) = oneshot::channel();
        let job = Box::new(Job { id: id.clone(), order: order.clone(), done });
        let sent = asked.jobs.as_ref().map(|jobs| jobs.try_send(job));
        match sent {
            Some(Ok(())) => {
                asked.cooling.note(&order, self.config.cooldown, now);
                Ok(Ticket { id, done: finished })
            }
            refused => {
                self.shelf.forget(&id);
                let full = matches!(refused, Some(Err(TrySendError::Full(_))));
                Err(if full { Declined::Busy } else { Declined::Ended })
            }
        }
    }

    /// Whether reports are still taken.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    /// The next report that was finished or refused, if there is one.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.told.lock().outcomes.pop_front()
    }

    #[must_use]
    pub fn counts(&self) -> ReportCounts {
        ReportCounts { shelf: self.shelf.counts(), ..self.told.lock().counts }
    }

    /// Lets the thread end after the report that it is taking. Does not wait for it: if it pauses a
    /// process just then, the kernel lets that go with the agent's end.
    pub fn stop(&self) {
        self.asked.lock().jobs = None;
    }

    fn work(&self, jobs: &Receiver<Box<Job>>, taker: &Taker) {
        loop {
            match jobs.recv_timeout(PRUNE_EVERY) {
                Ok(job) => self.take(*job, taker),
                Err(RecvTimeoutError::Timeout) => {
                    self.shelf.prune(self.clock.unix_ms(self.clock.now()));
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(&self, job: Job, taker: &Taker) {
        let Job { id, order, done } = job;
        if order.level > 0 {
            audit_begin(&id, &order);
        }
        let began = self.clock.now();
        let doing: Doing<'_> = &|what| self.shelf.doing(&id, what);
        // What is read is another process's memory, garbage included: a fault in reading it is a
        // report that could not be had, not the end of reports.
        let before = || self.shelf.newest_of(order.process);
        let taken = catch_unwind(AssertUnwindSafe(|| taker(&order, before().as_deref(), doing)));
        let now = self.clock.now();
        let took = now.since(began);
        let summary = match taken {
            Ok(Ok(report)) => self.shelf.put(&id, report, self.clock.unix_ms(now)),
            Ok(Err(refusal)) => self.shelf.refuse(&id, refusal.to_string()),
            Err(_) => self.shelf.refuse(&id, "the agent failed at it; its log says more".into()),
        };
        let Some(summary) = summary else { return };
        audit_end(&summary, took);
        self.tell(Outcome { process: order.process, summary: summary.clone() }, took);
        // Whoever asked may have gone.
        let _ = done.send(summary);
    }

    fn tell(&self, outcome: Outcome, took: Duration) {
        let mut told = self.told.lock();
        let counts = &mut told.counts;
        counts.seconds += took.as_secs_f64();
        let pause_us = outcome.summary.pause_us.unwrap_or(0);
        counts.pause_seconds += Duration::from_micros(pause_us).as_secs_f64();
        if outcome.summary.state == ReportState::Ready {
            counts.taken[usize::from(outcome.summary.level.min(2))] += 1;
        } else {
            counts.refused += 1;
        }
        if told.outcomes.len() >= OUTCOMES_MAX {
            told.outcomes.pop_front();
            told.counts.outcomes_dropped += 1;
        }
        told.outcomes.push_back(outcome);
    }
}

fn audit_begin(id: &str, order: &Order) {
    tracing::info!(
        id,
        target_process = %Target::Process(order.process),
        level = order.level,
        asked_by = ?order.asked_by,
        peer = order.peer.as_deref().unwrap_or("-"),
        max_pause_ms = u64::try_from(order.max_pause.as_millis()).unwrap_or(u64::MAX),
        "audit: a heap report that touches its process begins"
    );
}

fn audit_end(summary: &ReportSummary, took: Duration) {
    tracing::info!(
        id = summary.id,
        target_process = summary.target,
        comm = crate::alert::plain(summary.comm.as_deref().unwrap_or("-")),
        level = summary.level,
        asked_by = ?summary.asked_by,
        peer = summary.peer.as_deref().unwrap_or("-"),
        pause_us = summary.pause_us.unwrap_or(0),
        took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        state = ?summary.state,
        why = crate::alert::plain(summary.why.as_deref().unwrap_or("-")),
        "audit: heap report"
    );
}

#[cfg(test)]
mod tests;
