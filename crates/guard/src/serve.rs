//! Connections: accepted up to a limit, encrypted if wanted, timed, and drained on shutdown.

use crate::stall::Unstalled;
use crate::tls::Tls;
use axum::http::Request;
use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// For all of a request's head to arrive, and for a kept-alive connection to stay silent.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// For all of a TLS handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Units: bytes of request head, and of unsent response that is held.
const BUFFER_BYTES_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;
/// From the shutdown signal until open connections are cut.
const GRACE: Duration = Duration::from_secs(3);
/// Before accepting again when it failed, which mostly is a lack of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// It has shown a certificate of the client CA.
    pub certified: bool,
}

/// Tells event streams that the server is shutting down.
#[derive(Clone, Debug)]
pub struct Draining(watch::Receiver<bool>);

impl Draining {
    /// Waits for the shutdown; for ever if there is nobody to announce one.
    pub async fn begun(draining: Option<&mut Self>) {
        match draining {
            // An error means that the server is gone, which is a shutdown too.
            Some(Self(receiver)) => drop(receiver.wait_for(|begun| *begun).await),
            None => std::future::pending().await,
        }
    }
}

/// What a server is besides what it answers.
#[derive(Clone)]
pub struct Server {
    /// Connections open at once; more wait in the kernel's backlog.
    pub connections_max: usize,
    /// A connection does not live longer, whatever it does; None: it may.
    pub life_max: Option<Duration>,
    /// What the next connection is opened by; None: in clear.
    pub tls: Arc<dyn Fn() -> Option<Tls> + Send + Sync>,
    /// Called for each handshake that failed.
    pub no_handshake: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("connections_max", &self.connections_max).finish()
    }
}

impl Server {
    /// Serves `router` until `shutdown`, then lets requests under way finish within 3 s. Event
    /// streams end at once.
    pub async fn serve(
        self,
        listener: TcpListener,
        router: Router,
        shutdown: impl Future<Output = ()>,
    ) {
        let (announce, draining) = watch::channel(false);
        let draining = Draining(draining);
        let router = router.layer(Extension(draining.clone()));
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let has_room = connections.len() < self.connections_max;
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if has_room => match accepted {
                    Ok((stream, address)) => {
                        let peer = Peer { address, certified: false };
                        let (own, router) = (self.clone(), router.clone());
                        connections.spawn(own.one(stream, peer, router, draining.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                },
            }
        }
        drop(listener);
        announce.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, drained).await.is_err() {
            tracing::info!("connections still open after {GRACE:?} are cut");
        }
    }

    async fn one(self, stream: TcpStream, peer: Peer, router: Router, draining: Draining) {
        match self.life_max {
            // That it was cut is told to nobody: it has lived long enough.
            Some(life) => {
                let served = self.connection(stream, peer, router, draining);
                let _ = tokio::time::timeout(life, served).await;
            }
            None => self.connection(stream, peer, router, draining).await,
        }
    }

    /// Serves one connection. Its errors are the client's and are not worth a line in the log.
    async fn connection(
        &self,
        stream: TcpStream,
        mut peer: Peer,
        router: Router,
        draining: Draining,
    ) {
        // Without it small responses may wait for an acknowledgement; with an error nothing is
        // lost.
        let _ = stream.set_nodelay(true);
        let Some(tls) = (self.tls)() else {
            return requests(Unstalled::new(stream), peer, router, draining).await;
        };
        match encrypted(stream, &tls).await {
            Ok((stream, certified)) => {
                peer.certified = certified;
                requests(stream, peer, router, draining).await;
            }
            Err(why) => {
                (self.no_handshake)();
                tracing::debug!(peer = %peer.address, why, "no TLS connection");
            }
        }
    }
}

type Encrypted = tokio_rustls::server::TlsStream<Unstalled<TcpStream>>;

/// Shakes hands; also says whether the client has shown a certificate.
async fn encrypted(stream: TcpStream, tls: &Tls) -> Result<(Encrypted, bool), String> {
    let acceptor = TlsAcceptor::from(Arc::clone(&tls.config));
    let accepted = acceptor.accept(Unstalled::new(stream));
    let stream = tokio::time::timeout(HANDSHAKE_TIME, accepted)
        .await
        .map_err(|_| "the handshake took too long".to_owned())?
        .map_err(|e| e.to_string())?;
    let certified = tls.admits(stream.get_ref().1.peer_certificates())?;
    Ok((stream, certified))
}

/// Answers what comes over `stream` until it ends or the server does.
async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
    mut draining: Draining,
) {
    let io = TokioIo::new(stream);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX);
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request
    });
    let mut served = pin!(http.serve_connection(io, TowerToHyperService::new(service)));
    tokio::select! {
        _ = &mut served => return,
        () = Draining::begun(Some(&mut draining)) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = served.await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    /// A server, the way to stop it, and its task.
    async fn start(
        router: Router,
    ) -> (TcpStream, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let open = Server {
            connections_max: 8,
            life_max: None,
            tls: Arc::new(|| None),
            no_handshake: Arc::new(|| ()),
        };
        let server = open.serve(listener, router, async { drop(stopped.await) });
        let server = tokio::spawn(server);
        (TcpStream::connect(address).await.unwrap(), stop, server)
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered_after_the_shutdown_signal() {
        let (enter, mut entered) = tokio::sync::mpsc::channel(1);
        let router = Router::new().route(
            "/",
            get(async move |Extension(mut draining): Extension<Draining>| {
                enter.send(()).await.unwrap();
                Draining::begun(Some(&mut draining)).await;
                "finished"
            }),
        );
        let (mut client, stop, server) = start(router).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        entered.recv().await.unwrap();
        stop.send(()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.ends_with("finished"), "{answer}");
        server.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_never_ends_is_cut_after_the_grace_time() {
        let router = Router::new().route("/", get(std::future::pending::<()>));
        let (mut client, stop, server) = start(router).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        stop.send(()).unwrap();
        let begun = tokio::time::Instant::now();
        server.await.unwrap();
        assert!(begun.elapsed() <= GRACE + Duration::from_millis(10), "{:?}", begun.elapsed());
        assert_eq!(client.read(&mut [0; 16]).await.unwrap_or(0), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_arrives_too_slowly_closes_the_connection() {
        let (mut client, _stop, _server) = start(Router::new()).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
        let begun = tokio::time::Instant::now();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(begun.elapsed() >= HEAD_TIME, "closed after {:?}", begun.elapsed());
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
}
