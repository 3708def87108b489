//! `plimsoll run`: assemble, start, serve, reload when told to, wait for a signal, drain.

use super::assemble::{AssembleError, assemble};
use super::desk::Desk;
use super::reload::{self, Parts, Relevel, Reloader};
use super::routing;
use super::{exporting, naming, supervisor};
use crate::api::{self, ApiSettings, Guard, MetricsSettings, Reload, RuleFaults, Rules};
use crate::config::{Config, Request};
use crate::sampler;
use plimsoll_probe::Probe;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Bind(#[from] api::BindRefused),
    #[error(transparent)]
    Rules(#[from] RuleFaults),
    #[error(
        "cannot listen on {address}: {what}; is an agent running already? (--listen gives another \
         address)"
    )]
    Listen { address: SocketAddr, what: std::io::Error },
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    #[error("cannot start: {0}")]
    Start(std::io::Error),
    #[error("the sampler ended by a fault of its own; what it said is in the log")]
    SamplerEnded,
}

impl RunError {
    /// Whether the configuration is to blame.
    #[must_use]
    pub const fn is_bad_config(&self) -> bool {
        matches!(self, Self::Bind(_) | Self::Rules(_))
    }
}

/// What an agent is started with.
pub struct Start {
    pub config: Config,
    /// Where the configuration came from and comes from again.
    pub request: Request,
    pub state_dir: Option<PathBuf>,
    /// Sets the level of the log.
    pub relevel: Relevel,
}

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start").field("state_dir", &self.state_dir).finish_non_exhaustive()
    }
}

/// Runs the agent until SIGINT or SIGTERM; SIGHUP has it read its configuration anew.
///
/// `announce` is told the address once it is listening, for the line that says where to look, and
/// whether it speaks TLS.
///
/// # Errors
/// When it cannot start. Once started it ends only by a signal.
pub fn run(start: Start, announce: impl FnOnce(SocketAddr, bool)) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Start)?;
    runtime.block_on(serve(start, announce))
}

/// Reads who may ask for what, and listens where that permits it.
async fn listen(config: &Config) -> Result<(TcpListener, SocketAddr, Arc<Guard>), RunError> {
    let address = config.http.listen;
    let rules = Rules::load(config, address)?;
    api::check_bind(address, config.http.insecure, rules.has_auth())?;
    let listener =
        TcpListener::bind(address).await.map_err(|what| RunError::Listen { address, what })?;
    let address = listener.local_addr().map_err(RunError::Start)?;
    if rules.has_auth() && !rules.has_tls() && !address.ip().to_canonical().is_loopback() {
        tracing::warn!(%address, "tokens and passwords go over the network in clear: see TLS");
    }
    Ok((listener, address, Arc::new(Guard::new(rules))))
}

async fn serve(start: Start, announce: impl FnOnce(SocketAddr, bool)) -> Result<(), RunError> {
    let Start { config, request, state_dir, relevel } = start;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Start)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Start)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(RunError::Start)?;
    let (listener, address, guard) = listen(&config).await?;
    let sampler = assemble(config.clone(), state_dir.as_deref())?;
    let routing = routing::start(&config, state_dir.clone(), &sampler.state);
    let routing = routing.map_err(RunError::Start)?;
    let state = Arc::clone(&sampler.state);
    naming::start(&mut state.lock()).map_err(RunError::Start)?;
    let desk = || Desk::new(Arc::clone(&state), Some(Arc::clone(&routing.routing)));
    let export = exporting::start(&config, state_dir.as_deref(), desk());
    let export = export.map_err(RunError::Start)?;
    let exporter = export.as_ref().map(|export| Arc::clone(&export.exporter));
    let desk = Arc::new(desk().with_export(exporter));
    let mut handle = sampler::start(sampler).map_err(RunError::Start)?;
    // Heap reports of the agent itself ask it for the allocator's own figures.
    let failed = |why: &_| tracing::debug!("no probe: {why}");
    let probe = || Probe::start("plimsoll").inspect_err(failed).ok();
    let probe = config.probe.enabled.then(probe).flatten();
    let metrics = MetricsSettings {
        cadvisor_names: config.prometheus.cadvisor_names,
        cpu_budget: config.sampling.cpu_budget,
    };
    let shared = Arc::clone(&state);
    let parts = Parts { request, listening: address, guard: Arc::clone(&guard), state, relevel };
    let reloader = Arc::new(Reloader::new(parts, config));
    let reload: Arc<dyn Reload> = Arc::clone(&reloader) as Arc<dyn Reload>;
    let settings = ApiSettings { guard: Arc::clone(&guard), reload: Some(reload), metrics };
    let living = tokio::spawn(supervisor::watchdog(Arc::clone(&shared)));
    let watching = tokio::spawn(reload::watch(Arc::clone(&reloader)));
    let hearing = tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            reload::reload(&reloader, "signal").await;
        }
    });
    let mut faulty = false;
    announce(address, guard.rules().has_tls());
    supervisor::ready(address);
    api::serve(listener, api::router(desk, settings), guard, async {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
            _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
            () = handle.ended() => faulty = true,
        }
    })
    .await;
    supervisor::stopping();
    living.abort();
    watching.abort();
    hearing.abort();
    if let Some(export) = export {
        export.stop();
    }
    naming::stop(&shared.lock());
    handle.stop();
    routing.stop();
    drop(probe);
    if faulty { Err(RunError::SamplerEnded) } else { Ok(()) }
}
