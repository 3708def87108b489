//! Asks the kubelet of this node for its pods: `GET /pods`, and nothing else.
//!
//! The token and the certificates are read for each request, so that what was rotated is used at
//! once. The token goes over TLS only. Redirects are not followed. What is said of a failure holds
//! neither the token nor more than a line of the answer.

use super::podlist;
use crate::alert::plain;
use crate::sources::read_bounded;
use crate::wire::{Reply, certificates, over};
use crate::workload::names::Pod;
use axum::http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use hyper::body::Bytes;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An answer may be this long: 500 pods with all their fields have about 8 MiB. Units: bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// Of what the kubelet says of a refusal this much is told. Units: characters.
const TOLD_CHARS_MAX: usize = 160;

/// Where a kubelet is, and how it is asked.
#[derive(Clone, Debug)]
pub struct Kubelet {
    /// Scheme, host and port; a path is not used.
    pub url: String,
    pub token_file: PathBuf,
    pub ca_file: PathBuf,
    /// Believes any certificate.
    pub insecure: bool,
}

impl Kubelet {
    /// All pods of the node.
    ///
    /// # Errors
    /// What failed, and what to do.
    pub(super) async fn pods(&self) -> Result<Vec<Pod>, String> {
        let wrong = || format!("{} is no address", self.url);
        let uri: Uri = self.url.parse().map_err(|_| wrong())?;
        let host = uri.host().ok_or_else(wrong)?;
        let tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if tls { 10_250 } else { 10_255 });
        let request = self.request(&format!("{host}:{port}"), tls)?;
        let bare = host.trim_matches(['[', ']']);
        let tcp = TcpStream::connect((bare, port)).await;
        let tcp = tcp.map_err(|e| format!("{host}:{port}: {e}"))?;
        let reply = if tls {
            let name = ServerName::try_from(bare.to_owned()).map_err(|_| wrong())?;
            let connector = TlsConnector::from(Arc::new(self.tls()?));
            let stream = connector.connect(name, tcp).await.map_err(|e| {
                format!(
                    "TLS: {e}; the kubelet's certificate must be of kubernetes.ca_file, or say \
                     kubernetes.insecure_skip_verify"
                )
            })?;
            over(stream, false, request, ANSWER_BYTES_MAX).await?
        } else {
            over(tcp, false, request, ANSWER_BYTES_MAX).await?
        };
        judge(&reply)
    }

    fn request(&self, authority: &str, tls: bool) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::get("/pods")
            .header(header::HOST, authority)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("plimsoll/", env!("CARGO_PKG_VERSION")));
        if tls {
            request = request.header(header::AUTHORIZATION, self.authorization()?);
        }
        request.body(Full::default()).map_err(|e| e.to_string())
    }

    fn authorization(&self) -> Result<HeaderValue, String> {
        let bytes =
            read_bounded(&self.token_file, TOKEN_BYTES_MAX).map_err(|e| format!("token: {e}"))?;
        let token = String::from_utf8(bytes).unwrap_or_default();
        let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let good = value.ok().filter(|_| !token.trim().is_empty());
        let mut value =
            good.ok_or_else(|| format!("{} holds no token", self.token_file.display()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn tls(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?;
        if self.insecure {
            let anybody = Arc::new(Anybody(provider));
            return Ok(builder
                .dangerous()
                .with_custom_certificate_verifier(anybody)
                .with_no_client_auth());
        }
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca_file)? {
            roots.add(certificate).map_err(|e| format!("{}: {e}", self.ca_file.display()))?;
        }
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

fn judge(reply: &Reply) -> Result<Vec<Pod>, String> {
    let said = || {
        let text = String::from_utf8_lossy(&reply.body);
        let line = plain(text.lines().next().unwrap_or_default());
        line.chars().take(TOLD_CHARS_MAX).collect::<String>()
    };
    match reply.status {
        200 if !reply.is_whole => {
            let mib = ANSWER_BYTES_MAX >> 20;
            Err(format!("the answer broke off, or is longer than {mib} MiB"))
        }
        200 => podlist::parse(&reply.body),
        401 => Err("the kubelet does not know the token (401): it must be a ServiceAccount's of \
                    this cluster, and the kubelet must have webhook authentication"
            .to_owned()),
        403 => Err(format!(
            "the kubelet refused (403 {}): the ServiceAccount needs `get` on nodes/pods, before \
             Kubernetes 1.33 on nodes/proxy",
            said()
        )),
        status => Err(format!("the kubelet answered {status} {}", said()).trim_end().to_owned()),
    }
}

/// Believes every certificate whose owner can sign with it: kubelets that sign their own.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
