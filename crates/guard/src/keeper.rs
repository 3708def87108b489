//! Judges one request after the other by an [`Access`]: rate, origin, credential, scope.

use crate::access::Access;
use crate::rate::Buckets;
use crate::scope::{Caller, Scope, is_safe};
use crate::serve::Peer;
use crate::tokens::Digest;
use crate::users::{self, Verified};
use axum::http::{HeaderMap, Method, Uri, header};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Passwords tried at once: each costs tens of milliseconds of one core.
const PASSWORDS_AT_ONCE: usize = 1;
/// Passwords that wait for their turn; one more is told to come back later.
const PASSWORDS_WAITING_MAX: usize = 8;
/// What a wrong credential costs of a client's rate. Units: requests.
const WRONG_COSTS: f64 = 10.0;
/// The server's buffer bounds what is held, but by what fits into one read; this is exact.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// What a request is judged by; its body is not.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub headers: &'a HeaderMap,
    pub peer: Option<&'a Peer>,
    /// What it needs where credentials are asked for; None: everyone may.
    pub needed: Option<Scope>,
}

/// Why a credential does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    #[error("the token is not one of those that are known here")]
    Token,
    #[error("name or password is wrong")]
    User,
    #[error("the Authorization header is there twice, or is neither Bearer nor Basic")]
    Malformed,
    #[error("this needs a token, a user or a certificate")]
    Missing,
}

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("too many requests; the next one in {0} s")]
    TooMany(u64),
    #[error("path and headers have more than {0} bytes")]
    HeadTooLarge(usize),
    #[error("it comes from another web site")]
    ForeignSite,
    #[error("{0}")]
    Unauthorized(Unknown),
    #[error("too many passwords are being tried")]
    Busy,
    #[error("this needs the scope {}; these credentials have {}", needed.name(), own.name())]
    Beyond { caller: Caller, own: Scope, needed: Scope },
}

impl Refused {
    /// Who was refused.
    #[must_use]
    pub fn caller(&self) -> Caller {
        match self {
            Self::Beyond { caller, .. } => caller.clone(),
            _ => Caller::nobody(),
        }
    }
}

/// What was refused so far.
#[derive(Debug, Default)]
pub struct Refusals {
    pub unauthorized: AtomicU64,
    pub forbidden: AtomicU64,
    pub limited: AtomicU64,
    pub handshakes: AtomicU64,
}

impl Refusals {
    /// By reason, for the metrics.
    #[must_use]
    pub fn by_reason(&self) -> [(&'static str, u64); 4] {
        [
            ("unauthorized", self.unauthorized.load(Ordering::Relaxed)),
            ("forbidden", self.forbidden.load(Ordering::Relaxed)),
            ("rate_limited", self.limited.load(Ordering::Relaxed)),
            ("tls_handshake", self.handshakes.load(Ordering::Relaxed)),
        ]
    }
}

/// What is counted and remembered, whatever [`Access`] holds.
#[derive(Debug)]
pub struct Keeper {
    pub refusals: Refusals,
    buckets: Mutex<Buckets>,
    verified: Mutex<Verified>,
    passwords: Semaphore,
    waiting: Semaphore,
    began: Instant,
}

impl Default for Keeper {
    fn default() -> Self {
        Self {
            refusals: Refusals::default(),
            buckets: Mutex::default(),
            verified: Mutex::default(),
            passwords: Semaphore::new(PASSWORDS_AT_ONCE),
            waiting: Semaphore::new(PASSWORDS_WAITING_MAX),
            began: Instant::now(),
        }
    }
}

impl Keeper {
    /// Who asks, if it may.
    ///
    /// # Errors
    /// Why it may not; it is counted.
    pub async fn judge(&self, access: &Arc<Access>, asked: Asked<'_>) -> Result<Caller, Refused> {
        let judged = self.judged(access, asked).await;
        let counter = match &judged {
            Err(Refused::TooMany(_)) => &self.refusals.limited,
            Err(Refused::ForeignSite | Refused::Beyond { .. }) => &self.refusals.forbidden,
            Err(Refused::Unauthorized(_) | Refused::Busy) => &self.refusals.unauthorized,
            Ok(_) | Err(Refused::HeadTooLarge(_)) => return judged,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        judged
    }

    async fn judged(&self, access: &Arc<Access>, asked: Asked<'_>) -> Result<Caller, Refused> {
        let Asked { method, headers, peer, needed, .. } = asked;
        if let Some(seconds) = self.take(peer, access, 1.0) {
            return Err(Refused::TooMany(seconds));
        }
        if head_bytes(asked) > HEAD_BYTES_MAX {
            return Err(Refused::HeadTooLarge(HEAD_BYTES_MAX));
        }
        if !is_safe(method) && !access.host.is_same_site(headers) {
            return Err(Refused::ForeignSite);
        }
        if !access.has_auth() {
            return Ok(certified(access, peer));
        }
        let Some(needed) = needed else { return Ok(Caller::nobody()) };
        let caller = match self.caller(access, headers, peer).await {
            Ok(caller) => caller,
            Err(wrong) => {
                self.take(peer, access, WRONG_COSTS);
                return Err(wrong);
            }
        };
        match caller.scope {
            None => Err(Refused::Unauthorized(Unknown::Missing)),
            Some(own) if own < needed => Err(Refused::Beyond { caller, own, needed }),
            Some(_) => Ok(caller),
        }
    }

    /// How long `peer` has to wait before its next request; None if it need not.
    fn take(&self, peer: Option<&Peer>, access: &Access, cost: f64) -> Option<u64> {
        let (rate, peer) = (access.rate?, peer?);
        let now = self.began.elapsed();
        self.buckets.lock().take(peer.address.ip(), f64::from(rate), cost, now)
    }

    /// Who sent this.
    async fn caller(
        &self,
        access: &Arc<Access>,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<Caller, Refused> {
        let malformed = || Refused::Unauthorized(Unknown::Malformed);
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = given.next() else { return Ok(certified(access, peer)) };
        if given.next().is_some() {
            return Err(malformed());
        }
        let text = value.to_str().map_err(|_| malformed())?;
        let (scheme, rest) = text.split_once(' ').ok_or_else(malformed)?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            let known = access.tokens.find(&Digest::of(rest));
            return known.ok_or(Refused::Unauthorized(Unknown::Token));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(malformed());
        }
        let (user, password) = users::credentials(rest).ok_or_else(malformed)?;
        self.user(access, user, password).await
    }

    /// Tries a password off the thread of all requests. One that was right is remembered as a
    /// digest, so that only the first costs bcrypt's time.
    async fn user(
        &self,
        access: &Arc<Access>,
        user: String,
        password: String,
    ) -> Result<Caller, Refused> {
        let wrong = || Refused::Unauthorized(Unknown::User);
        let caller = Caller { name: format!("user:{user}"), scope: Some(access.users_scope) };
        let seen = format!("{}:{}:{user}:{password}", access.number, user.len());
        let seen = Digest::of(&seen);
        if self.verified.lock().holds(&seen) {
            return Ok(caller);
        }
        if access.users.is_empty() {
            return Err(wrong());
        }
        let _waits = self.waiting.try_acquire().map_err(|_| Refused::Busy)?;
        let _turn = self.passwords.acquire().await.map_err(|_| Refused::Busy)?;
        let by = Arc::clone(access);
        let tried = tokio::task::spawn_blocking(move || by.users.is_right(&user, &password));
        if !tried.await.unwrap_or(false) {
            return Err(wrong());
        }
        self.verified.lock().insert(seen);
        Ok(caller)
    }
}

/// Who it is by its certificate alone.
fn certified(access: &Access, peer: Option<&Peer>) -> Caller {
    let scope = access.certificate.filter(|_| peer.is_some_and(|peer| peer.certified));
    let caller = scope.map(|scope| Caller { name: "certificate".into(), scope: Some(scope) });
    caller.unwrap_or_else(Caller::nobody)
}

/// The length of a request's target and headers, as they were sent.
fn head_bytes(asked: Asked<'_>) -> usize {
    let target = asked.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let headers = asked.headers.iter();
    target + headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
}
