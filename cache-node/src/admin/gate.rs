//! Who may ask the admin side for what: probes are everyone's, reading needs the scope metrics,
//! a snapshot admin. Where no credential is set up, whoever reaches the port may read, and only
//! on a loopback address have a snapshot written.
//!
//! The files are looked at once a second while somebody asks, and read again when one of them has
//! changed; what is bad then is told, and what held before goes on.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use parking_lot::Mutex;
use plimsoll_guard::{
    Access, Asked, Caller, Faults, HostFault, Keeper, Named, Peer, Refusals, Refused, Scope, Stamp,
    Tls, is_safe, stamp,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// The files are looked at no more often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Until the answer begins.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Shown of a path in the log. Units: characters.
const PATH_CHARS_MAX: usize = 256;

/// Why there is no admin side.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    #[error("the admin side is not safe to open:\n{0}")]
    Files(#[from] Faults),
    #[error(
        "refusing to open the admin side on {0}: other machines can reach it and nothing keeps \
         them out; give --admin-tokens or --admin-web-config, listen on 127.0.0.1, or say \
         --admin-insecure"
    )]
    Open(SocketAddr),
}

/// What holds, and what it was read from.
#[derive(Debug)]
struct Held {
    access: Arc<Access>,
    stamps: BTreeMap<PathBuf, Stamp>,
    looked: Instant,
}

#[derive(Debug)]
pub(super) struct Gate {
    named: Named,
    listen: SocketAddr,
    insecure: bool,
    keeper: Keeper,
    held: Mutex<Held>,
}

impl Gate {
    /// Reads what `named` names.
    ///
    /// # Errors
    /// When a file is bad, or strangers could come in that nobody has asked for.
    pub(super) fn open(named: Named, listen: SocketAddr, insecure: bool) -> Result<Self, Closed> {
        let access = Arc::new(load(&named, listen, insecure)?);
        let stamps = stamps(&access, &BTreeMap::new());
        let held = Mutex::new(Held { access, stamps, looked: Instant::now() });
        Ok(Self { named, listen, insecure, keeper: Keeper::default(), held })
    }

    /// What holds now. Looks at the files, which may wait for the disk: the thread is the admin
    /// side's own.
    fn access(&self) -> Arc<Access> {
        let mut held = self.held.lock();
        if held.looked.elapsed() < LOOK_EVERY {
            return Arc::clone(&held.access);
        }
        held.looked = Instant::now();
        let now = stamps(&held.access, &BTreeMap::new());
        if now != held.stamps {
            match load(&self.named, self.listen, self.insecure) {
                Ok(access) => {
                    let holds = access.describe();
                    tracing::info!(holds, "admin: credentials and certificates were read anew");
                    // As they were before they were read: what changed meanwhile is seen next time.
                    held.stamps = stamps(&access, &now);
                    held.access = Arc::new(access);
                }
                Err(why) => {
                    tracing::error!(%why, "admin: the new files are bad; what held goes on");
                    held.stamps = now;
                }
            }
        }
        Arc::clone(&held.access)
    }

    pub(super) fn tls(&self) -> Option<Tls> {
        self.access().tls.clone()
    }

    pub(super) fn handshake_failed(&self) {
        self.keeper.refusals.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) const fn refusals(&self) -> &Refusals {
        &self.keeper.refusals
    }

    /// Whether `caller` may change anything.
    pub(super) fn may_change(&self, caller: Option<&Caller>) -> bool {
        let is_local = self.listen.ip().to_canonical().is_loopback();
        caller.is_some_and(|caller| caller.may(Scope::Admin))
            || (is_local && !self.held.lock().access.has_auth())
    }
}

/// The files of `access` as they are now, or as they were `before`.
fn stamps(access: &Access, before: &BTreeMap<PathBuf, Stamp>) -> BTreeMap<PathBuf, Stamp> {
    let of = |file: &PathBuf| before.get(file).copied().unwrap_or_else(|| stamp(file));
    access.files().iter().map(|file| (file.clone(), of(file))).collect()
}

fn load(named: &Named, listen: SocketAddr, insecure: bool) -> Result<Access, Closed> {
    let access = Access::load(named, listen)?;
    let is_local = listen.ip().to_canonical().is_loopback();
    if is_local || insecure || access.has_auth() { Ok(access) } else { Err(Closed::Open(listen)) }
}

/// What a request needs; None: everyone may.
fn needed(method: &Method, uri: &Uri) -> Option<Scope> {
    match uri.path() {
        _ if !is_safe(method) => Some(Scope::Admin),
        "/healthz" | "/readyz" if uri.query().is_none() => None,
        _ => Some(Scope::Metrics),
    }
}

/// Layer: lets a request through, or says why not.
pub(super) async fn pass(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    let access = gate.access();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let peer = request.extensions().get::<Peer>().copied();
    if let Err(fault) = access.host.judge(&uri, request.headers()) {
        let status = match &fault {
            HostFault::Malformed(_) => StatusCode::BAD_REQUEST,
            HostFault::Foreign(_) => StatusCode::MISDIRECTED_REQUEST,
        };
        return (status, format!("{fault}; --admin-host names others\n")).into_response();
    }
    let asked = Asked {
        method: &method,
        uri: &uri,
        headers: request.headers(),
        peer: peer.as_ref(),
        needed: needed(&method, &uri),
    };
    let (caller, mut response) = match gate.keeper.judge(&access, asked).await {
        Ok(_) if has_body(request.headers()) => {
            return (StatusCode::PAYLOAD_TOO_LARGE, "no body is read here\n").into_response();
        }
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            let answered = tokio::time::timeout(REQUEST_TIME, next.run(request)).await;
            let late = (StatusCode::SERVICE_UNAVAILABLE, "it took too long\n");
            (caller, answered.unwrap_or_else(|_| late.into_response()))
        }
        Err(why) => (why.caller(), refusal(&why)),
    };
    for (name, value) in access.headers() {
        response.headers_mut().insert(name, value.clone());
    }
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED
        && let Ok(value) = HeaderValue::from_str(&access.challenge("plimsoll-cache"))
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    audit(&method, &uri, peer.as_ref(), &caller, status);
    response
}

/// Nothing here reads one.
fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0")
}

fn refusal(why: &Refused) -> Response {
    let status = match why {
        Refused::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        Refused::HeadTooLarge(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Refused::ForeignSite | Refused::Beyond { .. } => StatusCode::FORBIDDEN,
        Refused::Unauthorized(_) => StatusCode::UNAUTHORIZED,
        Refused::Busy => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = (status, format!("{why}\n")).into_response();
    if let Refused::TooMany(seconds) = why {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
    }
    response
}

/// A line for each request that would change something, or that was refused for want of a
/// credential. What comes from the request is shown escaped.
fn audit(method: &Method, uri: &Uri, peer: Option<&Peer>, caller: &Caller, status: StatusCode) {
    let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if is_safe(method) && !refused || status == StatusCode::TOO_MANY_REQUESTS {
        return;
    }
    let method: String = method.as_str().chars().take(32).collect();
    let path: String = uri.path().chars().take(PATH_CHARS_MAX).collect();
    let from = peer.map_or_else(|| "-".into(), |peer| peer.address.to_string());
    let (who, scope) = (&caller.name, caller.scope.map_or("none", Scope::name));
    let status = status.as_u16();
    if refused {
        tracing::warn!(?who, scope, from, method, ?path, status, "audit: refused");
    } else {
        tracing::info!(?who, scope, from, method, ?path, status, "audit");
    }
}
