//! The layer that refuses requests for hosts that the rules do not allow.

use super::Guard;
use crate::api::problem::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use plimsoll_guard::HostFault;
use std::sync::Arc;

pub(in crate::api) async fn check(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let judged = guard.rules().access.host.judge(request.uri(), request.headers());
    judged.map_err(|fault| match fault {
        HostFault::Malformed(what) => Problem::bad_host(what),
        HostFault::Foreign(host) => Problem::misdirected(format!(
            "'{host}' is not a name of this agent; add it to http.allowed_hosts if it is"
        )),
    })?;
    Ok(next.run(request).await)
}
