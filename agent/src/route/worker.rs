//! The thread that asks the engine what to tell and puts it into the queues, and what the API may
//! ask of it. It touches the disk, so it is neither the sampler's thread nor the API's.

use super::engine::{Engine, Moment};
use super::matcher::Labels;
use super::notice::{Change, Notice, Reason, SCHEMA, Status, ToldAlert};
use super::outlet::Outlet;
use super::saved::{self, ROUTING_FILE, SILENCES_FILE};
use super::silence::{SilenceRefused, Silences, Wish};
use crate::alert;
use crate::clock::{Clock, Stamp};
use crate::config::{Config, LOG};
use crate::view::{AlertView, DeliveryView, DestinationView, Severity, SilenceView};
use parking_lot::{Condvar, Mutex};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// While anything stands, for what only time brings about.
const PACE: Duration = Duration::from_secs(1);
/// While nothing does.
const IDLE: Duration = Duration::from_secs(30);
/// What is on its way at the end may take this long; its notice is kept on disk.
const GRACE: Duration = Duration::from_secs(1);

/// Wakes the routing. Ringing never waits.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<(Mutex<bool>, Condvar)>);

impl Bell {
    pub fn ring(&self) {
        *self.0.0.lock() = true;
        self.0.1.notify_one();
    }

    fn wait(&self, at_most: Duration) {
        let mut rung = self.0.0.lock();
        if !*rung {
            self.0.1.wait_for(&mut rung, at_most);
        }
        *rung = false;
    }
}

/// Where the alerts are: implemented by `app` over the sampler's state.
pub trait Standing: Send + 'static {
    fn alerts(&self) -> Vec<AlertView>;
    /// Whether the target of this name is certainly no more.
    fn is_gone(&self, target: &str) -> bool;
}

/// What the API may ask.
#[derive(Debug)]
pub struct Routing {
    silences: Mutex<Silences>,
    outlets: Vec<Arc<Outlet>>,
    state_dir: Option<PathBuf>,
    clock: Clock,
    bell: Bell,
}

impl Routing {
    #[must_use]
    pub fn silences(&self) -> Vec<SilenceView> {
        self.silences.lock().list(self.wall_ms())
    }

    /// Makes a silence, and returns when it is on disk.
    ///
    /// # Errors
    /// When there are too many.
    pub fn silence(&self, wish: &Wish) -> Result<SilenceView, SilenceRefused> {
        let mut silences = self.silences.lock();
        let made = silences.make(wish, self.wall_ms())?;
        self.keep(&silences);
        drop(silences);
        self.bell.ring();
        Ok(made)
    }

    /// # Errors
    /// When there is none of this id, or it stands in the configuration file.
    pub fn end_silence(&self, id: &str) -> Result<(), SilenceRefused> {
        let mut silences = self.silences.lock();
        silences.end(id)?;
        self.keep(&silences);
        drop(silences);
        self.bell.ring();
        Ok(())
    }

    #[must_use]
    pub fn destinations(&self) -> Vec<DestinationView> {
        self.outlets.iter().map(|outlet| outlet.view()).collect()
    }

    /// Attempts to deliver since this was last asked.
    #[must_use]
    pub fn deliveries(&self) -> Vec<DeliveryView> {
        self.outlets.iter().flat_map(|outlet| outlet.take_deliveries()).collect()
    }

    fn keep(&self, silences: &Silences) {
        let Some(dir) = &self.state_dir else { return };
        if let Err(why) = saved::write(dir, SILENCES_FILE, &silences.saved()) {
            tracing::warn!(%why, "silences are not kept on disk: a restart would forget them");
        }
    }

    fn wall_ms(&self) -> i64 {
        let mut clock = self.clock;
        clock.resync();
        clock.unix_ms(clock.now())
    }
}

/// The running routing; `stop` it before the program ends.
#[derive(Debug)]
pub struct RoutingHandle {
    pub routing: Arc<Routing>,
    thread: JoinHandle<()>,
    stop: std::sync::mpsc::Sender<()>,
    outlets_ended: Receiver<()>,
}

impl RoutingHandle {
    /// Starts the thread of the engine and one for each destination.
    ///
    /// `node`: the name of this machine. `state_dir`: where queues and silences are kept.
    ///
    /// # Errors
    /// When a thread cannot be made.
    pub fn start(
        config: &Config,
        state_dir: Option<PathBuf>,
        node: &str,
        bell: Bell,
        standing: impl Standing,
    ) -> std::io::Result<Self> {
        let clock = Clock::start();
        let mut silences = Silences::new(&config.routing.silences);
        let mut engine = Engine::new(config, node);
        if let Some(dir) = &state_dir {
            if let Err(why) = std::fs::create_dir_all(dir) {
                tracing::warn!(%why, dir = %dir.display(), "cannot make the state directory");
            }
            silences.restore(saved::read(dir, SILENCES_FILE).unwrap_or_default());
            let told = saved::read(dir, ROUTING_FILE).unwrap_or_default();
            engine.restore(told, clock.now(), clock);
        }
        let destinations = config.routing.destinations.iter();
        let outlets: Vec<_> =
            destinations.flat_map(|d| Outlet::of(d, state_dir.as_deref())).collect();
        let (alive, outlets_ended) = channel();
        for outlet in &outlets {
            outlet.start(clock, alive.clone())?;
        }
        let routing = Arc::new(Routing {
            silences: Mutex::new(silences),
            outlets,
            state_dir,
            clock,
            bell: bell.clone(),
        });
        let (stop, stopped) = channel();
        let worker = Worker { routing: Arc::clone(&routing), engine, standing, clock };
        let thread = std::thread::Builder::new()
            .name("plimsoll-route".into())
            .stack_size(512 * 1024)
            .spawn(move || worker.run(&bell, &stopped))?;
        Ok(Self { routing, thread, stop, outlets_ended })
    }

    /// Puts what is due into the queues and ends the threads. What could not be delivered within a
    /// second waits on disk for the next start.
    pub fn stop(self) {
        let _ = self.stop.send(());
        self.routing.bell.ring();
        if self.thread.join().is_err() {
            tracing::error!("the routing's thread panicked");
        }
        for outlet in &self.routing.outlets {
            outlet.stop();
        }
        if self.outlets_ended.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
            tracing::info!("a destination still has to answer; its notice is kept");
        }
    }
}

struct Worker<S> {
    routing: Arc<Routing>,
    engine: Engine,
    standing: S,
    clock: Clock,
}

impl<S: Standing> Worker<S> {
    fn run(mut self, bell: &Bell, stopped: &Receiver<()>) {
        loop {
            bell.wait(if self.engine.is_idle() { IDLE } else { PACE });
            self.clock.resync();
            self.turn();
            if stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Empty) {
                return;
            }
        }
    }

    fn turn(&mut self) {
        let now = self.clock.now();
        let wall_ms = self.clock.unix_ms(now);
        // The lock of the sampler's state is held for the copy alone.
        let seen = self.standing.alerts();
        let notices = {
            let mut silences = self.routing.silences.lock();
            if silences.expire(wall_ms) {
                self.routing.keep(&silences);
            }
            let standing = &self.standing;
            let gone = |target: &str| standing.is_gone(target);
            let moment = Moment { now, clock: self.clock, silences: &silences, gone: &gone };
            self.engine.tick(&seen, moment)
        };
        for notice in notices {
            if notice.destination == LOG {
                notice.alerts.iter().for_each(|told| alert::log::write(told, notice.reason));
            }
            let outlets = self.routing.outlets.iter();
            for outlet in outlets.filter(|outlet| outlet.destination() == notice.destination) {
                outlet.tell(&notice, wall_ms);
            }
        }
        self.keep();
    }

    /// After the queues: what is told twice after a crash is better than what is told never.
    fn keep(&mut self) {
        if !std::mem::take(&mut self.engine.dirty) {
            return;
        }
        let Some(dir) = &self.routing.state_dir else { return };
        if let Err(why) = saved::write(dir, ROUTING_FILE, &self.engine.saved(self.clock)) {
            tracing::warn!(%why, "what was told is not on disk: a restart would tell it again");
        }
    }
}

/// A notice that says it is a test, with one alert that fires.
#[must_use]
pub fn test_notice(node: &str, destination: &str, now: Stamp, clock: Clock) -> Notice {
    let at = clock.rfc3339(now);
    let id = format!("test-{:x}", clock.unix_ms(now));
    let labels = [
        ("alertname", "PlimsollTest"),
        ("severity", "info"),
        ("node", node),
        ("kind", "node"),
        ("target", "node"),
    ];
    let labels: Labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let alert = ToldAlert {
        fingerprint: id.clone(),
        status: Status::Firing,
        change: Change::New,
        name: "PlimsollTest".into(),
        severity: Severity::Info,
        summary: "This is a test of the way that alerts take; nothing is wrong".into(),
        description: "Sent by `plimsoll route test`.".into(),
        starts_at: at.clone(),
        target: "node".into(),
        labels,
        ..ToldAlert::default()
    };
    Notice {
        schema: SCHEMA.into(),
        group_key: id.clone(),
        id,
        at,
        reason: Reason::Test,
        node: node.to_owned(),
        destination: destination.to_owned(),
        alerts: vec![alert],
        ..Notice::default()
    }
}
