//! The layer through which every request goes: rate, credential, scope, origin; then the audit.

use super::super::problem::Problem;
use super::scope::needed_by;
use super::{Guard, Peer, Rules, audit};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use plimsoll_guard::{Asked, Refused};
use std::sync::Arc;

/// Layer: lets a request through, or says why not.
pub(in crate::api) async fn pass(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    let rules = guard.rules();
    let peer = request.extensions().get::<Peer>().copied();
    let deed = audit::Deed::of(&request, peer.as_ref());
    let asked = Asked {
        method: request.method(),
        uri: request.uri(),
        headers: request.headers(),
        peer: peer.as_ref(),
        needed: needed_by(request.method(), request.uri(), request.headers()),
    };
    let (caller, mut response) = match guard.keeper.judge(&rules.access, asked).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            request.extensions_mut().insert(Arc::clone(&rules));
            (caller, next.run(request).await)
        }
        // Neither was looked at, and the log is not to be flooded.
        Err(why @ (Refused::TooMany(_) | Refused::HeadTooLarge(_))) => {
            return problem(&why).into_response();
        }
        Err(why) => (why.caller(), problem(&why).into_response()),
    };
    deed.tell(&caller, &mut response);
    challenge(&rules, &mut response);
    response
}

fn problem(why: &Refused) -> Problem {
    match why {
        Refused::TooMany(seconds) => Problem::rate_limited(*seconds),
        Refused::HeadTooLarge(bytes_max) => Problem::head_too_large(*bytes_max),
        Refused::ForeignSite => Problem::foreign_origin(),
        Refused::Unauthorized(what) => Problem::unauthorized(what.to_string()),
        Refused::Busy => Problem::busy(why.to_string()),
        Refused::Beyond { .. } => Problem::forbidden(why.to_string()),
    }
}

/// Says with a 401 what would be right, and adds the headers that the web-config file wants.
fn challenge(rules: &Rules, response: &mut Response) {
    if response.status() == StatusCode::UNAUTHORIZED
        && let Ok(value) = HeaderValue::from_str(&rules.access.challenge("plimsoll"))
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    for (name, value) in rules.access.headers() {
        response.headers_mut().insert(name, value.clone());
    }
}
