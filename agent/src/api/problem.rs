//! Errors as RFC 9457 problem documents (`application/problem+json`).
//!
//! Handlers return a [`Problem`] and know nothing of the request's path; [`render`] is the one
//! place where it becomes a body. It never shows paths of this machine or a backtrace.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) const CONTENT_TYPE: &str = "application/problem+json";
/// Units: seconds.
const RETRY_AFTER_S: u64 = 5;
/// A hostile query must not buy a long answer.
const ERRORS_MAX: usize = 20;

/// A problem document. `type` is a stable name to branch on; `detail` is for people.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    #[serde(rename = "type")]
    #[schema(example = "urn:plimsoll:problem:invalid-parameter")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    /// The path that was asked for.
    instance: String,
    /// Everything wrong with the parameters, at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ParameterError>,
    /// When it is worth asking again; 0 where nothing is known of that. Units: seconds.
    #[serde(skip)]
    retry_after_s: u16,
}

/// What is wrong with one parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ParameterError {
    pub(super) parameter: String,
    pub(super) detail: String,
}

impl Problem {
    fn new(
        kind: &'static str,
        title: &'static str,
        status: StatusCode,
        detail: impl Into<String>,
    ) -> Self {
        let (status, detail) = (status.as_u16(), detail.into());
        let (instance, errors) = (String::new(), Vec::new());
        Self { kind, title, status, detail, instance, errors, retry_after_s: 0 }
    }

    pub(super) fn parameters(mut errors: Vec<ParameterError>) -> Self {
        let detail = match errors.len() {
            1 => "1 parameter is wrong".to_owned(),
            n => format!("{n} parameters are wrong"),
        };
        errors.truncate(ERRORS_MAX);
        let mut problem = Self::new(
            "urn:plimsoll:problem:invalid-parameter",
            "Invalid parameter",
            StatusCode::BAD_REQUEST,
            detail,
        );
        problem.errors = errors;
        problem
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(
            "urn:plimsoll:problem:no-such-path",
            "No such path",
            StatusCode::NOT_FOUND,
            "nothing is served here; /openapi.json lists what is",
        )
    }

    pub(super) fn unknown_target(detail: impl Into<String>) -> Self {
        Self::new(
            "urn:plimsoll:problem:unknown-target",
            "Unknown target",
            StatusCode::NOT_FOUND,
            detail,
        )
    }

    pub(super) fn unknown_incident(detail: impl Into<String>) -> Self {
        Self::new(
            "urn:plimsoll:problem:unknown-incident",
            "Unknown incident",
            StatusCode::NOT_FOUND,
            detail,
        )
    }

    pub(super) fn unknown_report(detail: impl Into<String>) -> Self {
        Self::new(
            "urn:plimsoll:problem:unknown-report",
            "Unknown report",
            StatusCode::NOT_FOUND,
            detail,
        )
    }

    /// The report was asked for rightly and could not be taken.
    pub(super) fn report_refused(detail: impl Into<String>) -> Self {
        Self::new(
            "urn:plimsoll:problem:report-refused",
            "Report refused",
            StatusCode::CONFLICT,
            detail,
        )
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(
            "urn:plimsoll:problem:unauthorized",
            "Token missing or wrong",
            StatusCode::UNAUTHORIZED,
            detail,
        )
    }

    /// The configuration cannot be taken over; the old one goes on. `errors` say why.
    pub(super) fn bad_configuration(what: &[String]) -> Self {
        let mut problem = Self::new(
            "urn:plimsoll:problem:bad-configuration",
            "Configuration refused",
            StatusCode::CONFLICT,
            "the configuration has faults; the one that held goes on",
        );
        let fault = |detail: &String| ParameterError {
            parameter: "configuration".into(),
            detail: detail.clone(),
        };
        problem.errors = what.iter().take(ERRORS_MAX).map(fault).collect();
        problem
    }

    pub(super) fn rate_limited(retry_after_s: u64) -> Self {
        let problem = Self::new(
            "urn:plimsoll:problem:rate-limited",
            "Too many requests",
            StatusCode::TOO_MANY_REQUESTS,
            "this client sends more than http.rate_limit requests a second",
        );
        Self { retry_after_s: u16::try_from(retry_after_s).unwrap_or(u16::MAX), ..problem }
    }

    pub(super) fn head_too_large(bytes_max: usize) -> Self {
        Self::new(
            "urn:plimsoll:problem:head-too-large",
            "Request head too large",
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("target and headers of a request may have {bytes_max} bytes"),
        )
    }

    pub(super) fn foreign_origin() -> Self {
        Self::new(
            "urn:plimsoll:problem:foreign-origin",
            "Request of another site",
            StatusCode::FORBIDDEN,
            "a web site other than the agent's own page sent this through a browser",
        )
    }

    pub(super) fn too_soon(detail: impl Into<String>, retry_after_s: u64) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let problem = Self::new("urn:plimsoll:problem:too-soon", "Too soon", status, detail);
        Self { retry_after_s: u16::try_from(retry_after_s).unwrap_or(u16::MAX), ..problem }
    }

    pub(super) fn busy(detail: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new("urn:plimsoll:problem:busy", "Busy", status, detail)
    }

    pub(super) fn wrong_method() -> Self {
        Self::new(
            "urn:plimsoll:problem:wrong-method",
            "Method not allowed",
            StatusCode::METHOD_NOT_ALLOWED,
            "the Allow header lists the methods of this path",
        )
    }

    pub(super) fn bad_host(detail: impl Into<String>) -> Self {
        Self::new(
            "urn:plimsoll:problem:bad-host",
            "Missing or malformed Host",
            StatusCode::BAD_REQUEST,
            detail,
        )
    }

    pub(super) fn misdirected(detail: impl Into<String>) -> Self {
        Self::new(
            "urn:plimsoll:problem:misdirected",
            "Host not allowed",
            StatusCode::MISDIRECTED_REQUEST,
            detail,
        )
    }

    pub(super) fn body_too_large(bytes_max: u64) -> Self {
        Self::new(
            "urn:plimsoll:problem:body-too-large",
            "Body too large",
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a request body may have {bytes_max} bytes"),
        )
    }

    pub(super) fn bad_body(detail: impl Into<String>) -> Self {
        Self::new(
            "urn:plimsoll:problem:bad-body",
            "Malformed body",
            StatusCode::BAD_REQUEST,
            detail,
        )
    }

    pub(super) fn wrong_media_type() -> Self {
        Self::new(
            "urn:plimsoll:problem:wrong-media-type",
            "Wrong media type",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be sent as application/json",
        )
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new("urn:plimsoll:problem:forbidden", "Not permitted", StatusCode::FORBIDDEN, detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new("urn:plimsoll:problem:conflict", "Not possible", StatusCode::CONFLICT, detail)
    }

    pub(super) fn unknown_silence() -> Self {
        Self::new(
            "urn:plimsoll:problem:unknown-silence",
            "Unknown silence",
            StatusCode::NOT_FOUND,
            "no silence of this id holds: it is over or never was",
        )
    }

    pub(super) fn overloaded() -> Self {
        Self::new(
            "urn:plimsoll:problem:overloaded",
            "Too many requests at once",
            StatusCode::SERVICE_UNAVAILABLE,
            "as many requests as the agent answers at once are under way",
        )
    }

    pub(super) fn too_many_streams(streams_max: usize) -> Self {
        Self::new(
            "urn:plimsoll:problem:too-many-streams",
            "Too many event streams",
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{streams_max} event streams are open, which is the most"),
        )
    }

    pub(super) fn internal() -> Self {
        Self::new(
            "urn:plimsoll:problem:internal",
            "Internal error",
            StatusCode::INTERNAL_SERVER_ERROR,
            "the agent failed to answer; its log says more",
        )
    }

    /// For an error that a layer answered with a bare status, such as the request timeout.
    fn of_status(status: StatusCode) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self::new("about:blank", title, status, "the request could not be answered")
    }

    fn into_body(self) -> (StatusCode, Body) {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, serde_json::to_vec(&self).map_or_else(|_| Body::empty(), Body::from))
    }
}

/// Hands the problem to [`render`], which knows the path.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}

/// Outermost layer: gives every problem, and every error without a body of its own, its document.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let instance = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let status = response.status();
    let is_bare = !response.headers().contains_key(header::CONTENT_TYPE);
    let mut problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if is_bare && (status.is_client_error() || status.is_server_error()) => {
            Problem::of_status(status)
        }
        None => return response,
    };
    problem.instance = instance;
    let retry_after_s = problem.retry_after_s;
    let (status, body) = problem.into_body();
    let (mut parts, _) = response.into_parts();
    parts.status = status;
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    if retry_after_s > 0 {
        parts.headers.insert(header::RETRY_AFTER, retry_after_s.into());
    } else if status == StatusCode::SERVICE_UNAVAILABLE {
        parts.headers.insert(header::RETRY_AFTER, RETRY_AFTER_S.into());
    }
    if status == StatusCode::UNAUTHORIZED && !parts.headers.contains_key(header::WWW_AUTHENTICATE) {
        parts.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Response::from_parts(parts, body)
}
