//! `plimsoll run`: assemble, start, serve, wait for a signal, drain.

use super::assemble::{AssembleError, assemble};
use super::desk::Desk;
use super::exporting;
use super::routing;
use crate::api::{self, ApiSettings, HeapPermission};
use crate::config::Config;
use crate::sampler;
use plimsoll_probe::Probe;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Bind(#[from] api::BindRefused),
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

/// Who may ask for heap reports.
fn heap_permission(config: &Config, listening: SocketAddr) -> HeapPermission {
    let reports = &config.reports;
    HeapPermission {
        open: listening.ip().to_canonical().is_loopback(),
        level_max: reports.http_level_max,
        token_file: reports.token_file.clone(),
        max_pause: reports.max_pause,
        window: reports.window,
    }
}

/// Runs the agent until SIGINT or SIGTERM.
///
/// `announce` is told the address once it is listening, for the line that says where to look.
///
/// # Errors
/// When it cannot start. Once started it ends only by a signal.
pub fn run(
    config: Config,
    state_dir: Option<&Path>,
    announce: impl FnOnce(SocketAddr),
) -> Result<(), RunError> {
    api::check_bind(config.http.listen, config.http.insecure, false)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Start)?;
    runtime.block_on(async {
        let address = config.http.listen;
        let listener =
            TcpListener::bind(address).await.map_err(|what| RunError::Listen { address, what })?;
        let address = listener.local_addr().map_err(RunError::Start)?;
        let settings = ApiSettings {
            allowed_hosts: config.http.allowed_hosts.clone(),
            listen: address,
            heap: heap_permission(&config, address),
            silences: address.ip().to_canonical().is_loopback() || config.alerts.remote_silences,
        };
        let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Start)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Start)?;
        let sampler = assemble(config.clone(), state_dir)?;
        let routing = routing::start(&config, state_dir.map(Path::to_owned), &sampler.state)
            .map_err(RunError::Start)?;
        let desk = || Desk::new(Arc::clone(&sampler.state), Some(Arc::clone(&routing.routing)));
        let export = exporting::start(&config, state_dir, desk()).map_err(RunError::Start)?;
        let exporter = export.as_ref().map(|export| Arc::clone(&export.exporter));
        let desk = Arc::new(desk().with_export(exporter));
        let mut handle = sampler::start(sampler).map_err(RunError::Start)?;
        // Heap reports of the agent itself ask it for the allocator's own figures.
        let failed = |why: &_| tracing::debug!("no probe: {why}");
        let probe = || Probe::start("plimsoll").inspect_err(failed).ok();
        let probe = config.probe.enabled.then(probe).flatten();
        let mut faulty = false;
        announce(address);
        api::serve(listener, api::router(desk, settings), async {
            tokio::select! {
                _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
                _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
                () = handle.ended() => faulty = true,
            }
        })
        .await;
        if let Some(export) = export {
            export.stop();
        }
        handle.stop();
        routing.stop();
        drop(probe);
        if faulty { Err(RunError::SamplerEnded) } else { Ok(()) }
    })
}
