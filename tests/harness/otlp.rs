//! A strict receiver of OTLP: gRPC and HTTP on one port, in clear or by TLS.
//!
//! It reads requests with the messages that OpenTelemetry generates, answers as it is told, and
//! holds what came against [`strict`].

pub mod strict;

use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::http::{HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use parking_lot::Mutex;
use prost::Message as _;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// What a request held.
#[derive(Clone, Debug)]
pub enum Held {
    Metrics(ExportMetricsServiceRequest),
    Logs(ExportLogsServiceRequest),
    Traces(ExportTraceServiceRequest),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Taken {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub http2: bool,
    pub gzip: bool,
    /// What the request was answered with; only 200 counts as taken.
    pub status: u16,
    pub held: Held,
}

/// How requests are answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// 0 is taken for 200. Over gRPC 429 becomes RESOURCE_EXHAUSTED, 503 UNAVAILABLE, 400
    /// INVALID_ARGUMENT.
    pub status: u16,
    /// Units: seconds. A header over HTTP, `RetryInfo` over gRPC.
    pub retry_after: Option<u64>,
    /// Points that are said not to have been taken.
    pub rejected: i64,
}

#[derive(Debug, Default)]
struct State {
    answer: Answer,
    taken: Vec<Taken>,
    /// Of metrics only the first resource is kept: the node's.
    brief: bool,
}

type Shared = Arc<Mutex<State>>;

/// It listens until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    pub address: String,
    shared: Shared,
    // Dropped, it ends the server and its connections.
    _runtime: tokio::runtime::Runtime,
}

impl Receiver {
    /// Starts one on `address`, which may have port 0.
    ///
    /// # Panics
    /// When it cannot listen there.
    #[must_use]
    pub fn start(address: &str) -> Self {
        Self::listen(address, None)
    }

    /// Starts one with TLS; the files hold PEM. With `clients_of` it takes only those who show a
    /// certificate of that authority.
    ///
    /// # Panics
    /// When the files make no sense.
    #[must_use]
    pub fn start_tls(
        address: &str,
        certificate: &Path,
        key: &Path,
        clients_of: Option<&Path>,
    ) -> Self {
        let read = |file: &Path| -> Vec<_> {
            let all = CertificateDer::pem_file_iter(file).expect("a certificate");
            all.collect::<Result<_, _>>().expect("certificates")
        };
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match clients_of {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(read(authority));
                let known = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(known.build().expect("an authority"))
            }
        };
        let mut config =
            builder.with_single_cert(read(certificate), key).expect("certificate and key fit");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self::listen(address, Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn listen(address: &str, tls: Option<TlsAcceptor>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener =
            runtime.block_on(tokio::net::TcpListener::bind(address)).expect("a free port");
        let address = listener.local_addr().expect("it has an address").to_string();
        let shared = Shared::default();
        let own = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (own, tls) = (Arc::clone(&own), tls.clone());
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        let own = Arc::clone(&own);
                        async move { Ok::<_, Infallible>(serve(&own, request).await) }
                    });
                    let server = auto::Builder::new(TokioExecutor::new());
                    // A client that goes away or speaks no TLS has its own test.
                    match tls {
                        None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                let io = TokioIo::new(stream);
                                drop(server.serve_connection(io, service).await);
                            }
                        }
                    }
                });
            }
        });
        Self { address, shared, _runtime: runtime }
    }

    /// From now on requests are answered so.
    pub fn answer(&self, answer: Answer) {
        self.shared.lock().answer = answer;
    }

    /// From now on only the first resource of metrics is kept, which is the node's: for so many
    /// requests that all of them would not fit.
    pub fn be_brief(&self) {
        self.shared.lock().brief = true;
    }

    /// When the metrics that were taken were measured, of requests that begin with the node. Units:
    /// nanoseconds since the epoch.
    #[must_use]
    pub fn times(&self) -> Vec<u64> {
        let at = |request: &ExportMetricsServiceRequest| {
            let first = request.resource_metrics.first()?;
            let is_node = strict::shown(&first.resource.as_ref()?.attributes).contains("os.type=");
            let mut metrics = first.scope_metrics.first()?.metrics.iter().filter(|_| is_node);
            metrics.find_map(|metric| match metric.data.as_ref()? {
                Data::Sum(sum) => sum.data_points.first().map(|point| point.time_unix_nano),
                _ => None,
            })
        };
        self.metrics().iter().filter_map(at).collect()
    }

    /// The log records of requests that were taken, in order.
    #[must_use]
    pub fn records(&self) -> Vec<LogRecord> {
        let taken = self.requests().into_iter().filter(|request| request.status == 200);
        let logs = taken.filter_map(|request| match request.held {
            Held::Logs(logs) => Some(logs),
            _ => None,
        });
        let scopes = logs.flat_map(|logs| logs.resource_logs).flat_map(|one| one.scope_logs);
        scopes.flat_map(|scope| scope.log_records).collect()
    }

    /// All requests so far, also those that were not taken.
    #[must_use]
    pub fn requests(&self) -> Vec<Taken> {
        self.shared.lock().taken.clone()
    }

    /// The metrics of requests that were taken, in order.
    #[must_use]
    pub fn metrics(&self) -> Vec<ExportMetricsServiceRequest> {
        let taken = self.requests().into_iter().filter(|request| request.status == 200);
        taken
            .filter_map(|request| match request.held {
                Held::Metrics(metrics) => Some(metrics),
                _ => None,
            })
            .collect()
    }
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

async fn serve(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers: BTreeMap<_, _> =
        head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let grpc = headers.get("content-type").is_some_and(|kind| kind == "application/grpc");
    let (gzip, message) = if grpc {
        (bytes.first() == Some(&1), bytes.get(5..).unwrap_or_default())
    } else {
        (headers.get("content-encoding").is_some_and(|kind| kind == "gzip"), &bytes[..])
    };
    let answer = shared.lock().answer.clone();
    let status = if answer.status == 0 { 200 } else { answer.status };
    let Some(held) = read(head.uri.path(), gzip, message) else {
        return respond(grpc, &Answer { status: 400, ..Answer::default() });
    };
    let http2 = head.version == hyper::Version::HTTP_2;
    let path = head.uri.path().to_owned();
    let mut state = shared.lock();
    let held = if state.brief { brief(held) } else { held };
    state.taken.push(Taken { path, headers, http2, gzip, status, held });
    drop(state);
    respond(grpc, &Answer { status, ..answer })
}

fn brief(held: Held) -> Held {
    match held {
        Held::Metrics(mut metrics) => {
            metrics.resource_metrics.truncate(1);
            metrics.resource_metrics.shrink_to_fit();
            Held::Metrics(metrics)
        }
        other => other,
    }
}

fn read(path: &str, gzip: bool, message: &[u8]) -> Option<Held> {
    let mut plain = Vec::new();
    if gzip {
        GzDecoder::new(message).read_to_end(&mut plain).ok()?;
    } else {
        plain.extend_from_slice(message);
    }
    let is = |name: &str| path.contains(name);
    if is("MetricsService/Export") || path.ends_with("/v1/metrics") {
        ExportMetricsServiceRequest::decode(&plain[..]).ok().map(Held::Metrics)
    } else if is("LogsService/Export") || path.ends_with("/v1/logs") {
        ExportLogsServiceRequest::decode(&plain[..]).ok().map(Held::Logs)
    } else if is("TraceService/Export") || path.ends_with("/v1/traces") {
        ExportTraceServiceRequest::decode(&plain[..]).ok().map(Held::Traces)
    } else {
        None
    }
}

/// A `google.rpc.Status` that holds a `RetryInfo`, as gRPC sends it in a trailer: base64.
fn retry_info(seconds: u64) -> String {
    // The fields are written by hand: each is a tag, a length and what it holds.
    let field = |tag: u8, held: &[u8]| {
        let length = u8::try_from(held.len()).expect("it is short");
        [&[tag, length][..], held].concat()
    };
    let seconds = u8::try_from(seconds).ok().filter(|s| *s < 128).expect("it is short");
    let info = field(0x0a, &[0x08, seconds]);
    let name = field(0x0a, b"type.googleapis.com/google.rpc.RetryInfo");
    let detail = [name, field(0x12, &info)].concat();
    let status = [vec![0x08, 8], field(0x1a, &detail)].concat();
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = status.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)).collect();
    let six = |bits: &[u8]| (0..6).fold(0, |n, i| n << 1 | bits.get(i).copied().unwrap_or(0));
    bits.chunks(6).map(|bits| char::from(DIGITS[usize::from(six(bits))])).collect()
}

/// The answer of any signal: all three have the same shape on the wire.
fn respond(grpc: bool, answer: &Answer) -> Response<Body> {
    use opentelemetry_proto::tonic::collector::metrics::v1::{
        ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
    };
    let partial = (answer.rejected > 0).then(|| ExportMetricsPartialSuccess {
        rejected_data_points: answer.rejected,
        error_message: "not wanted".to_owned(),
    });
    let message = ExportMetricsServiceResponse { partial_success: partial }.encode_to_vec();
    let mut builder = Response::builder();
    if let Some(seconds) = answer.retry_after.filter(|_| !grpc) {
        builder = builder.header("retry-after", seconds);
    }
    if !grpc {
        let body = Full::new(Bytes::from(message)).boxed_unsync();
        let builder =
            builder.status(answer.status).header("content-type", "application/x-protobuf");
        return builder.body(body).expect("a response");
    }
    let code = match answer.status {
        200 => "0",
        429 => "8",
        503 => "14",
        400 => "3",
        _ => "2",
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    if let Some(seconds) = answer.retry_after {
        let details = HeaderValue::from_str(&retry_info(seconds)).expect("it is base64");
        trailers.insert("grpc-status-details-bin", details);
    }
    let mut frames = Vec::new();
    if answer.status == 200 {
        let length = u32::try_from(message.len()).expect("it is short");
        let framed = [&[0][..], &length.to_be_bytes(), &message].concat();
        frames.push(Ok::<_, Infallible>(Frame::data(Bytes::from(framed))));
    }
    frames.push(Ok(Frame::trailers(trailers)));
    let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
    builder.header("content-type", "application/grpc").body(body).expect("a response")
}
