//! Who may ask for what: credentials, scopes, rates, and the line in the log about it.
//!
//! [`Guard`] holds one set of [`Rules`], which a reload swaps whole. Where no credential is set up
//! the API is open for reading, as its loopback address permits; where one is, everything but the
//! two probes needs one. What is held against what is given is compared in constant time. A
//! secret that was given is never shown, nor how near it came.

pub mod audit;
mod door;
mod rate;
mod rules;
mod scope;
mod tls;
mod tokens;
mod users;
mod web_config;

pub(super) use audit::Note;
pub(super) use door::pass;
pub use rules::{RuleFaults, Rules};
pub use scope::Scope;
pub(super) use scope::needed;
pub(super) use tls::Tls;

use super::serve::Peer;
use axum::http::{HeaderMap, header};
use parking_lot::{Mutex, RwLock};
use rate::Buckets;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokens::Digest;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use users::Verified;

/// Passwords tried at once: each costs tens of milliseconds of one core.
const PASSWORDS_AT_ONCE: usize = 1;
/// Passwords that wait for their turn; one more is told to come back later.
const PASSWORDS_WAITING_MAX: usize = 8;
/// What a wrong credential costs of a client's rate. Units: requests.
const WRONG_COSTS: f64 = 10.0;

/// Who asks, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// `token:NAME`, `user:NAME`, `certificate`, or `-`.
    pub(super) name: String,
    /// None: nobody in particular.
    pub(super) scope: Option<Scope>,
}

impl Caller {
    fn nobody() -> Self {
        Self { name: "-".into(), scope: None }
    }

    pub(super) fn may(&self, scope: Scope) -> bool {
        self.scope.is_some_and(|own| own >= scope)
    }
}

/// Why a credential does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    Token,
    User,
    Malformed,
    /// As many passwords wait as may.
    Busy,
}

/// What was refused so far.
#[derive(Debug, Default)]
pub struct Refusals {
    pub unauthorized: AtomicU64,
    pub forbidden: AtomicU64,
    pub limited: AtomicU64,
    pub handshakes: AtomicU64,
}

/// The rules that hold, and what is counted and remembered by them.
pub struct Guard {
    rules: RwLock<Arc<Rules>>,
    pub refusals: Refusals,
    buckets: Mutex<Buckets>,
    verified: Mutex<Verified>,
    passwords: Semaphore,
    waiting: Semaphore,
    began: Instant,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("refusals", &self.refusals).finish_non_exhaustive()
    }
}

impl Guard {
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules: RwLock::new(Arc::new(rules)),
            refusals: Refusals::default(),
            buckets: Mutex::default(),
            verified: Mutex::default(),
            passwords: Semaphore::new(PASSWORDS_AT_ONCE),
            waiting: Semaphore::new(PASSWORDS_WAITING_MAX),
            began: Instant::now(),
        }
    }

    /// The rules as of now; who holds them goes on by them.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read())
    }

    /// From the next request on, `rules` hold. Open connections stay.
    pub fn swap(&self, rules: Rules) {
        *self.rules.write() = Arc::new(rules);
        self.verified.lock().clear();
    }

    /// How long `peer` has to wait before its next request; None if it need not.
    fn take(&self, peer: Option<&Peer>, rules: &Rules, cost: f64) -> Option<u64> {
        let (rate, peer) = (rules.rate?, peer?);
        let now = self.began.elapsed();
        self.buckets.lock().take(peer.address.ip(), f64::from(rate), cost, now)
    }

    /// Who sent this.
    async fn caller(
        self: &Arc<Self>,
        rules: &Arc<Rules>,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<Caller, Unknown> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = given.next() else {
            let certified = peer.is_some_and(|peer| peer.certified);
            let scope = rules.certificate.filter(|_| certified);
            let caller = scope.map(|s| Caller { name: "certificate".into(), scope: Some(s) });
            return Ok(caller.unwrap_or_else(Caller::nobody));
        };
        if given.next().is_some() {
            return Err(Unknown::Malformed);
        }
        let text = value.to_str().map_err(|_| Unknown::Malformed)?;
        let (scheme, rest) = text.split_once(' ').ok_or(Unknown::Malformed)?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return rules.tokens.find(&Digest::of(rest)).ok_or(Unknown::Token);
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(Unknown::Malformed);
        }
        let (user, password) = users::credentials(rest).ok_or(Unknown::Malformed)?;
        self.user(rules, user, password).await
    }

    /// Tries a password off the thread of all requests. One that was right is remembered as a
    /// digest, so that only the first costs bcrypt's time.
    async fn user(
        self: &Arc<Self>,
        rules: &Arc<Rules>,
        user: String,
        password: String,
    ) -> Result<Caller, Unknown> {
        let caller = Caller { name: format!("user:{user}"), scope: Some(rules.users_scope) };
        let seen = Digest::of(&format!("{}:{user}:{password}", user.len()));
        if self.verified.lock().holds(&seen) {
            return Ok(caller);
        }
        if rules.users.is_empty() {
            return Err(Unknown::User);
        }
        let _waits = self.waiting.try_acquire().map_err(|_| Unknown::Busy)?;
        let _turn = self.passwords.acquire().await.map_err(|_| Unknown::Busy)?;
        let users = Arc::clone(rules);
        let tried = tokio::task::spawn_blocking(move || users.users.is_right(&user, &password));
        if !tried.await.unwrap_or(false) {
            return Err(Unknown::User);
        }
        // A reload meanwhile may have taken the user away.
        if Arc::ptr_eq(rules, &self.rules.read()) {
            self.verified.lock().insert(seen);
        }
        Ok(caller)
    }

    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(super) mod tests;
