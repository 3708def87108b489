//! Who may ask for what: the rules that hold, what each path needs, and the line in the log.
//!
//! [`Guard`] holds one set of [`Rules`], which a reload swaps whole. Where no credential is set up
//! the API is open for reading, as its loopback address permits; where one is, everything but the
//! two probes needs one. Credentials, rates and connections are those of `plimsoll_guard`, which
//! the cache node shares; here stands what is the agent's own.

pub mod audit;
mod door;
mod host;
mod rules;
mod scope;

pub(super) use audit::Note;
pub(super) use door::pass;
pub(super) use host::check;
pub(super) use plimsoll_guard::{Caller, Draining, Peer};
pub use plimsoll_guard::{Refusals, Scope};
pub use rules::{RuleFaults, Rules};
pub(super) use scope::needed;

use axum::Router;
use parking_lot::RwLock;
use plimsoll_guard::{Keeper, Server};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::TcpListener;

/// Connections open at once; more wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 256;

/// The rules that hold, and what is counted and remembered by them.
pub struct Guard {
    rules: RwLock<Arc<Rules>>,
    keeper: Keeper,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("keeper", &self.keeper).finish_non_exhaustive()
    }
}

impl Guard {
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules: RwLock::new(Arc::new(rules)), keeper: Keeper::default() }
    }

    /// The rules as of now; who holds them goes on by them.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read())
    }

    /// From the next request on, `rules` hold. Open connections stay.
    pub fn swap(&self, rules: Rules) {
        *self.rules.write() = Arc::new(rules);
    }

    #[must_use]
    pub const fn refusals(&self) -> &Refusals {
        &self.keeper.refusals
    }
}

/// Serves `router` until `shutdown`, by TLS if `guard` has it.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    guard: Arc<Guard>,
    shutdown: impl Future<Output = ()>,
) {
    let counted = Arc::clone(&guard);
    let server = Server {
        connections_max: CONNECTIONS_MAX,
        life_max: None,
        tls: Arc::new(move || guard.rules().access.tls.clone()),
        no_handshake: Arc::new(move || {
            counted.refusals().handshakes.fetch_add(1, Ordering::Relaxed);
        }),
    };
    server.serve(listener, router, shutdown).await;
}

#[cfg(test)]
pub(super) mod tests;
