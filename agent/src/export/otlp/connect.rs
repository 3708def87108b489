//! A connection for one request: TCP, TLS if asked for, HTTP/1.1 or HTTP/2, and the answer.
//!
//! Each request has a connection of its own: there is one a minute, and a collector that was
//! replaced, moved or scaled is met anew by the next.

use super::endpoint::Endpoint;
use crate::config::ExportConfig;
use crate::sources::read_bounded;
pub(super) use crate::wire::Reply;
use crate::wire::{PEM_BYTES_MAX, certificates, over};
use axum::http::Request;
use http_body_util::Full;
use hyper::body::Bytes;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Of an answer this much is read: what it says is a courtesy where the status says it all; gRPC's
/// status is in the trailers, and without them it counts as failed. Units: bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

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
        return over(tcp, h2, request, ANSWER_BYTES_MAX).await;
    }
    let name = ServerName::try_from(to.host.clone()).map_err(|e| e.to_string())?;
    let connector = TlsConnector::from(Arc::new(tls(config, h2)?));
    let stream = connector.connect(name, tcp).await.map_err(|e| format!("TLS: {e}"))?;
    if h2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err("TLS: the other side does not speak HTTP/2, which gRPC needs".to_owned());
    }
    over(stream, h2, request, ANSWER_BYTES_MAX).await
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
