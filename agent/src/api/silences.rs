//! `/api/v1/silences` and `/api/v1/destinations`: who is told of alerts, and what is not told.
//!
//! The only requests that change anything. A body has to say that it is JSON, which a web site
//! cannot send here without being asked first whether it may; and where the API does not listen on
//! a loopback address, silences are only made if the configuration says so.

use super::problem::{ParameterError, Problem};
use super::query::Params;
use super::{BODY_BYTES_MAX, Shared};
use crate::route::matcher::Matcher;
use crate::route::silence::{SILENCES_MAX, SilenceRefused, Wish};
use crate::view::{DestinationView, SilenceRequest, SilenceView};
use axum::Json;
use axum::body::to_bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::time::SystemTime;

const MATCHERS_MAX: usize = 16;
const TEXT_CHARS_MAX: usize = 500;
/// A silence that lasts longer belongs into the configuration file. Units: milliseconds.
const LASTS_MS_MAX: i64 = 366 * 86_400_000;

/// The silences that hold now.
#[utoipa::path(get, path = "/api/v1/silences", tag = "judgement",
    responses((status = 200, description = "Of the file and of the API", body = Vec<SilenceView>)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    uri: Uri,
) -> Result<Json<Vec<SilenceView>>, Problem> {
    Params::of(&uri).finish()?;
    Ok(Json(shared.watch.silences()))
}

/// Keeps alerts from being told until a time.
#[utoipa::path(post, path = "/api/v1/silences", tag = "judgement", request_body = SilenceRequest,
    responses((status = 201, description = "The silence that was made", body = SilenceView),
        (status = 403, description = "Silences are not made over this address", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "There are too many silences", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The body is not called JSON", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn make(
    State(shared): State<Shared>,
    uri: Uri,
    request: Request,
) -> Result<Response, Problem> {
    Params::of(&uri).finish()?;
    permitted(&shared)?;
    is_json(request.headers())?;
    let bytes_max = usize::try_from(BODY_BYTES_MAX).unwrap_or(usize::MAX);
    let body = to_bytes(request.into_body(), bytes_max).await;
    let body = body.map_err(|_| Problem::body_too_large(BODY_BYTES_MAX))?;
    let asked: SilenceRequest =
        serde_json::from_slice(&body).map_err(|why| Problem::bad_body(why.to_string()))?;
    let wish = wish(&asked, now_ms())?;
    let made = waiting(move || shared.watch.silence(&wish)).await?;
    let made = made.map_err(|_| {
        Problem::conflict(format!("{SILENCES_MAX} silences hold, which is the most"))
    })?;
    let place = format!("/api/v1/silences/{}", made.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(made)).into_response())
}

/// Ends a silence that was made over the API.
#[utoipa::path(delete, path = "/api/v1/silences/{id}", tag = "judgement",
    params(("id" = String, Path, description = "As the silence gives it")),
    responses((status = 204, description = "It is over"),
        (status = 403, description = "Silences are not ended over this address", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such silence", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It stands in the configuration file", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn end(
    State(shared): State<Shared>,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    Params::of(&uri).finish()?;
    permitted(&shared)?;
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let ended = waiting(move || shared.watch.end_silence(&id)).await?;
    match ended {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(SilenceRefused::Fixed) => {
            Err(Problem::conflict("it stands in the configuration file, and is ended there"))
        }
        Err(_) => Err(Problem::unknown_silence()),
    }
}

/// Where alerts are told, and how that goes. The log is not among them.
#[utoipa::path(get, path = "/api/v1/destinations", tag = "judgement",
    responses((status = 200, description = "The destinations", body = Vec<DestinationView>)))]
pub(super) async fn destinations(
    State(shared): State<Shared>,
    uri: Uri,
) -> Result<Json<Vec<DestinationView>>, Problem> {
    Params::of(&uri).finish()?;
    Ok(Json(shared.watch.destinations()))
}

fn permitted(shared: &Shared) -> Result<(), Problem> {
    let rules = shared.guard.rules();
    let why = "the API can be reached from elsewhere and asks for no credential: silences are made \
               in the configuration file, or here if it says alerts.remote_silences = true";
    if rules.has_auth() || rules.silences { Ok(()) } else { Err(Problem::forbidden(why)) }
}

pub(super) fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let bare = given.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    let json = bare.eq_ignore_ascii_case("application/json");
    if json { Ok(()) } else { Err(Problem::wrong_media_type()) }
}

/// Reads what is asked for as of `now_ms`; tells all that is wrong with it.
fn wish(asked: &SilenceRequest, now_ms: i64) -> Result<Wish, Problem> {
    let mut wrong: Vec<ParameterError> = Vec::new();
    let mut fault = |parameter: &str, detail: String| {
        wrong.push(ParameterError { parameter: parameter.into(), detail });
    };
    let matchers: Vec<Matcher> =
        asked.matchers.iter().filter_map(|text| Matcher::parse(text)).collect();
    if matchers.len() < asked.matchers.len() {
        fault("matchers", "one of them is neither label=glob nor label!=glob".into());
    }
    if !(1..=MATCHERS_MAX).contains(&asked.matchers.len()) {
        fault("matchers", format!("there must be 1 to {MATCHERS_MAX}"));
    }
    let until_ms = until(&asked.until, now_ms).unwrap_or_else(|what| {
        fault("until", what);
        0
    });
    for (name, text) in [("comment", &asked.comment), ("created_by", &asked.created_by)] {
        if text.chars().count() > TEXT_CHARS_MAX {
            fault(name, format!("is longer than {TEXT_CHARS_MAX} characters"));
        }
    }
    let (comment, created_by) = (asked.comment.clone(), asked.created_by.clone());
    if wrong.is_empty() {
        Ok(Wish { matchers, until_ms, comment, created_by })
    } else {
        Err(Problem::parameters(wrong))
    }
}

/// RFC 3339, or a time from now such as `2h`.
fn until(text: &str, now_ms: i64) -> Result<i64, String> {
    let ahead =
        crate::config::duration(text).map(|d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
    let at = match ahead {
        Some(ahead) => now_ms.saturating_add(ahead),
        None => text.parse::<jiff::Timestamp>().map(|at| at.as_millisecond()).map_err(|_| {
            let shown: String = text.chars().take(60).collect();
            format!("'{shown}' is neither RFC 3339 nor a time from now such as 2h")
        })?,
    };
    match at - now_ms {
        ..=0 => Err("lies in the past".into()),
        1..=LASTS_MS_MAX => Ok(at),
        _ => Err("lies more than a year ahead: put it into the configuration file".into()),
    }
}

/// Does what waits for the disk elsewhere than on the thread of all requests.
pub(super) async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
