//! `/healthz` and `/readyz`, for kubelets, systemd and people.
//!
//! Liveness says only that the agent answers; it never depends on what the agent can see, or a
//! missing privilege would restart it for ever.

use super::Shared;
use super::problem::Problem;
use super::query::{Params, switch};
use crate::view::{HealthView, SourceState, SourceView};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::fmt::Write as _;

/// Whether the agent answers at all.
#[utoipa::path(get, path = "/healthz", tag = "agent",
    responses((status = 200, description = "Alive", body = String, content_type = "text/plain")))]
pub(super) async fn healthz(uri: Uri) -> Result<&'static str, Problem> {
    Params::of(&uri).finish()?;
    Ok("ok\n")
}

/// Whether the first sweep is done, and what each source can see.
#[utoipa::path(get, path = "/readyz", tag = "agent",
    params(("verbose" = Option<bool>, Query, description = "List every source")),
    responses(
        (status = 200, description = "Ready, perhaps degraded", content(
            (String = "text/plain"), (HealthView = "application/json"))),
        (status = 503, description = "The first sweep is not done", content(
            (String = "text/plain"), (HealthView = "application/json")))))]
pub(super) async fn readyz(
    State(shared): State<Shared>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut params = Params::of(&uri);
    let verbose = params.take("verbose", switch).unwrap_or(false);
    params.finish()?;
    let health = shared.watch.health();
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(if accepts(&headers, "application/json") {
        (status, Json(health)).into_response()
    } else {
        (status, in_words(&health, verbose)).into_response()
    })
}

/// Whether the client names the media type. Wildcards do not count: they take the default.
pub(super) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    accepted.any(|value| {
        value.split(',').filter_map(|one| one.split(';').next()).any(|one| one.trim() == media_type)
    })
}

fn in_words(health: &HealthView, verbose: bool) -> String {
    let mut text = String::new();
    for source in health.sources.iter().filter(|s| verbose || (!health.ready && is_lacking(s))) {
        text += &line(source);
    }
    text += match (health.ready, health.degraded) {
        (false, _) => "not ready: the first sweep is not done\n",
        (true, true) if verbose => "ok, degraded\n",
        (true, _) => "ok\n",
    };
    text
}

fn is_lacking(source: &SourceView) -> bool {
    matches!(source.state, SourceState::Degraded | SourceState::Unavailable)
}

fn line(source: &SourceView) -> String {
    let mark = match source.state {
        SourceState::Ok => '+',
        SourceState::Degraded | SourceState::Unavailable => '-',
        SourceState::Off => ' ',
    };
    let mut line = format!("[{mark}] {}:", source.name);
    if source.state == SourceState::Off {
        line += " off";
    }
    if !source.sees.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(line, " sees {}", source.sees);
    }
    if let Some(why) = &source.why {
        let _ = write!(line, "{} {why}", if line.ends_with(':') { "" } else { ";" });
    }
    line.push('\n');
    line
}
