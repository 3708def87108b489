//! The sampler's thread: what is done how often, and the start and end of it.

use super::budget::Shedder;
use super::deep::Deep;
use super::discovery::Discovery;
use super::senses::{MESSAGES_MAX, Message, Senses};
use super::state::State;
use super::sweep::{Readers, sweep};
use super::wheel::{Due, Tick};
use super::witnesses::Witnesses;
use super::{inside, judging, naming, pressing};
use crate::clock::Stamp;
use crate::history::persist::Journal;
use crate::recorder::Writer;
use crate::sources::Roots;
use crate::sources::bpf::OomMarks;
use crate::sources::node::read_slow;
use crate::sources::oom::{OomKill, OomLog};
use crate::view::SourceState;
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// The sampler wakes at least this often, to hear process events before the kernel's queue fills.
const SLEEP_MAX: Duration = Duration::from_millis(500);
/// A wall clock that moved by more than this between two flushes was set, not steered.
const CLOCK_STEP_MS: i64 = 1000;
/// How often it is chosen anew which cgroups the senses listen to.
const PLAN_EVERY: Duration = Duration::from_secs(2);
/// Readings made under one hold of the lock.
const BATCH: usize = 512;

/// Something that is done again and again.
#[derive(Debug)]
pub(super) struct Periodic {
    every: Duration,
    next: Stamp,
}

impl Periodic {
    const fn new(every: Duration, first: Stamp) -> Self {
        Self { every, next: first }
    }

    pub(super) fn due(&mut self, now: Stamp) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now.plus(self.every);
        }
        due
    }

    /// Makes it due at the next turn.
    pub(super) const fn hasten(&mut self, now: Stamp) {
        self.next = now;
    }
}

#[derive(Debug)]
pub(super) struct Timetable {
    pub(super) quick: Periodic,
    pub(super) slow: Periodic,
    pub(super) walk: Periodic,
    pub(super) rescan: Periodic,
    pub(super) second: Periodic,
    pub(super) account: Periodic,
    pub(super) pss: Periodic,
    pub(super) flush: Periodic,
    pub(super) expire: Periodic,
    pub(super) plan: Periodic,
}

/// Everything the thread owns; what the API may see is in the shared [`State`].
#[derive(Debug)]
pub struct Sampler {
    pub state: Arc<Mutex<State>>,
    pub roots: Roots,
    pub discovery: Discovery,
    pub deep: Deep,
    pub oom_log: Option<OomLog>,
    /// Victims of the OOM killer by BPF, where the kernel lets us.
    pub oom_marks: Option<OomMarks>,
    pub journal: Option<Journal>,
    pub black_box: Writer,
    /// From where on the kernel log is this state directory's business, on the monotonic clock.
    pub heard_from: Stamp,
    pub page_size: crate::units::Bytes,
}

/// Ends the sampler when told to; the last flush is done when [`SamplerHandle::stop`] returns.
#[derive(Debug)]
pub struct SamplerHandle {
    stop: SyncSender<Message>,
    thread: std::thread::JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl SamplerHandle {
    /// Comes when the thread is no more, though nobody stopped it: it panicked. An agent that goes
    /// on answering from what was read last would be worse than none.
    pub async fn ended(&mut self) {
        // The sender is never used: that it is dropped is the message.
        let _ = (&mut self.ended).await;
    }

    pub fn stop(self) {
        // Either call fails only if the thread is gone already.
        let _ = self.stop.send(Message::Stop);
        let _ = self.thread.join();
    }
}

/// Starts the thread.
///
/// # Errors
/// When the thread cannot be made.
pub fn start(sampler: Sampler) -> std::io::Result<SamplerHandle> {
    let (stop, messages) = sync_channel(MESSAGES_MAX);
    let senses = start_senses(&sampler, &stop);
    let (alive, ended) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("plimsoll-sampler".into())
        .stack_size(512 * 1024)
        .spawn(move || {
            let _alive: oneshot::Sender<()> = alive;
            Run::new(sampler, senses).until(&messages);
        })?;
    Ok(SamplerHandle { stop, thread, ended })
}

/// The early senses, unless they are switched off or cannot be had.
fn start_senses(sampler: &Sampler, to: &SyncSender<Message>) -> Option<Senses> {
    let mut state = sampler.state.lock();
    if state.senses.most == 0 {
        state.health.off("senses", "sampling.senses_max = 0, or too few descriptors");
        return None;
    }
    let layout = state.cgroup_layout.clone();
    match Senses::start(sampler.roots.clone(), layout, state.clock, to.clone()) {
        Ok(senses) => Some(senses),
        Err(why) => {
            state.health.degraded("senses", "nothing", why.to_string());
            None
        }
    }
}

pub(super) struct Run {
    pub(super) sampler: Sampler,
    pub(super) senses: Option<Senses>,
    pub(super) timetable: Timetable,
    pub(super) readers: Readers,
    pub(super) shedder: Shedder,
    due: Vec<(Tick, Due)>,
    pub(super) paths: Vec<Arc<str>>,
    pub(super) kills: Vec<OomKill>,
    pub(super) witnesses: Witnesses,
    pub(super) cpu_before: Duration,
    pub(super) observed_at: Stamp,
    pub(super) pss_next: u32,
    pub(super) deep_since: Option<Stamp>,
    pub(super) checkpoint_at: Option<Stamp>,
    /// The kernel refused to show some process's `smaps_rollup`.
    pub(super) smaps_denied: bool,
    pub(super) vmstat_kills: Option<u64>,
    /// Where that counter stood when the kernel log was last looked at.
    pub(super) kills_heard: Option<u64>,
}

impl Run {
    fn new(sampler: Sampler, senses: Option<Senses>) -> Self {
        let state = sampler.state.lock();
        let now = state.clock.now();
        let config = &state.config;
        let rescan = if sampler.discovery.hears_events() {
            config.sampling.rescan_interval
        } else {
            config.sampling.rescan_interval.min(Duration::from_secs(5))
        };
        let timetable = Timetable {
            quick: Periodic::new(Duration::from_secs(1), now),
            slow: Periodic::new(Duration::from_secs(60), now.plus(Duration::from_millis(500))),
            walk: Periodic::new(Duration::from_secs(10), now),
            rescan: Periodic::new(rescan, now),
            second: Periodic::new(Duration::from_secs(1), now),
            account: Periodic::new(Duration::from_secs(5), now),
            pss: Periodic::new(Duration::from_secs(1), now.plus(Duration::from_secs(5))),
            flush: Periodic::new(
                config.history.flush_interval,
                now.plus(config.history.flush_interval),
            ),
            expire: Periodic::new(Duration::from_secs(60), now),
            plan: Periodic::new(PLAN_EVERY, now.plus(Duration::from_secs(1))),
        };
        let shedder = Shedder::new(config.sampling.cpu_budget);
        let page_size = sampler.page_size;
        let marks_by = sampler.oom_marks.as_ref().map(OomMarks::how);
        let witnesses = Witnesses::new(marks_by, sampler.oom_log.is_some());
        drop(state);
        Self {
            sampler,
            senses,
            timetable,
            readers: Readers { page_size, buffer: Vec::with_capacity(8192) },
            shedder,
            due: Vec::new(),
            paths: Vec::new(),
            kills: Vec::new(),
            witnesses,
            cpu_before: thread_cpu(),
            observed_at: now,
            pss_next: 0,
            deep_since: None,
            checkpoint_at: None,
            smaps_denied: false,
            vmstat_kills: None,
            kills_heard: None,
        }
    }

    fn until(mut self, messages: &Receiver<Message>) {
        loop {
            let wait = self.tick();
            let first = match messages.recv_timeout(wait) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let waiting = messages.try_iter().take(MESSAGES_MAX);
            if std::iter::once(first).chain(waiting).any(|message| self.heed(message)) {
                break;
            }
        }
        // Before the last flush: whoever speaks now speaks to nobody.
        self.senses = None;
        if let Some(reports) = &self.sampler.state.lock().reports {
            reports.stop();
        }
        let shared = Arc::clone(&self.sampler.state);
        let mut state = shared.lock();
        let now = state.clock.now();
        self.flush(&mut state, now);
        self.checkpoint_at = None;
        self.checkpoint(&mut state, now);
        self.dispatch(&mut state, now);
    }

    /// One turn; returns how long there is nothing to do.
    fn tick(&mut self) -> Duration {
        let shared = Arc::clone(&self.sampler.state);
        let mut state = shared.lock();
        let now = state.clock.now();
        self.discover(&mut state, now);
        let more = self.sampler.discovery.admit(&mut state, now);
        self.due.clear();
        state.wheel.take_due(now, &mut self.due);
        for batch in self.due.chunks(BATCH) {
            sweep(&mut state, &self.sampler.roots, &mut self.readers, batch, now);
            parking_lot::MutexGuard::bump(&mut state);
        }
        self.hear_answers(&mut state, now);
        self.ask_cmdlines(&state);
        self.periodic(&mut state, now);
        self.note_ready(&mut state, more);
        let after = state.clock.now();
        state.counters.sampler_lag = after.since(now);
        if more || self.sampler.discovery.behind {
            Duration::ZERO
        } else {
            let most = state.pressure.pause().unwrap_or(SLEEP_MAX);
            state.wheel.idle_for(after, SLEEP_MAX).min(most)
        }
    }

    fn periodic(&mut self, state: &mut State, now: Stamp) {
        let since = now.since(state.node.track.read_at);
        let hurried = state.pressure.node_interval().is_some_and(|interval| since >= interval);
        if self.timetable.quick.due(now) || hurried {
            self.read_node(state, now);
        }
        if self.timetable.slow.due(now) {
            state.node.slow = Some(read_slow(&self.sampler.roots));
        }
        if self.timetable.second.due(now) {
            self.hear_kills(state, now);
            super::incidents::aftermath(state, now);
            self.record(state, now);
            self.incident_health(state);
            inside::hear(state, now);
            naming::second(state, now);
            self.expire_alerts(state, now);
            pressing::second(state, now);
            Self::descriptor_health(state);
        }
        if state.pressure.engine().is_waiting() {
            pressing::hear(state, now);
        }
        if self.timetable.plan.due(now) {
            self.plan_senses(state);
        }
        if self.timetable.account.due(now) {
            self.account(state, now);
        }
        if self.timetable.pss.due(now) {
            self.ask_smaps(state, now);
        }
        if self.timetable.flush.due(now) {
            let step_ms = state.clock.resync();
            if step_ms.abs() > CLOCK_STEP_MS {
                tracing::info!(step_ms, "the wall clock stepped; history is not touched by it");
            }
            self.flush(state, now);
            self.checkpoint(state, now);
        }
        self.dispatch(state, now);
        if self.timetable.expire.due(now) {
            for target in state.workloads.expire(now, &mut state.history) {
                judging::ended(state, &target, now);
            }
            state.processes.forget_names();
        }
    }

    fn note_ready(&mut self, state: &mut State, more: bool) {
        let unlisted = state.health.state("process") == Some(SourceState::Unavailable);
        if state.ready_at.is_some() || more || unlisted {
            return;
        }
        let unread = state
            .processes
            .iter()
            .any(|(_, p)| p.track.split.used.0 == 0 && p.track.due == Tick(0));
        if !unread {
            // `now` is when this round began; a first round may take a while.
            let ready = state.clock.now();
            state.ready_at = Some(ready);
            super::rounds::process_health(state, self.sampler.discovery.take_refused());
            tracing::info!(
                processes = state.processes.len(),
                cgroups = state.cgroups.len(),
                after_ms =
                    u64::try_from(ready.since(state.started).as_millis()).unwrap_or(u64::MAX),
                "first sweep complete"
            );
        }
    }
}

pub(super) fn thread_cpu() -> Duration {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_nsec).unwrap_or(0))
}
