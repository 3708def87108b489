//! The sampler's thread: what is done how often, and the start and end of it.

use super::budget::{Shed, Shedder};
use super::deep::{Answer, Ask, Deep};
use super::discovery::Discovery;
use super::node;
use super::state::State;
use super::sweep::{Readers, enter_cgroup, sweep};
use super::wheel::{Due, Tick};
use super::judging;
use crate::clock::Stamp;
use crate::history::persist::Writer;
use crate::sources::node::{read_quick, read_slow};
use crate::sources::oom::{OomKill, OomLog};
use crate::sources::process::predicted_stall;
use crate::sources::{ReadError, Roots};
use crate::view::SourceState;
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// The sampler wakes at least this often, to hear process events before the kernel's queue fills.
const SLEEP_MAX: Duration = Duration::from_millis(500);
/// Readings made under one hold of the lock.
const BATCH: usize = 512;
/// Stall that the PSS sweep may cause to all targets together. Units: time per second of wall time.
const STALL_PER_SECOND: Duration = Duration::from_millis(2);
/// Processes below this hold nothing that PSS would tell.
const PSS_RSS_MIN: crate::units::Bytes = crate::units::Bytes::mib(8);

/// Something that is done again and again.
#[derive(Debug)]
struct Periodic {
    every: Duration,
    next: Stamp,
}

impl Periodic {
    const fn new(every: Duration, first: Stamp) -> Self {
        Self { every, next: first }
    }

    fn due(&mut self, now: Stamp) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now.plus(self.every);
        }
        due
    }
}

#[derive(Debug)]
struct Timetable {
    quick: Periodic,
    slow: Periodic,
    walk: Periodic,
    rescan: Periodic,
    second: Periodic,
    pss: Periodic,
    flush: Periodic,
    expire: Periodic,
}

/// Everything the thread owns; what the API may see is in the shared [`State`].
#[derive(Debug)]
pub struct Sampler {
    pub state: Arc<Mutex<State>>,
    pub roots: Roots,
    pub discovery: Discovery,
    pub deep: Deep,
    pub oom_log: Option<OomLog>,
    pub writer: Option<Writer>,
    pub page_size: crate::units::Bytes,
}

/// Ends the sampler when told to; the last flush is done when [`SamplerHandle::stop`] returns.
#[derive(Debug)]
pub struct SamplerHandle {
    stop: Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl SamplerHandle {
    pub fn stop(self) {
        // Either call fails only if the thread is gone already.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// Starts the thread.
///
/// # Errors
/// When the thread cannot be made.
pub fn start(sampler: Sampler) -> std::io::Result<SamplerHandle> {
    let (stop, stopped) = channel();
    let thread = std::thread::Builder::new()
        .name("plimsoll-sampler".into())
        .stack_size(512 * 1024)
        .spawn(move || Run::new(sampler).until(&stopped))?;
    Ok(SamplerHandle { stop, thread })
}

struct Run {
    sampler: Sampler,
    timetable: Timetable,
    readers: Readers,
    shedder: Shedder,
    due: Vec<(Tick, Due)>,
    paths: Vec<Arc<str>>,
    kills: Vec<OomKill>,
    frame: Vec<u8>,
    cpu_before: Duration,
    observed_at: Stamp,
    pss_next: u32,
    deep_since: Option<Stamp>,
    vmstat_kills: Option<u64>,
}

impl Run {
    fn new(sampler: Sampler) -> Self {
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
            pss: Periodic::new(Duration::from_secs(1), now.plus(Duration::from_secs(5))),
            flush: Periodic::new(
                config.history.flush_interval,
                now.plus(config.history.flush_interval),
            ),
            expire: Periodic::new(Duration::from_secs(60), now),
        };
        let shedder = Shedder::new(config.sampling.cpu_budget);
        let page_size = sampler.page_size;
        drop(state);
        Self {
            sampler,
            timetable,
            readers: Readers { page_size, buffer: Vec::with_capacity(8192) },
            shedder,
            due: Vec::new(),
            paths: Vec::new(),
            kills: Vec::new(),
            frame: Vec::new(),
            cpu_before: thread_cpu(),
            observed_at: now,
            pss_next: 0,
            deep_since: None,
            vmstat_kills: None,
        }
    }

    fn until(mut self, stopped: &Receiver<()>) {
        loop {
            let wait = self.tick();
            match stopped.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let shared = Arc::clone(&self.sampler.state);
        let mut state = shared.lock();
        let now = state.clock.now();
        self.flush(&mut state, now);
        if let Some(writer) = self.sampler.writer.take() {
            writer.finish();
        }
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
        self.note_ready(&mut state, more, now);
        let after = state.clock.now();
        state.counters.sampler_lag = after.since(now);
        if more { Duration::ZERO } else { state.wheel.idle_for(after, SLEEP_MAX) }
    }

    /// Cgroups first, so that a process finds the one it is in.
    fn discover(&mut self, state: &mut State, now: Stamp) {
        self.sampler.discovery.listen(state, now);
        let first = state.cgroups.is_empty();
        if self.timetable.walk.due(now) || first {
            self.walk_cgroups(state, now);
        }
        let wanted = self.sampler.discovery.take_rescan_wanted();
        if self.timetable.rescan.due(now) || wanted {
            match self.sampler.discovery.rescan(state, now) {
                Ok(()) => process_health(state),
                Err(e) => state.health.unavailable("process", e.to_string()),
            }
        }
    }

    fn walk_cgroups(&mut self, state: &mut State, now: Stamp) {
        let Some(layout) = state.cgroup_layout.clone() else { return };
        self.paths.clear();
        let room = state.config.sampling.cgroups_max;
        match layout.walk(room, &mut self.paths) {
            Ok(walked) if walked.truncated => state.health.degraded(
                "cgroup",
                layout.describe(),
                format!("more than {room} cgroups: raise sampling.cgroups_max"),
            ),
            Ok(_) => state.health.ok("cgroup", layout.describe()),
            Err(ReadError::Gone) => {}
            Err(e) => state.health.degraded("cgroup", layout.describe(), e.to_string()),
        }
        for path in &self.paths {
            if state.cgroups.find(path).is_none() {
                enter_cgroup(state, path, now);
            }
        }
    }

    fn periodic(&mut self, state: &mut State, now: Stamp) {
        if self.timetable.quick.due(now) {
            self.read_node(state, now);
        }
        if self.timetable.slow.due(now) {
            state.node.slow = Some(read_slow(&self.sampler.roots));
        }
        if self.timetable.second.due(now) {
            self.hear_kills(state, now);
            self.account(state, now);
            state.alerts.tick(now, state.clock);
        }
        if self.timetable.pss.due(now) {
            self.ask_smaps(state, now);
        }
        if self.timetable.flush.due(now) {
            state.clock.resync();
            self.flush(state, now);
        }
        if self.timetable.expire.due(now) {
            for target in state.workloads.expire(now, &mut state.history) {
                judging::ended(state, &target, now);
            }
            state.processes.forget_names();
        }
    }

    fn read_node(&mut self, state: &mut State, now: Stamp) {
        let quick = read_quick(&self.sampler.roots);
        state.counters.sampled("node", 1);
        node_health(state, &quick);
        if let Some(split) = node::split_of(&quick) {
            state.node.track.split = split;
            state.node.track.read_at = now;
            state.history.push(state.node.track.series, now, split);
        }
        let kills = quick.vmstat.as_ref().ok().and_then(|v| v.get("oom_kill"));
        state.node.quick = Some(quick);
        if self.sampler.oom_log.is_none() {
            judging::kills_counted(state, self.vmstat_kills, kills, now);
        }
        self.vmstat_kills = kills.or(self.vmstat_kills);
        let tick = state.wheel.tick_at(now);
        if state.node.track.judge_due <= tick {
            judging::judge_node(state, now);
        }
    }

    fn hear_kills(&mut self, state: &mut State, now: Stamp) {
        let Some(log) = &mut self.sampler.oom_log else { return };
        self.kills.clear();
        match log.drain(&mut self.kills) {
            Ok(drained) => state.counters.kernel_log_lost += drained.lost,
            Err(e) => state.health.degraded("oom_log", "counters only", e.to_string()),
        }
        for kill in self.kills.drain(..) {
            judging::killed(state, &kill, now);
        }
    }

    /// Holds the sampler's CPU time against its budget.
    fn account(&mut self, state: &mut State, now: Stamp) {
        let cpu = thread_cpu();
        let used = cpu.saturating_sub(self.cpu_before);
        let ready = state.ready_at.is_some();
        // The first sweep reads everything at once and is not held against the budget.
        if ready {
            let shed = self.shedder.observe(used, now.since(self.observed_at));
            let share = self.shedder.last_share() * 100.0;
            match shed {
                Shed::Began => state.health.degraded(
                    "cpu_budget",
                    "the least urgent targets less often",
                    format!("sampling took {share:.1} % of a core; raise sampling.cpu_budget"),
                ),
                Shed::Ended => state.health.ok("cpu_budget", "all targets at their own pace"),
                Shed::Unchanged => {}
            }
        }
        self.cpu_before = cpu;
        self.observed_at = now;
        state.counters.sampler_cpu = cpu;
        state.counters.shed_factor = self.shedder.factor();
    }

    fn flush(&mut self, state: &mut State, now: Stamp) {
        let Some(writer) = &mut self.sampler.writer else { return };
        self.frame.clear();
        writer.encode(&mut state.history, now, state.clock.unix_ms(now), &mut self.frame);
        writer.submit(std::mem::take(&mut self.frame));
        state.counters.flush_failures = writer.failures();
        match writer.health() {
            None => state.health.ok("history", "kept on disk"),
            Some(why) => state.health.degraded("history", "kept in RAM only", why),
        }
    }

    fn ask_cmdlines(&mut self, state: &State) {
        let fresh = &mut self.sampler.discovery.fresh;
        if state.config.privacy.cmdline == crate::config::CmdlineMode::Off {
            fresh.clear();
        }
        while let Some(index) = fresh.pop() {
            let Some(process) = state.processes.get(index) else { continue };
            if !self.sampler.deep.ask(Ask::Cmdline(process.facts.id)) {
                fresh.push(index);
                break;
            }
        }
    }

    /// Goes on with the PSS sweep as far as this second's stall budget allows, suspects first.
    fn ask_smaps(&mut self, state: &mut State, now: Stamp) {
        let sampling = &state.config.sampling;
        if !sampling.pss || state.node.under_pressure() || self.sampler.deep.pending() > 0 {
            return;
        }
        let age = sampling.pss_interval;
        let wanted = |p: &super::Process| {
            let old = p.facts.smaps_at.is_none_or(|at| now.since(at) >= age);
            old && p.track.split.used >= PSS_RSS_MIN
        };
        let mut candidates: Vec<_> =
            state.processes.iter().filter(|(_, p)| wanted(p)).map(|(index, _)| index).collect();
        let split = candidates.partition_point(|&index| index < self.pss_next);
        candidates.rotate_left(split);
        let mut stall = Duration::ZERO;
        for index in candidates {
            let Some(process) = state.processes.get_mut(index) else { continue };
            let predicted = predicted_stall(process.track.split.used, None);
            if predicted > state.config.sampling.pss_stall_max {
                process.facts.smaps_at = Some(now);
                process.facts.smaps = None;
                process.facts.smaps_note = Some(refusal(predicted).into());
                continue;
            }
            if !stall.is_zero() && stall + predicted > STALL_PER_SECOND {
                break;
            }
            if !self.sampler.deep.ask(Ask::Smaps(process.facts.id)) {
                break;
            }
            process.facts.smaps_at = Some(now);
            stall += predicted;
            self.pss_next = index + 1;
        }
    }

    fn hear_answers(&mut self, state: &mut State, now: Stamp) {
        while let Some(answer) = self.sampler.deep.answer() {
            self.deep_since = Some(now);
            take_answer(state, answer);
        }
        const STUCK: Duration = Duration::from_secs(5);
        let waiting = self.sampler.deep.pending() > 0;
        let since = self.deep_since.filter(|_| waiting).unwrap_or(now);
        self.deep_since = Some(since);
        if now.since(since) > STUCK {
            state.health.degraded("smaps", "no PSS", "a target holds its memory lock: reader waits");
        } else if !waiting && state.health.state("smaps") == Some(SourceState::Degraded) {
            state.health.ok("smaps", "PSS, USS and huge pages, under the stall budget");
        }
    }

    fn note_ready(&self, state: &mut State, more: bool, now: Stamp) {
        if state.ready_at.is_some() || more || state.processes.is_empty() {
            return;
        }
        let unread = state.processes.iter().any(|(_, p)| p.track.split.used.0 == 0 && p.track.due == Tick(0));
        if !unread {
            state.ready_at = Some(now);
            tracing::info!(
                processes = state.processes.len(),
                cgroups = state.cgroups.len(),
                after_ms = u64::try_from(now.since(state.started).as_millis()).unwrap_or(u64::MAX),
                "first sweep complete"
            );
        }
    }
}

fn refusal(predicted: Duration) -> String {
    format!(
        "not read: it would stall the process for about {:.1} ms (sampling.pss_stall_max)",
        predicted.as_secs_f64() * 1000.0
    )
}

fn take_answer(state: &mut State, answer: Answer) {
    let id = match &answer {
        Answer::Cmdline(id, _) | Answer::Smaps(id, _) => *id,
    };
    let Some(index) = state.processes.index_of(id.pid) else { return };
    let Some(process) = state.processes.get_mut(index).filter(|p| p.facts.id == id) else { return };
    match answer {
        Answer::Cmdline(_, Ok(text)) => process.facts.cmdline = Some(text.into()),
        Answer::Smaps(_, Ok(smaps)) => {
            process.facts.smaps = Some(Box::new(smaps));
            process.facts.smaps_note = None;
            state.counters.sampled("smaps_rollup", 1);
        }
        Answer::Smaps(_, Err(ReadError::Gone)) | Answer::Cmdline(_, Err(_)) => {}
        Answer::Smaps(_, Err(e)) => {
            process.facts.smaps_note = Some(e.to_string().into());
            state.counters.failed("smaps_rollup");
        }
    }
}

fn process_health(state: &mut State) {
    let sees = format!("{} processes", state.processes.len());
    if state.counters.untracked > 0 {
        let why = format!(
            "{} more are left out: raise sampling.processes_max",
            state.counters.untracked
        );
        state.health.degraded("process", sees, why);
    } else {
        state.health.ok("process", sees);
    }
}

fn node_health(state: &mut State, quick: &crate::sources::node::Quick) {
    let problems: Vec<String> = [
        quick.meminfo.as_ref().err().map(ToString::to_string),
        quick.vmstat.as_ref().err().map(ToString::to_string),
    ]
    .into_iter()
    .flatten()
    .collect();
    if problems.is_empty() {
        state.health.ok("node", "meminfo, vmstat");
    } else {
        state.health.degraded("node", "what is left", problems.join("; "));
    }
    match &quick.psi {
        Ok(_) => state.health.ok("psi", "node memory pressure"),
        Err(e) => state.health.unavailable("psi", format!("{e}; boot with psi=1")),
    }
}

fn thread_cpu() -> Duration {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_nsec).unwrap_or(0))
}
