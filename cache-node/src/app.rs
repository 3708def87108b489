//! The whole server: store, budget, workers, admin and signals put together, run, and taken apart.

pub mod daemon;
mod host;
mod identity;
mod signals;
mod supervisor;
mod timer;

pub use identity::IdentityError;

use crate::admin::{self, Admin, Desk};
use crate::cli::{EX_CONFIG, EX_NOUSER, EX_OSERR, Memory, Plan};
use crate::clock::Clock;
use crate::control::agent::{self, Agent};
use crate::control::{self, Budget, Control, Level};
use crate::protocol::{Shared, Users};
use crate::serve::{Addresses, Kitchen, Roster, ServeError, Server};
use crate::settings::Settings;
use crate::snapshot::{self, Kind, Live, Manner};
use crate::store::{Params, Store};
use host::Node;
use plimsoll_pressure::own::Own;
use plimsoll_probe::Probe;
use signals::Wish;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, RecvTimeoutError};

/// Locks of the store for each thread, so that two seldom want the same.
const PARTITIONS_PER_THREAD: usize = 4;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("cannot reserve memory: {0}")]
    Store(std::io::Error),
    #[error("cannot load the auth file {path}: {why}")]
    AuthFile { path: String, why: String },
    #[error(transparent)]
    Admin(#[from] admin::Closed),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
}

impl AppError {
    /// The process's exit code: memcached's own.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Identity(IdentityError::NoUser(_)) => EX_NOUSER,
            Self::Identity(IdentityError::MustChoose) => crate::cli::EX_USAGE,
            Self::Identity(IdentityError::Refused { .. }) | Self::Serve(_) => EX_OSERR,
            Self::Admin(_) => EX_CONFIG,
            Self::Store(_) | Self::AuthFile { .. } | Self::Start(_) => 1,
        }
    }
}

/// All that runs.
struct Running {
    settings: Arc<Settings>,
    store: Arc<Store>,
    clock: Arc<Clock>,
    shared: Arc<Shared>,
    server: Server,
    live: Option<Arc<Live>>,
    admin: Option<Admin>,
    // Dropped, they end.
    _agent: Option<Agent>,
    _probe: Option<Probe>,
    _timer: timer::Timer,
    _control: Arc<Control>,
}

/// Serves until a signal or a client says stop. `ready` is told where it listens.
///
/// # Errors
/// When it cannot start. Once started it ends only by a wish.
pub fn run(plan: Plan, ready: impl FnOnce(&Addresses)) -> Result<(), AppError> {
    identity::assume(&plan)?;
    let pid_file = plan.pid_file.clone();
    let (wishes, wanted) = mpsc::channel();
    let signals = signals::listen(wishes.clone())?;
    let running = start(plan, &wishes)?;
    if let Some(path) = &pid_file {
        daemon::write_pid_file(path);
    }
    daemon::tell_ports(&running.server.addresses);
    ready(&running.server.addresses);
    supervisor::ready(&running.server.addresses);
    let saves = wait(&running, &wanted);
    supervisor::stopping();
    finish(running, saves);
    signals.close();
    if let Some(path) = &pid_file {
        // Somebody may have removed it before.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

fn start(plan: Plan, wishes: &mpsc::Sender<Wish>) -> Result<Running, AppError> {
    let own = Own::find();
    let budget = Budget::of(asked(plan.memory, &own), &own);
    tracing::info!("{budget}");
    for note in &plan.notes {
        tracing::warn!("{note}");
    }
    let settings = Arc::new(fitted(plan.settings, budget.limit_bytes));
    let clock = Arc::new(Clock::start());
    let params = Params {
        limit_bytes: budget.limit_bytes,
        reserve_bytes: budget.reserve_bytes,
        item_bytes_max: settings.item_bytes_max,
        partitions: (settings.threads * PARTITIONS_PER_THREAD).next_power_of_two(),
        evicts: settings.evicts,
    };
    let store = Arc::new(Store::new(params).map_err(AppError::Store)?);
    if let Some(path) = &settings.restart_file {
        snapshot::load(path, &store, &clock, plan.load_live)?.log(path);
    }
    let users = settings.auth_file.as_deref().map(users).transpose()?;
    let control = control::start(Arc::clone(&store), Arc::clone(&clock), own, &budget)?;
    let control = Arc::new(control);
    let roster = Arc::new(Roster::new(settings.connections_max));
    let host = Node {
        roster: Arc::clone(&roster),
        control: Arc::clone(&control),
        clock: Arc::clone(&clock),
    };
    let shared = Arc::new(Shared::new(&settings, Arc::new(host), users));
    let snapshot_file = plan.snapshot_file.as_ref().or(settings.restart_file.as_ref());
    let live = snapshot_file.map(|path| {
        let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
        snapshot::start(path.clone(), store, clock, snapshot::BYTES_PER_S)
    });
    let live = live.transpose()?.map(Arc::new);
    let server = Server::start(&Kitchen {
        store: Arc::clone(&store),
        settings: Arc::clone(&settings),
        clock: Arc::clone(&clock),
        shared: Arc::clone(&shared),
        roster: Arc::clone(&roster),
        stops: signals::stops(wishes.clone()),
    })?;
    let (thrift, level) = (server.thrift(), Arc::clone(&control));
    let timer = timer::start(Arc::clone(&clock), move || thrift.set(level.level() >= Level::Low))?;
    let desk = Desk {
        store: Arc::clone(&store),
        shared: Arc::clone(&shared),
        clock: Arc::clone(&clock),
        settings: Arc::clone(&settings),
        control: Arc::clone(&control),
        roster,
        live: live.clone(),
    };
    let admin = settings.admin.map(|address| admin::start(address, desk));
    let admin = admin.transpose()?.flatten();
    let agent = settings.pressure_socket.as_deref().and_then(|socket| {
        let subscribed = agent::subscribe(socket, Arc::clone(&control));
        let failed = |why: &_| tracing::warn!("no pressure signal at {}: {why}", socket.display());
        subscribed.inspect_err(failed).ok()
    });
    let probe = settings.probe.then(probe).flatten();
    Ok(Running {
        settings,
        store,
        clock,
        shared,
        server,
        live,
        admin,
        _agent: agent,
        _probe: probe,
        _timer: timer,
        _control: control,
    })
}

/// What heap reports ask for the allocator's own figures; without it they read them from outside.
fn probe() -> Option<Probe> {
    let failed = |why: &_| tracing::debug!("no probe: {why}");
    Probe::start("plimsoll-cache").inspect_err(failed).ok()
}

/// The settings within a limit that was known only now: an item is at most half of it.
fn fitted(settings: Settings, limit_bytes: u64) -> Settings {
    let (item, most) = (settings.item_bytes_max, limit_bytes / 2);
    if item > most {
        tracing::warn!(asked = item, bytes = most, "items (-I) are at most half of the memory");
    }
    Settings { memory_bytes: limit_bytes, item_bytes_max: item.min(most), ..settings }
}

/// What was asked of the budget. Units: bytes.
fn asked(memory: Memory, own: &Own) -> Option<u64> {
    match memory {
        Memory::Auto => None,
        Memory::Given(bytes) => Some(bytes),
        Memory::Share(share) => {
            let whole = [own.limit(), own.node_bytes()].into_iter().flatten().min()?.0;
            // Below 2^53 bytes nothing is lost.
            Some((whole as f64 * share) as u64)
        }
    }
}

fn users(path: &Path) -> Result<Users, AppError> {
    let failed = |why: String| AppError::AuthFile { path: path.display().to_string(), why };
    let text = std::fs::read(path).map_err(|e| failed(e.to_string()))?;
    Users::parse(&text).map_err(|e| failed(e.to_string()))
}

/// Obeys wishes until one of them is to stop; returns whether items are to be saved.
fn wait(running: &Running, wanted: &mpsc::Receiver<Wish>) -> bool {
    let pace = supervisor::pace();
    loop {
        let wish = match pace {
            None => wanted.recv().map_err(RecvTimeoutError::from),
            Some(pace) => wanted.recv_timeout(pace),
        };
        if pace.is_some() {
            supervisor::alive(&running.store);
        }
        match wish {
            Ok(Wish::Stop { save, why }) => {
                tracing::info!("{why}: draining");
                return save;
            }
            Ok(Wish::Reload) => supervisor::reloading(|| reload(running)),
            Ok(Wish::Snapshot) => match &running.live {
                Some(live) => tracing::info!("SIGUSR2: {:?}", live.ask()),
                None => {
                    tracing::warn!("SIGUSR2: there is no file to write to (-e, --snapshot-file)")
                }
            },
            // Nobody can wish any more: that is the end too.
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Reads the auth file again; one that cannot be understood changes nothing.
fn reload(running: &Running) {
    let (Some(path), Some(users)) = (&running.settings.auth_file, &running.shared.users) else {
        tracing::info!("SIGHUP: there is no auth file to read again");
        return;
    };
    let read = std::fs::read(path).map_err(|e| e.to_string());
    match read.and_then(|text| users.replace(&text).map_err(|e| e.to_string())) {
        Ok(()) => tracing::info!(path = %path.display(), "auth file read again"),
        Err(why) => tracing::warn!(path = %path.display(), why, "auth file not read again"),
    }
}

fn finish(running: Running, saves: bool) {
    running.server.drain();
    // The admin side holds the live snapshot too; one under way is given up.
    drop(running.admin);
    drop(running.live);
    let Some(path) = running.settings.restart_file.as_deref().filter(|_| saves) else { return };
    let cancelled = AtomicBool::new(false);
    let manner = Manner { kind: Kind::Clean, bytes_per_s_max: None, cancelled: &cancelled };
    match snapshot::save(path, &running.store, &running.clock, manner) {
        Ok(saved) => {
            let (items, took) = (saved.items, saved.took);
            tracing::info!(path = %path.display(), items, ?took, "saved");
        }
        Err(why) => tracing::error!(%why, "what was held is lost"),
    }
}
