//! All that the agent knows at this moment, under one lock.

use super::naming::Naming;
use super::pressing::Telling;
use super::senses::Report;
use super::wheel::{Due, Tick, Wheel};
use super::{Cgroups, EventLog, Health, Node, Processes, Workloads};
use crate::alert::Alerts;
use crate::clock::{Clock, Stamp};
use crate::config::Config;
use crate::history::{History, SeriesId, Split};
use crate::pressure::Service;
use crate::recorder::{Recorder, Shelf};
use crate::reports::Reports;
use crate::route::Bell;
use crate::sources::cgroup::Layout;
use crate::target::ProcessId;
use crate::verdict::{Params, Scratch};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How many neighbours are read in the same second.
const TOGETHER: u32 = 16;

/// What every watched target has, whatever its kind. 64 bytes: the part that each reading touches.
#[derive(Clone, Copy, Debug)]
pub struct Track {
    pub series: SeriesId,
    /// The wheel's entry that counts; older ones are stale.
    pub due: Tick,
    pub judge_due: Tick,
    pub interval_ms: u32,
    pub read_at: Stamp,
    pub split: Split,
}

impl Track {
    /// A target that was never read; the caller schedules it.
    #[must_use]
    pub fn new(series: SeriesId, now: Stamp) -> Self {
        Self {
            series,
            due: Tick(0),
            judge_due: Tick(0),
            interval_ms: 0,
            read_at: now,
            split: Split::default(),
        }
    }

    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms as u64)
    }

    pub fn set_interval(&mut self, interval: Duration) {
        self.interval_ms = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
    }
}

/// What the agent counted of its own work since it started.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    pub samples: BTreeMap<&'static str, u64>,
    pub read_errors: BTreeMap<&'static str, u64>,
    pub short_lived: u64,
    pub connector_overruns: u64,
    pub oom_kills: u64,
    pub kernel_log_lost: u64,
    /// Victims that BPF saw and had no room for.
    pub oom_marks_lost: u64,
    pub sampler_cpu: Duration,
    pub sampler_lag: Duration,
    pub shed_factor: f64,
    pub flush_failures: u64,
    pub kept_fds: usize,
    pub kept_fds_max: usize,
    /// Processes beyond `sampling.processes_max`, as of the last rescan.
    pub untracked: usize,
}

impl Counters {
    pub fn sampled(&mut self, source: &'static str, n: u64) {
        *self.samples.entry(source).or_default() += n;
    }

    pub fn failed(&mut self, source: &'static str) {
        *self.read_errors.entry(source).or_default() += 1;
    }
}

/// What is known of the senses.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    pub report: Report,
    /// Cgroups that may be listened to.
    pub most: usize,
    /// Words heard, by sense.
    pub heard: BTreeMap<&'static str, u64>,
    /// Words that there was no room for.
    pub dropped: u64,
}

#[derive(Debug)]
pub struct State {
    pub clock: Clock,
    pub started: Stamp,
    /// When the first sweep over everything was complete.
    pub ready_at: Option<Stamp>,
    pub config: Config,
    pub params: Params,
    pub wheel: Wheel,
    /// None where no memory controller is mounted.
    pub cgroup_layout: Option<Arc<Layout>>,
    pub node: Node,
    pub processes: Processes,
    /// Pids whose names and cgroup have to be read again.
    pub renamed: Vec<u32>,
    pub cgroups: Cgroups,
    pub workloads: Workloads,
    pub history: History,
    pub alerts: Alerts,
    pub pressure: Service,
    /// Cgroups above subscribers.
    pub pressed: Vec<u32>,
    pub telling: Telling,
    pub senses: Listening,
    /// Rung when the alerts have changed.
    pub bell: Bell,
    pub events: EventLog,
    pub health: Health,
    pub counters: Counters,
    pub scratch: Scratch,
    pub recorder: Recorder,
    /// The incidents; the recorder's thread puts them up.
    pub shelf: Arc<Shelf>,
    /// Who takes heap reports; None where nobody does.
    pub reports: Option<Arc<Reports>>,
    /// Who asks for the names of pods and containers.
    pub naming: Naming,
}

impl State {
    /// What is known before the first reading.
    #[must_use]
    pub fn new(
        config: Config,
        clock: Clock,
        node: Node,
        history: History,
        cgroup_layout: Option<Arc<Layout>>,
        health: Health,
    ) -> Self {
        let now = clock.now();
        Self {
            clock,
            started: now,
            ready_at: None,
            params: Params::from_config(&config.alerts),
            wheel: Wheel::new(now),
            cgroup_layout,
            node,
            processes: Processes::default(),
            renamed: Vec::new(),
            cgroups: Cgroups::default(),
            workloads: Workloads::default(),
            history,
            alerts: Alerts::new(&config.alerts),
            pressure: Service::off(),
            pressed: Vec::new(),
            telling: Telling::default(),
            senses: Listening::default(),
            bell: Bell::default(),
            events: EventLog::default(),
            health,
            counters: Counters { shed_factor: 1.0, ..Counters::default() },
            scratch: Scratch::default(),
            recorder: Recorder::new(config.recorder.pins_max),
            shelf: Arc::new(Shelf::in_memory()),
            reports: None,
            naming: Naming::default(),
            config,
        }
    }

    /// When the process started. Source: field 22 of `/proc/PID/stat`, clock ticks on the boot
    /// clock.
    #[must_use]
    pub fn started_at(&self, id: ProcessId) -> Stamp {
        let hz = rustix::param::clock_ticks_per_second().max(1);
        Stamp(i64::try_from(id.start_time.saturating_mul(1000) / hz).unwrap_or(i64::MAX))
    }

    /// Schedules `what` for one interval after `now`. Where all intervals are forced to be the
    /// same, all readings fall on the same instants, so that they can be compared. Those at the
    /// longest interval, which are nearly all, are spread evenly over it.
    pub fn schedule(&mut self, what: Due, now: Stamp, interval: Duration) -> Tick {
        let sampling = &self.config.sampling;
        let delay = if sampling.interval.is_some() {
            self.wheel.until_next(now, interval, Duration::ZERO)
        } else if interval == sampling.interval_max {
            self.wheel.until_next(now, interval, phase(what))
        } else {
            interval
        };
        self.wheel.add(what, now, delay)
    }
}

/// Where in the longest interval a target has its place. Neighbours are read together: the kernel
/// keeps them side by side too.
const fn phase(what: Due) -> Duration {
    let (Due::Process(index) | Due::Cgroup(index) | Due::Workload(index)) = what;
    Duration::from_secs((index / TOGETHER) as u64)
}
