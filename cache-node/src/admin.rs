//! The admin side by HTTP: `/metrics`, `/healthz`, `/readyz`. It reads figures and changes
//! nothing but, by `POST /snapshot`, the file of `-e`.
//!
//! One thread with a runtime of its own, so that no scrape holds up a client of the cache. That its
//! address is taken is said and does not keep the cache from serving.

mod connections;
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
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

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
#[must_use]
pub fn start(address: SocketAddr, desk: Desk) -> Option<Admin> {
    match try_start(address, desk) {
        Ok(admin) => {
            tracing::info!(address = %admin.address, "admin: /metrics, /healthz, /readyz");
            Some(admin)
        }
        Err(error) => {
            tracing::warn!(%error, %address, "no admin side; --admin gives another address");
            None
        }
    }
}

fn try_start(address: SocketAddr, desk: Desk) -> std::io::Result<Admin> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(address))?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    let router = router(desk);
    let thread = std::thread::Builder::new().name("admin".into()).spawn(move || {
        // An error means that the other end is gone, which is a stop too.
        runtime.block_on(connections::serve(listener, router, async { drop(stopped.await) }));
    })?;
    Ok(Admin { address, stop: Some(stop), thread: Some(thread) })
}

fn router(desk: Desk) -> Router {
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
}

/// A page elsewhere could make a browser post here; browsers say where such a request comes from.
async fn snapshot(State(desk): State<Desk>, headers: HeaderMap) -> (StatusCode, &'static str) {
    if headers.contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, "not for web pages\n");
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
