//! Builds the sampler from the configuration: opens each source and says what it cannot see.

use crate::clock::{Clock, Stamp};
use crate::config::Config;
use crate::history::persist::{Boot, Journal, JournalError, JournalParams};
use crate::history::{History, HistoryParams};
use crate::pressure::Service;
use crate::recorder::shelf::read_checkpoint;
use crate::recorder::{Checkpoint, Shelf, ShelfParams, Writer};
use crate::sampler::{Health, Node, Sampler, State, monotonic};
use crate::sources::Roots;
use crate::sources::bpf::OomMarks;
use crate::sources::cgroup::Layout;
use crate::sources::connector::Connector;
use crate::sources::node::host;
use crate::sources::oom::OomLog;
use crate::sources::process::{Redactor, list_pids, read_cgroup};
use crate::units::Bytes;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

/// Descriptors of one cgroup that is listened to, at most.
const FDS_OF_SENSE: usize = 2;
/// Descriptors left for everything but kept files: sockets, the log, the state directory.
const FDS_RESERVED: usize = 256;

/// What keeps the agent from starting at all.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error("cannot read {proc}: {what}; give the right place with --proc-root")]
    NoProc { proc: String, what: crate::sources::ReadError },
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    #[error("state directory {0}")]
    StateDir(JournalError),
}

/// Opens every source and loads the history. Nothing is running yet when this returns.
///
/// # Errors
/// Only for what nothing can be done without; any other lack degrades health.
pub fn assemble(config: Config, state_dir: Option<&Path>) -> Result<Sampler, AssembleError> {
    let clock = Clock::start();
    let roots = Roots { proc: config.proc_root.clone(), sys: config.sys_root.clone() };
    let mut health = Health::default();
    check_proc(&roots)?;
    let host = host::read(&roots);
    let boot_id = &*host.boot_id.clone().unwrap_or_default();
    let (mut history, journal) = open_history(&config, state_dir, boot_id, clock, &mut health)?;
    let cgroup_layout = open_cgroups(&roots, &mut health);
    let connector = open_connector(&roots, &mut health);
    let (shelf, checkpoint) = open_shelf(&config, state_dir, &mut health);
    let unheard = checkpoint.as_ref().map(|checkpoint| checkpoint.unheard_since(boot_id));
    let oom_log = open_oom_log(&roots, unheard, &mut health);
    let oom_marks = open_oom_marks(&config, &mut health);
    describe_smaps(&config, &mut health);
    health.ok("cpu_budget", "all targets at their own pace");
    let descriptors = descriptors(&config, &mut health);
    let pressure = open_pressure(&config, &roots, cgroup_layout.clone(), clock, &mut health);
    let redactor = Redactor::new(&config.privacy.redact);
    let deep =
        crate::sampler::Deep::start(roots.clone(), redactor).map_err(AssembleError::Thread)?;
    let node = Node::new(host, &mut history, clock.now());
    let heard_from = heard_from(checkpoint.as_ref(), boot_id);
    let black_box = Writer::start(Arc::clone(&shelf)).map_err(AssembleError::Thread)?;
    let mut state = State::new(config, clock, node, history, cgroup_layout, health);
    state.counters.kept_fds_max = descriptors.kept;
    state.senses.most = descriptors.senses;
    state.pressure = pressure;
    state.shelf = shelf;
    if let Some(checkpoint) = checkpoint.filter(|checkpoint| checkpoint.boot_id == boot_id) {
        let pins = checkpoint.pins.into_iter();
        state.recorder.pins.restore(pins.filter_map(|record| record.into_pin()));
    }
    Ok(Sampler {
        state: Arc::new(Mutex::new(state)),
        discovery: crate::sampler::Discovery::new(roots.clone(), connector),
        roots,
        deep,
        oom_log,
        oom_marks,
        journal,
        black_box,
        heard_from,
        page_size: Bytes(rustix::param::page_size() as u64),
    })
}

/// What the descriptors may be used for.
#[derive(Clone, Copy, Debug)]
struct Descriptors {
    /// Files of /proc and cgroups kept open.
    kept: usize,
    /// Cgroups that are listened to.
    senses: usize,
}

/// The pressure signal. A socket that cannot be had is tried again by the sampler.
fn open_pressure(
    config: &Config,
    roots: &Roots,
    layout: Option<Arc<Layout>>,
    clock: Clock,
    health: &mut Health,
) -> Service {
    if !config.pressure.enabled {
        health.off("pressure", "pressure.enabled = false");
        return Service::off();
    }
    let roots = roots.clone();
    let locate = move |pid: u32| {
        let lines = read_cgroup(&roots, pid).ok()?;
        let path = layout.as_ref()?.path_of(lines.memory.as_deref(), lines.unified.as_deref())?;
        Some(path.into_owned())
    };
    let now = clock.now();
    let epoch = u64::try_from(clock.unix_ms(now)).unwrap_or(1);
    Service::new(&config.pressure, epoch, Arc::new(locate), now)
}

fn check_proc(roots: &Roots) -> Result<(), AssembleError> {
    list_pids(roots, &mut Vec::new())
        .map_err(|what| AssembleError::NoProc { proc: roots.proc.display().to_string(), what })
}

/// The history from disk and the journal that goes on writing it; from nothing, and with none, if
/// it is not to be kept or cannot be.
fn open_history(
    config: &Config,
    state_dir: Option<&Path>,
    boot_id: &str,
    clock: Clock,
    health: &mut Health,
) -> Result<(History, Option<Journal>), AssembleError> {
    let params = HistoryParams { ram_budget: config.history.ram_budget };
    let Some(dir) = state_dir.filter(|_| config.history.persist) else {
        health.off("history", "nothing is kept on disk: a restart begins anew");
        return Ok((History::new(params), None));
    };
    let journal = JournalParams {
        dir: dir.to_owned(),
        disk_budget: config.history.disk_budget,
        history: params.clone(),
    };
    match Journal::load(&journal, Boot::new(boot_id, clock), clock.now()) {
        Ok((journal, loaded)) => {
            for note in &loaded.notes {
                tracing::warn!(note, "history on disk");
            }
            let series = loaded.history.stats().series;
            tracing::info!(dir = %dir.display(), series, "history loaded");
            health.ok("history", format!("kept in {}", dir.display()));
            Ok((loaded.history, Some(journal)))
        }
        Err(what @ JournalError::Locked(_)) => Err(AssembleError::StateDir(what)),
        Err(what) => {
            health.degraded("history", "RAM only", what.to_string());
            Ok((History::new(params), None))
        }
    }
}

fn open_cgroups(roots: &Roots, health: &mut Health) -> Option<Arc<Layout>> {
    match Layout::detect(roots) {
        Ok(layout) => {
            health.ok("cgroup", layout.describe());
            Some(Arc::new(layout))
        }
        Err(e) => {
            health.unavailable("cgroup", format!("{e}; limits are not known"));
            None
        }
    }
}

fn open_connector(roots: &Roots, health: &mut Health) -> Option<Connector> {
    if roots.proc != Path::new("/proc") {
        health.off("proc_events", "events name the pids of this namespace, not of --proc-root");
        return None;
    }
    match Connector::open() {
        Ok(connector) => {
            health.ok("proc_events", "every fork, exec and exit");
            Some(connector)
        }
        Err(e) => {
            health.unavailable("proc_events", format!("{e}; /proc is rescanned more often"));
            None
        }
    }
}

/// The incidents of earlier runs, and what the last one left to be known.
fn open_shelf(
    config: &Config,
    state_dir: Option<&Path>,
    health: &mut Health,
) -> (Arc<Shelf>, Option<Checkpoint>) {
    let Some(dir) = state_dir.filter(|_| config.history.persist) else {
        health.off("incidents", "nothing is kept on disk: the newest 8 are in RAM");
        return (Arc::new(Shelf::in_memory()), None);
    };
    let (shelf, notes) = Shelf::open(ShelfParams {
        dir: Some(dir.to_owned()),
        incidents_max: config.recorder.incidents_max,
        disk_budget: config.recorder.disk_budget,
    });
    for note in notes {
        tracing::warn!(note, "incidents on disk");
    }
    health.ok("incidents", format!("{} kept in {}", shelf.len(), dir.display()));
    (Arc::new(shelf), read_checkpoint(dir))
}

/// Where this state directory's interest in the kernel log begins: with the first run on this boot,
/// or with the boot itself if an earlier one had a run.
fn heard_from(checkpoint: Option<&Checkpoint>, boot_id: &str) -> Stamp {
    match checkpoint {
        Some(checkpoint) if checkpoint.boot_id == boot_id => Stamp(checkpoint.began_ms),
        Some(_) => Stamp(0),
        None => monotonic(),
    }
}

fn open_oom_log(roots: &Roots, unheard: Option<Stamp>, health: &mut Health) -> Option<OomLog> {
    let opened = match unheard {
        Some(since) => OomLog::open_since(roots, since),
        None => OomLog::open(roots),
    };
    match opened {
        Ok(log) => {
            health.ok("oom_log", format!("kills with victim and cgroup, by {}", log.how()));
            Some(log)
        }
        Err(e) => {
            health.degraded("oom_log", "the count of kills in vmstat", e.to_string());
            None
        }
    }
}

/// Victims by BPF. What is refused is no lack: the log tells, else the counters.
fn open_oom_marks(config: &Config, health: &mut Health) -> Option<OomMarks> {
    if !config.sampling.bpf {
        health.off("bpf", "sampling.bpf = off");
        return None;
    }
    match OomMarks::open() {
        Ok(marks) => {
            health.ok("bpf", marks.describe());
            Some(marks)
        }
        Err(why) => {
            health.off("bpf", why);
            None
        }
    }
}

fn describe_smaps(config: &Config, health: &mut Health) {
    if config.sampling.pss {
        health.ok("smaps", "PSS, USS and huge pages, under the stall budget");
    } else {
        health.off("smaps", "sampling.pss = false");
    }
}

/// Raises the soft limit of descriptors to the hard one and says how many may be kept.
fn descriptors(config: &Config, health: &mut Health) -> Descriptors {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let open_max = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let open_max = open_max.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let subscribers = if config.pressure.enabled { config.pressure.subscribers_max } else { 0 };
    let room = open_max.saturating_sub(FDS_RESERVED);
    // Where descriptors are few, sampling comes first: the senses are a help beside it.
    let senses = config.sampling.senses_max.min(room / 8);
    let kept = room.saturating_sub(senses * FDS_OF_SENSE).saturating_sub(subscribers.min(room / 4));
    let kept = config.sampling.kept_fds_max.min(kept);
    health.ok("descriptors", format!("up to {kept} files kept open"));
    Descriptors { kept, senses }
}
