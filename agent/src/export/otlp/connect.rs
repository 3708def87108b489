//! A connection for one request: TCP, TLS if asked for, HTTP/1.1 or HTTP/2, and the answer.
//!
//! Each request has a connection of its own: there is one a minute, and a collector that was
//! replaced, moved or scaled is met anew by the next.

use super::endpoint::Endpoint;
use crate::config::ExportConfig;
use crate::sources::read_bounded;
use axum::http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Of an answer this much is read. Units: bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const PEM_BYTES_MAX: usize = 4 << 20;

/// An answer as it came.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) trailers: HeaderMap,
}

pub(super) async fn exchange(
    to: &Endpoint,
    config: &ExportConfig,
    h2: bool,
    request: Request<Full<Bytes>>,
) -> Result<Reply, String> {
    let tcp = TcpStream::connect((to.host.as_str(), to.port))
        .await
        .map_err(|e| format!("{}: {e}", to.authority()))?;
    // A request is one write; waiting for more would only delay it.
    let _ = tcp.set_nodelay(true);
    if !to.tls {
        return over(tcp, h2, request).await;
    }
    let name = ServerName::try_from(to.host.clone()).map_err(|e| e.to_string())?;
    let connector = TlsConnector::from(Arc::new(tls(config, h2)?));
    let stream = connector.connect(name, tcp).await.map_err(|e| format!("TLS: {e}"))?;
    if h2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err("TLS: the other side does not speak HTTP/2, which gRPC needs".to_owned());
    }
    over(stream, h2, request).await
}

async fn over<S>(stream: S, h2: bool, request: Request<Full<Bytes>>) -> Result<Reply, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let said = |e: hyper::Error| in_words(&e);
    let response = if h2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.map_err(said)?;
        let connection = Ends(tokio::spawn(connection).abort_handle());
        let response = sender.send_request(request).await.map_err(said)?;
        return reply(response, connection).await;
    } else {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(io).await.map_err(said)?;
        let connection = Ends(tokio::spawn(connection).abort_handle());
        (sender.send_request(request).await.map_err(said)?, connection)
    };
    reply(response.0, response.1).await
}

/// The task of a connection, which ends with it.
struct Ends(tokio::task::AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn reply(
    response: axum::http::Response<Incoming>,
    _connection: Ends,
) -> Result<Reply, String> {
    let (head, body) = response.into_parts();
    let mut reply =
        Reply { status: head.status.as_u16(), headers: head.headers, ..Reply::default() };
    // What it says is a courtesy where the status says it all; gRPC's status is in the trailers,
    // and without them it counts as failed.
    if let Ok(collected) = Limited::new(body, ANSWER_BYTES_MAX).collect().await {
        reply.trailers = collected.trailers().cloned().unwrap_or_default();
        reply.body = collected.to_bytes().to_vec();
    }
    Ok(reply)
}

fn tls(config: &ExportConfig, h2: bool) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &config.ca_file {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|e| format!("{}: {e}", path.display()))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots);
    let mut tls = match (&config.client_cert_file, &config.client_key_file) {
        (Some(cert), Some(key)) => {
            let pem = read_bounded(key, PEM_BYTES_MAX).map_err(|e| e.to_string())?;
            let key = PrivateKeyDer::from_pem_slice(&pem)
                .map_err(|_| format!("{} holds no private key in PEM", key.display()))?;
            builder.with_client_auth_cert(certificates(cert)?, key).map_err(|e| e.to_string())?
        }
        _ => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![if h2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(tls)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read_bounded(path, PEM_BYTES_MAX).map_err(|e| e.to_string())?;
    let all: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    if all.is_empty() {
        return Err(format!("{} holds no certificate in PEM", path.display()));
    }
    Ok(all)
}

/// An error with what caused it, which hyper leaves out of its own words.
fn in_words(error: &hyper::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
