//! The admin side by HTTP: `/metrics`, `/healthz`, `/readyz`. It reads figures and changes
//! nothing but, by `POST /snapshot`, the file of `-e`.
//!
//! One thread with a runtime of its own, so that no scrape holds up a client of the cache. That its
//! address is taken is said and does not keep the cache from serving; that strangers could come in
//! does. [`gate`] says who may ask for what.

mod gate;
mod metrics;
mod probes;
mod sheet;

use crate::clock::Clock;
use crate::control::Control;
use crate::protocol::Shared;
use crate::serve::Roster;
use crate::settings::Settings;
use crate::snapshot::{Asked, Live};
use crate::store::Store;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
pub use gate::Closed;
use gate::Gate;
use plimsoll_guard::{Caller, Server};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Connections open at once; more wait in the kernel's backlog. Each has one request under way.
const CONNECTIONS_MAX: usize = 32;
/// A connection does not live longer, whether its client reads or not.
const LIFE_MAX: Duration = Duration::from_secs(300);

const INDEX: &str = "\
plimsoll-cache: a memcached-compatible cache that gives memory back when it is told to.

/metrics          figures for Prometheus
/healthz          whether it answers at all
/readyz?verbose   whether it serves, and what holds it back
POST /snapshot    writes what is held to a file, while serving
";

/// What the figures are read from.
#[derive(Clone, Debug)]
pub struct Desk {
    pub store: Arc<Store>,
    pub shared: Arc<Shared>,
    pub clock: Arc<Clock>,
    pub settings: Arc<Settings>,
    pub control: Arc<Control>,
    pub roster: Arc<Roster>,
    /// None: there is no file to write to (`-e`).
    pub live: Option<Arc<Live>>,
}

/// The running admin side. Dropped, it ends.
#[derive(Debug)]
pub struct Admin {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Listens on `address` and answers. None if it cannot; the log says why.
///
/// # Errors
/// When the settings would let strangers in, or name a file that is bad.
pub fn start(address: SocketAddr, desk: Desk) -> Result<Option<Admin>, Closed> {
    let settings = &desk.settings;
    let gate = Gate::open(settings.admin_named.clone(), address, settings.admin_insecure)?;
    match try_start(address, desk, Arc::new(gate)) {
        Ok(admin) => {
            tracing::info!(address = %admin.address, "admin: /metrics, /healthz, /readyz");
            Ok(Some(admin))
        }
        Err(error) => {
            tracing::warn!(%error, %address, "no admin side; --admin gives another address");
            Ok(None)
        }
    }
}

fn try_start(address: SocketAddr, desk: Desk, gate: Arc<Gate>) -> std::io::Result<Admin> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(address))?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    let (tls, counts) = (Arc::clone(&gate), Arc::clone(&gate));
    let server = Server {
        connections_max: CONNECTIONS_MAX,
        life_max: Some(LIFE_MAX),
        tls: Arc::new(move || tls.tls()),
        no_handshake: Arc::new(move || counts.handshake_failed()),
    };
    let router = router(desk, gate);
    let thread = std::thread::Builder::new().name("admin".into()).spawn(move || {
        // An error means that the other end is gone, which is a stop too.
        runtime.block_on(server.serve(listener, router, async { drop(stopped.await) }));
    })?;
    Ok(Admin { address, stop: Some(stop), thread: Some(thread) })
}

fn router(desk: Desk, gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/", get(async || INDEX))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/snapshot", post(snapshot))
        .fallback(async |State(_): State<Desk>| -> Response {
            let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (StatusCode::NOT_FOUND, plain, "no such page; / lists those there are\n")
                .into_response()
        })
        .with_state(desk)
        .layer(Extension(Arc::clone(&gate)))
        .layer(from_fn_with_state(gate, gate::pass))
}

async fn snapshot(
    State(desk): State<Desk>,
    Extension(gate): Extension<Arc<Gate>>,
    caller: Option<Extension<Caller>>,
) -> (StatusCode, &'static str) {
    if !gate.may_change(caller.as_deref()) {
        return (StatusCode::FORBIDDEN, "this needs the scope admin\n");
    }
    match desk.live.as_ref().map(|live| live.ask()) {
        None => (
            StatusCode::NOT_FOUND,
            "there is no file to write to; -e or --snapshot-file names one\n",
        ),
        Some(Asked::Begun) => (StatusCode::ACCEPTED, "begun\n"),
        Some(Asked::UnderWay) => (StatusCode::CONFLICT, "one is being written\n"),
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends by itself; that it panicked was told when it did.
            let _ = thread.join();
        }
    }
}
