//! The audit: one line in the log for each request that changes something, reads a heap, or was
//! refused for want of a credential. Who, with which scope, from where, what, and the answer.
//!
//! Text of the request is shown escaped, so that it cannot break the line. Bodies and credentials
//! are not in it; a handler may add what was asked for by [`Note`].

use super::scope::needed;
use super::{Caller, Peer, Scope};
use axum::extract::Request;
use axum::response::Response;
use plimsoll_guard::is_safe;

/// The log's target; it is logged whatever the level is.
pub const TARGET: &str = "plimsoll::audit";
/// Of a path. Units: characters.
const PATH_CHARS_MAX: usize = 256;

/// What a handler has to add, such as the pid of a report. Put into the answer's extensions.
#[derive(Clone, Debug)]
pub(in crate::api) struct Note(pub(in crate::api) String);

/// What was asked for.
#[derive(Debug)]
pub(super) struct Deed {
    method: String,
    path: String,
    from: String,
    /// It is told of also when it is permitted.
    matters: bool,
}

impl Deed {
    pub(super) fn of(request: &Request, peer: Option<&Peer>) -> Self {
        let path = request.uri().path();
        let scope = needed(request.method(), path);
        Self {
            method: request.method().as_str().chars().take(32).collect(),
            path: path.chars().take(PATH_CHARS_MAX).collect(),
            from: peer.map_or_else(|| "-".into(), |peer| peer.address.to_string()),
            matters: !is_safe(request.method()) || scope == Some(Scope::Heap),
        }
    }

    /// Writes the line, if it is worth one.
    pub(super) fn tell(&self, caller: &Caller, response: &mut Response) {
        let status = response.status().as_u16();
        if !self.matters && !matches!(status, 401 | 403) {
            return;
        }
        let note = response.extensions_mut().remove::<Note>().map(|Note(text)| text);
        let scope = caller.scope.map_or("none", Scope::name);
        let refused = matches!(status, 401 | 403);
        let Self { method, path, from, .. } = self;
        let (who, note) = (&caller.name, note.unwrap_or_default());
        if refused {
            tracing::warn!(
                target: TARGET, ?who, scope, from, method, ?path, status, ?note, "audit: refused"
            );
        } else {
            tracing::info!(
                target: TARGET, ?who, scope, from, method, ?path, status, ?note, "audit"
            );
        }
    }
}
