//! Connections of the admin side: few, timed, and cut at the end.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Connections open at once; more wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 32;
/// For all of a request's head to arrive, and for a kept-alive connection to stay silent.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// A connection does not live longer, whether its client reads or not.
const LIFE_MAX: Duration = Duration::from_secs(300);
/// Units: bytes of request head, and of unsent response that is held.
const BUFFER_BYTES_MAX: usize = 32 << 10;
const HEADERS_MAX: usize = 64;
/// Before accepting again when it failed, which mostly is a lack of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Serves `router` until `stop`; what is open then is cut.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(tokio::time::timeout(LIFE_MAX, one(stream, router.clone())));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an admin connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            },
        }
    }
}

/// Serves one connection. Its errors are the client's and are not worth a line in the log.
async fn one(stream: TcpStream, router: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX);
    let _ = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
}
