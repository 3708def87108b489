//! The layer through which every request goes: rate, credential, scope, origin; then the audit.

use super::super::problem::Problem;
use super::scope::{is_safe, needed_by};
use super::{Caller, Guard, Rules, Scope, Unknown, WRONG_COSTS, audit};
use crate::api::serve::Peer;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;

/// The server's buffer bounds what is held, but by what fits into one read; this is exact.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Layer: lets a request through, or says why not.
pub(in crate::api) async fn pass(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    let rules = guard.rules();
    let peer = request.extensions().get::<Peer>().copied();
    if let Some(seconds) = guard.take(peer.as_ref(), &rules, 1.0) {
        Guard::count(&guard.refusals.limited);
        return Problem::rate_limited(seconds).into_response();
    }
    if head_bytes(&request) > HEAD_BYTES_MAX {
        return Problem::head_too_large(HEAD_BYTES_MAX).into_response();
    }
    let deed = audit::Deed::of(&request, peer.as_ref());
    let asked = Asked {
        method: request.method(),
        uri: request.uri(),
        headers: request.headers(),
        peer: peer.as_ref(),
    };
    let judged = judge(&guard, &rules, asked).await;
    let (caller, mut response) = match judged {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            request.extensions_mut().insert(Arc::clone(&rules));
            let response = next.run(request).await;
            (caller, response)
        }
        Err((caller, problem)) => (caller, problem.into_response()),
    };
    deed.tell(&caller, &mut response);
    challenge(&rules, &mut response);
    response
}

/// The length of a request's target and headers, as they were sent.
fn head_bytes(request: &Request) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let headers = request.headers().iter();
    target + headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
}

/// What a request is judged by; its body is not.
struct Asked<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    peer: Option<&'a Peer>,
}

async fn judge(
    guard: &Arc<Guard>,
    rules: &Arc<Rules>,
    asked: Asked<'_>,
) -> Result<Caller, (Caller, Problem)> {
    let Asked { method, uri, headers, peer } = asked;
    let nobody = Caller::nobody;
    if !is_safe(method) && !is_same_site(rules, headers) {
        Guard::count(&guard.refusals.forbidden);
        return Err((nobody(), Problem::foreign_origin()));
    }
    if !rules.has_auth() {
        // The token of reports, where there is one, is looked at by those who take them.
        let caller = guard.caller(rules, &HeaderMap::new(), peer).await;
        return Ok(caller.unwrap_or_else(|_| nobody()));
    }
    let Some(scope) = needed_by(method, uri, headers) else { return Ok(nobody()) };
    let caller = guard.caller(rules, headers, peer).await.map_err(|why| {
        Guard::count(&guard.refusals.unauthorized);
        guard.take(peer, rules, WRONG_COSTS);
        (nobody(), refusal(why))
    })?;
    match caller.scope {
        None => {
            Guard::count(&guard.refusals.unauthorized);
            Err((caller, Problem::unauthorized("this needs a token, a user or a certificate")))
        }
        Some(own) if own < scope => {
            Guard::count(&guard.refusals.forbidden);
            let problem = beyond(own, scope);
            Err((caller, problem))
        }
        Some(_) => Ok(caller),
    }
}

fn refusal(why: Unknown) -> Problem {
    match why {
        Unknown::Token => Problem::unauthorized("the token is not one of this agent's"),
        Unknown::User => Problem::unauthorized("name or password is wrong"),
        Unknown::Malformed => Problem::unauthorized(
            "the Authorization header is there twice, or is neither Bearer nor Basic",
        ),
        Unknown::Busy => Problem::busy("too many passwords are being tried"),
    }
}

fn beyond(own: Scope, scope: Scope) -> Problem {
    let (own, scope) = (own.name(), scope.name());
    Problem::forbidden(format!("this needs the scope {scope}; these credentials have {own}"))
}

/// Whether what changes something comes from no web site but our own page. A browser says where
/// from; other clients say nothing.
fn is_same_site(rules: &Rules, headers: &HeaderMap) -> bool {
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return false;
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let authority = origin.to_str().ok().and_then(|text| text.split_once("://"));
    let authority = authority.and_then(|(_, rest)| rest.parse::<Authority>().ok());
    let ours = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    origins.next().is_none()
        && authority
            .is_some_and(|origin| rules.host.allows(origin.host()) && ours == Some(origin.as_str()))
}

/// Says with a 401 what would be right, and adds the headers that the web-config file wants.
fn challenge(rules: &Rules, response: &mut Response) {
    if response.status() == StatusCode::UNAUTHORIZED {
        let value = axum::http::HeaderValue::from_static(rules.challenge());
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    for (name, value) in &rules.headers {
        response.headers_mut().insert(name, value.clone());
    }
}
