//! The thread that exports: takes metrics at each interval, and events as they come.

use super::Signal;
use super::batch::Batch;
use super::gather::{Bounds, Gathered, gather};
use super::lane::{GRACE, Lane};
use super::model::{Common, Model, Moment};
use crate::clock::{Clock, Stamp};
use crate::config::ExportConfig;
use crate::view::{ExportView, Watch};
use parking_lot::Mutex;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustix::time::{ClockId, clock_gettime};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often events are looked for, and whether it is time for metrics.
const TICK: Duration = Duration::from_secs(1);

/// What an exporter is made of.
#[derive(Debug)]
pub struct Setup {
    pub config: ExportConfig,
    /// Queues are kept below it.
    pub state_dir: Option<PathBuf>,
    pub common: Common,
    pub clock: Clock,
}

/// What the exporter shows of itself.
#[derive(Debug)]
pub struct Exporter {
    lanes: Vec<Arc<Lane>>,
    figures: Mutex<Figures>,
}

#[derive(Debug, Default)]
struct Figures {
    exports: u64,
    cpu: Duration,
    gathered: Gathered,
    missed: u64,
}

impl Exporter {
    #[must_use]
    pub fn view(&self) -> ExportView {
        let figures = self.figures.lock();
        ExportView {
            enabled: true,
            lanes: self.lanes.iter().map(|lane| lane.view()).collect(),
            exports_total: figures.exports,
            export_cpu_seconds_total: figures.cpu.as_secs_f64(),
            entities: figures.gathered.entities,
            omitted: figures.gathered.omitted.clone(),
            events_missed_total: figures.missed,
        }
    }

    fn lane(&self, signal: Signal) -> Option<&Arc<Lane>> {
        self.lanes.iter().find(|lane| lane.signal == signal)
    }
}

/// A running exporter.
#[derive(Debug)]
pub struct ExporterHandle {
    pub exporter: Arc<Exporter>,
    clock: Clock,
    stop: Sender<()>,
    thread: JoinHandle<()>,
    lanes_ended: Receiver<()>,
}

impl ExporterHandle {
    /// Starts exporting what `watch` shows.
    ///
    /// # Errors
    /// When a thread cannot be made.
    pub fn start(setup: Setup, watch: impl Watch) -> std::io::Result<Self> {
        let config = Arc::new(setup.config);
        let wanted = |signal: &Signal| config.signals.iter().any(|name| name == signal.name());
        let lane = |signal| Arc::new(Lane::new(signal, &config, setup.state_dir.as_deref()));
        let lanes: Vec<Arc<Lane>> = Signal::ALL.into_iter().filter(wanted).map(lane).collect();
        let (alive, lanes_ended) = channel();
        for lane in &lanes {
            lane.start(setup.clock, alive.clone())?;
        }
        let exporter = Arc::new(Exporter { lanes, figures: Mutex::default() });
        let (stop, stopped) = channel();
        let model = Model::new(setup.common, config.profile, config.temporality);
        let worker = Worker {
            exporter: Arc::clone(&exporter),
            watch: Box::new(watch),
            model,
            config,
            clock: setup.clock,
            next: None,
            seen: 0,
            random: SystemRandom::new(),
            began: None,
        };
        let thread = std::thread::Builder::new()
            .name("plimsoll-export".to_owned())
            .stack_size(512 * 1024)
            .spawn(move || worker.run(&stopped))?;
        Ok(Self { exporter, clock: setup.clock, stop, thread, lanes_ended })
    }

    /// Takes one last export, and waits a moment for it to be sent. What is not stays on disk.
    pub fn stop(self) {
        drop(self.stop);
        // It panicked if this fails, and said so.
        let _ = self.thread.join();
        let now = self.clock.now();
        self.exporter.lanes.iter().for_each(|lane| lane.stop(now));
        if self.lanes_ended.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the collector is slow: what is not sent is kept for the next start");
        }
    }
}

struct Worker {
    exporter: Arc<Exporter>,
    watch: Box<dyn Watch>,
    model: Model,
    config: Arc<ExportConfig>,
    clock: Clock,
    /// When metrics are due; None until there are any.
    next: Option<Stamp>,
    /// The last event that was seen.
    seen: u64,
    random: SystemRandom,
    /// When node and agent began, as first reckoned. Units: nanoseconds since the epoch.
    began: Option<(u64, u64)>,
}

impl Worker {
    fn run(mut self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            self.clock.resync();
            self.events();
            let now = self.clock.now();
            if self.next.is_none() && self.watch.own().first_sweep_seconds.is_some() {
                self.next = Some(now);
            }
            if self.next.is_some_and(|next| next <= now) {
                // From when it was due, unless the machine slept through several.
                let ahead = self.next.map_or(now, |next| next.plus(self.config.interval));
                self.next = Some(ahead.max(now));
                self.metrics();
            }
        }
        self.events();
        if self.next.is_some() {
            self.metrics();
        }
    }

    fn metrics(&mut self) {
        let Some(lane) = self.exporter.lane(Signal::Metrics).cloned() else { return };
        let before = clock_gettime(ClockId::ThreadCPUTime);
        let now_ms = self.clock.unix_ms(self.clock.now());
        let own = self.watch.own();
        let up_ms = (own.uptime_s * 1000.0) as i64;
        // Kept: a start that moves with the wall clock looks like a counter that began anew.
        let boot_ns = nanos(self.clock.unix_ms(Stamp(0)));
        let began = *self.began.get_or_insert((boot_ns, nanos(now_ms - up_ms)));
        self.model.begin(Moment {
            now_ns: nanos(now_ms),
            boot_ns: began.0,
            agent_start_ns: began.1,
        });
        let mut batch =
            Batch::new(self.config.gzip, |request: Vec<u8>| lane.push(&request, now_ms));
        let bounds = Bounds {
            processes_max: self.config.processes_max,
            containers_max: self.config.containers_max,
        };
        let so_far = self.exporter.view();
        let gathered =
            gather(self.watch.as_ref(), &mut self.model, bounds, &so_far, |r| batch.push(r));
        batch.finish();
        let after = clock_gettime(ClockId::ThreadCPUTime);
        let spent = |t: rustix::time::Timespec| {
            Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), t.tv_nsec as u32)
        };
        let mut figures = self.exporter.figures.lock();
        figures.exports += 1;
        figures.cpu += spent(after).saturating_sub(spent(before));
        figures.gathered = gathered;
    }

    /// Alerts, incidents and the agent's own work since the last time.
    fn events(&mut self) {
        let events = self.watch.events_since(self.seen);
        let deliveries = self.watch.deliveries();
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            self.exporter.figures.lock().missed += first.seq.saturating_sub(self.seen + 1);
            self.seen = last.seq;
        }
        let now_ms = self.clock.unix_ms(self.clock.now());
        if let Some(lane) = self.exporter.lane(Signal::Logs)
            && let Some(logs) = self.model.logs(&events, nanos(now_ms))
        {
            let mut batch = Batch::new(self.config.gzip, |r: Vec<u8>| lane.push(&r, now_ms));
            batch.push(&logs);
            batch.finish();
        }
        let random = &self.random;
        let ids = || {
            let (mut trace, mut span) = ([1; 16], [1; 8]);
            // Should the kernel have no randomness, spans are alike and nothing worse.
            let _ = random.fill(&mut trace).and_then(|()| random.fill(&mut span));
            (trace, span)
        };
        if let Some(lane) = self.exporter.lane(Signal::Traces)
            && let Some(spans) = self.model.spans(&events, &deliveries, ids)
        {
            let mut batch = Batch::new(self.config.gzip, |r: Vec<u8>| lane.push(&r, now_ms));
            batch.push(&spans);
            batch.finish();
        }
    }
}

fn nanos(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000)
}
