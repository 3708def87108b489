//! `plimsoll demo`: real programs that leak, level off and saw, and the agent telling them apart.
//!
//! Each program is this binary again, in a memory cgroup of its own where that is allowed, as a
//! plain process otherwise. Everything is taken away again at the end, also when interrupted; the
//! programs die with the demo even if it is killed.

mod cage;
pub mod program;
mod show;

use super::assemble::assemble;
use super::desk::Desk;
use crate::api::{self, ApiSettings, MetricsSettings};
use crate::config::Config;
use crate::sampler;
use crate::sources::Roots;
use crate::sources::process::statm;
use crate::units::Bytes;
use crate::verdict::State;
use crate::view::{ProcessDetail, Watch as _};
use cage::Cages;
use program::Shape;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The limit of each program's cgroup. Units: bytes.
pub const LIMIT: Bytes = Bytes::mib(128);

/// A line is shown at least this often, and whenever the agent changes its mind.
const LINE_EVERY: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
pub struct DemoSettings {
    pub duration: Duration,
    /// Goes on serving the page after the verdict, until interrupted.
    pub keep_serving: bool,
    pub listen: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("cannot start the demo: {0}")]
    Start(#[from] std::io::Error),
    #[error(transparent)]
    Assemble(#[from] super::assemble::AssembleError),
    #[error("cannot listen on {0}: {1}; --listen gives another address")]
    Listen(SocketAddr, std::io::Error),
}

/// One running program and what was seen of it.
#[derive(Debug)]
struct Actor {
    shape: Shape,
    child: Child,
    /// Read when a line is shown, for the agent reads what is quiet less often.
    rss: Option<Bytes>,
    seen: Vec<(Duration, State)>,
    last: Option<ProcessDetail>,
    ended_after: Option<Duration>,
    /// When the end was first foretold, and for when. Times since the demo's start.
    foretold: Option<(Duration, Duration)>,
    /// What the last line said of it.
    shown: Seen,
}

/// What of a program is news when it changes: the agent's opinion, and whether it has ended.
type Seen = (Option<State>, bool);

impl Actor {
    /// The agent is right about a leak if it suspected it, and about the others if it never did.
    fn told_right(&self) -> bool {
        let suspected = self.seen.iter().any(|(_, state)| *state >= State::LeakSuspected);
        suspected == (self.shape == Shape::Leak)
    }

    fn now_seen(&self) -> Seen {
        (self.seen.last().map(|(_, state)| *state), self.ended_after.is_some())
    }

    fn has_news(&self) -> bool {
        self.shown != self.now_seen()
    }
}

/// Runs the demo. True if the agent told all programs apart.
///
/// # Errors
/// When the agent or a program cannot be started.
pub fn run(settings: DemoSettings, out: &mut impl Write) -> Result<bool, DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(play(settings, out))
}

async fn play(settings: DemoSettings, out: &mut impl Write) -> Result<bool, DemoError> {
    let mut config = Config::default();
    config.history.persist = false;
    // Its programs subscribe to nothing, and the socket may be another agent's.
    config.pressure.enabled = false;
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|e| DemoError::Listen(settings.listen, e))?;
    let address = listener.local_addr()?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupted = std::pin::pin!(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    });

    let cpu_budget = config.sampling.cpu_budget;
    let sampler = assemble(config, None)?;
    let desk = Arc::new(Desk::new(Arc::clone(&sampler.state), None));
    let handle = sampler::start(sampler)?;
    let api = ApiSettings {
        metrics: MetricsSettings { cpu_budget, ..MetricsSettings::default() },
        ..ApiSettings::open(address)
    };
    let guard = Arc::clone(&api.guard);
    let router = api::router(Arc::clone(&desk) as Arc<dyn crate::view::Watch>, api);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(api::serve(listener, router, guard, async move {
        let _ = stopped.await;
    }));

    let cages = Cages::make(&Roots::default());
    let mut cast = Cast(start_all(&cages)?);
    show::opening(out, address, &cages)?;
    let started = tokio::time::Instant::now();
    let mut every = tokio::time::interval(Duration::from_secs(1));
    let mut finished = true;
    let mut next_line = Duration::ZERO;
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = &mut interrupted => { finished = false; break; }
        }
        let at = started.elapsed();
        for actor in &mut cast.0 {
            observe(actor, &desk, at);
        }
        let news = cast.0.iter().any(Actor::has_news);
        if news || next_line <= at {
            show::line(out, at, &cast.0)?;
            cast.0.iter_mut().for_each(|actor| actor.shown = actor.now_seen());
            next_line = at + LINE_EVERY;
        }
        let leak_over = cast.0.iter().any(|a| a.shape == Shape::Leak && a.ended_after.is_some());
        if at >= settings.duration || leak_over {
            break;
        }
    }
    if finished {
        show::closing(out, &cast.0)?;
    }
    if finished && settings.keep_serving {
        writeln!(out, "\nStill serving http://{address}/ (Ctrl-C ends it)")?;
        interrupted.await;
    }
    let right = cast.0.iter().all(Actor::told_right);
    drop(cast);
    drop(cages);
    if !finished {
        writeln!(out, "\nInterrupted; the programs and their cgroups are gone.")?;
    }
    let _ = stop.send(());
    let _ = server.await;
    handle.stop();
    Ok(finished && right)
}

/// The programs; none of them outlives this.
struct Cast(Vec<Actor>);

impl Drop for Cast {
    fn drop(&mut self) {
        for actor in &mut self.0 {
            // Fails only for what has ended already.
            let _ = actor.child.kill();
            let _ = actor.child.wait();
        }
    }
}

fn start_all(cages: &Cages) -> std::io::Result<Vec<Actor>> {
    let mut cast = Cast(Vec::new());
    for shape in [Shape::Leak, Shape::Plateau, Shape::Sawtooth] {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("demo-program").arg(shape.name()).stdin(Stdio::null()).stdout(Stdio::null());
        // jemalloc would keep freed memory for ten seconds, and there would be no sawtooth to see.
        command.env("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0");
        if let Some(cage) = cages.of(shape) {
            command.arg("--cgroup").arg(cage);
        }
        let child = command.spawn()?;
        cast.0.push(Actor {
            shape,
            child,
            rss: None,
            seen: Vec::new(),
            last: None,
            ended_after: None,
            foretold: None,
            shown: (None, false),
        });
    }
    Ok(std::mem::take(&mut cast.0))
}

fn observe(actor: &mut Actor, desk: &Desk, at: Duration) {
    if actor.ended_after.is_none() && matches!(actor.child.try_wait(), Ok(Some(_))) {
        actor.ended_after = Some(at);
        return;
    }
    actor.rss = rss_of(actor.child.id());
    let Some(detail) = desk.process(actor.child.id()) else { return };
    let state = detail.view.judgement.state;
    if actor.seen.last().map(|(_, last)| *last) != Some(state) {
        actor.seen.push((at, state));
    }
    if let (None, Some(eta)) = (actor.foretold, detail.view.judgement.eta_s) {
        let left = Duration::try_from_secs_f64(eta.p50).unwrap_or(Duration::MAX);
        actor.foretold = Some((at, at.saturating_add(left)));
    }
    actor.last = Some(detail);
}

fn rss_of(pid: u32) -> Option<Bytes> {
    let bytes = std::fs::read(format!("/proc/{pid}/statm")).ok()?;
    let page_size = Bytes(rustix::param::page_size() as u64);
    Some(statm::parse(&bytes).ok()?.resident.to_bytes(page_size))
}
