//! One request over a connection that stands: HTTP/1.1 or HTTP/2 over anything that bytes go
//! through, and what TLS of a client needs.
//!
//! The connection is the caller's, and so is the time it may take. No redirect is followed, no
//! proxy used; of an answer no more is read than the caller bears.

use crate::sources::read_bounded;
use axum::http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncWrite};

/// Of a file with certificates or keys this much is read. Units: bytes.
pub(crate) const PEM_BYTES_MAX: usize = 4 << 20;

/// An answer as it came.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Empty where it could not be had whole.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    /// The body came to its end within its bound.
    pub(crate) is_whole: bool,
}

/// Sends `request` and waits for the answer, of which at most `bytes_max` are read.
pub(crate) async fn over<S>(
    stream: S,
    h2: bool,
    request: Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<Reply, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let said = |e: hyper::Error| in_words(&e);
    if h2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.map_err(said)?;
        let connection = Ends(tokio::spawn(connection).abort_handle());
        let response = sender.send_request(request).await.map_err(said)?;
        return Ok(reply(response, connection, bytes_max).await);
    }
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(said)?;
    let connection = Ends(tokio::spawn(connection).abort_handle());
    let response = sender.send_request(request).await.map_err(said)?;
    Ok(reply(response, connection, bytes_max).await)
}

/// The task of a connection, which ends with it.
struct Ends(tokio::task::AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn reply(response: Response<Incoming>, _connection: Ends, bytes_max: usize) -> Reply {
    let (head, body) = response.into_parts();
    let mut reply =
        Reply { status: head.status.as_u16(), headers: head.headers, ..Reply::default() };
    if let Ok(collected) = Limited::new(body, bytes_max).collect().await {
        reply.trailers = collected.trailers().cloned().unwrap_or_default();
        reply.body = collected.to_bytes().into();
        reply.is_whole = true;
    }
    reply
}

/// The certificates in a file.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
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
