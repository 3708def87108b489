//! `/api/v1/reports`: heap reports, taken and kept.
//!
//! To have one taken is the only request that looks into a process. Its body has to say that it is
//! JSON, which a web site cannot send here unasked. Level 0 leaves the process alone and is open on
//! a loopback address where no credential is set up; everything else needs the scope heap, or the
//! token, and a level that the configuration opens.

mod permit;

use super::guard::{Caller, Note, Peer, Scope};
use super::problem::{ParameterError, Problem};
use super::query::Params;
use super::silences::{is_json, waiting};
use super::{BODY_BYTES_MAX, HeapPermission, Shared};
use crate::reports::shelf::is_id;
use crate::reports::{Declined, compare};
use crate::view::{ReportFound, ReportMade, ReportRequest, ReportState, ReportSummary};
use axum::body::to_bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use plimsoll_heap::{Report, render};
use std::time::Duration;

/// A report that is finished within this time is answered with 201, a slower one with 202.
const PATIENCE: Duration = Duration::from_secs(5);
const SVG: &str = "image/svg+xml";
const PPROF: &str = "application/vnd.google.protobuf+gzip";

/// Heap reports that are kept, being taken, or were refused lately; newest first.
#[utoipa::path(get, path = "/api/v1/reports", tag = "memory",
    responses((status = 200, description = "The reports in short", body = Vec<ReportSummary>)))]
pub(super) async fn reports(
    State(shared): State<Shared>,
    uri: Uri,
) -> Result<Json<Vec<ReportSummary>>, Problem> {
    Params::of(&uri).finish()?;
    Ok(Json(shared.watch.reports()))
}

/// Has a heap report of a process taken.
#[utoipa::path(post, path = "/api/v1/reports", tag = "memory", request_body = ReportRequest,
    params(("Authorization" = Option<String>, Header, description = "Bearer and the token of \
        reports.token_file; needed above level 0, and for any level where the API does not listen \
        on a loopback address")),
    responses((status = 201, description = "It was taken; Location says where it is",
            body = ReportMade),
        (status = 202, description = "It is being taken; Location says where it will be",
            body = ReportMade),
        (status = 401, description = "The token is missing or wrong", body = Problem,
            content_type = "application/problem+json"),
        (status = 403, description = "This level is not taken over HTTP", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such process", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It could not be taken; the detail says why",
            body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not called JSON", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "One of this process was taken just now", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn take_report(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    caller: Option<Extension<Caller>>,
    uri: Uri,
    request: Request,
) -> Result<Response, Problem> {
    Params::of(&uri).finish()?;
    let headers = request.headers().clone();
    is_json(&headers)?;
    let bytes_max = usize::try_from(BODY_BYTES_MAX).unwrap_or(usize::MAX);
    let body = to_bytes(request.into_body(), bytes_max).await;
    let body = body.map_err(|_| Problem::body_too_large(BODY_BYTES_MAX))?;
    let wish: ReportRequest =
        serde_json::from_slice(&body).map_err(|why| Problem::bad_body(why.to_string()))?;
    let rules = shared.guard.rules();
    check(&wish, &rules.heap)?;
    let peer = peer.map_or_else(|| "-".to_owned(), |Extension(peer)| peer.address.to_string());
    let has_scope = caller.is_some_and(|Extension(caller)| caller.may(Scope::Heap));
    let (level, asks) = (wish.level, peer.clone());
    let permitted = move || permit::permit(&rules.heap, level, &headers, &asks, has_scope);
    waiting(permitted).await??;
    let pid = wish.pid;
    let ordered = waiting(move || shared.watch.take_report(&wish, &peer)).await?;
    let none = || Problem::unknown_target(format!("no process has the pid {pid}"));
    let ticket = ordered.ok_or_else(none)?.map_err(|why| declined(&why))?;
    let place = format!("/api/v1/reports/{}", ticket.id);
    let status = match tokio::time::timeout(PATIENCE, ticket.done).await {
        Ok(Ok(summary)) if summary.state == ReportState::Refused => return Err(refused(&summary)),
        Ok(Ok(_)) => StatusCode::CREATED,
        Ok(Err(_)) => return Err(Problem::internal()),
        Err(_) => StatusCode::ACCEPTED,
    };
    let note = Note(format!("pid {pid} level {level} report {}", ticket.id));
    let made = Json(ReportMade { id: ticket.id });
    Ok((status, [(header::LOCATION, place)], Extension(note), made).into_response())
}

/// One heap report in full: JSON (`plimsoll.report/1`), with `.pb.gz` behind its id a profile for
/// pprof's tools, with `.svg` a flame graph.
#[utoipa::path(get, path = "/api/v1/reports/{id}", tag = "memory",
    params(("id" = String, Path, description = "As the list gives it; with .pb.gz or .svg behind \
        it in that format")),
    responses((status = 200, content(
            (serde_json::Value = "application/json"),
            (Vec<u8> = "application/vnd.google.protobuf+gzip"),
            (String = "image/svg+xml")), description = "The report"),
        (status = 202, description = "It is still being taken", body = ReportSummary),
        (status = 404, description = "No such report is kept", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It could not be taken; the detail says why",
            body = Problem, content_type = "application/problem+json")))]
pub(super) async fn report(
    State(shared): State<Shared>,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::of(&uri).finish()?;
    let name = id.map(|Path(id)| id).unwrap_or_default();
    let (id, format) = parts(&name);
    let id = id_of("id", id).map_err(|wrong| Problem::parameters(vec![wrong]))?;
    let answer = move || match shared.watch.report(&id) {
        ReportFound::Ready(report) => shown(&report, format),
        ReportFound::Unfinished(summary) if summary.state == ReportState::Refused => {
            Err(refused(&summary))
        }
        ReportFound::Unfinished(summary) => {
            let later = [(header::RETRY_AFTER, "1")];
            Ok((StatusCode::ACCEPTED, later, Json(*summary)).into_response())
        }
        ReportFound::None => Err(unknown(&id)),
    };
    // It may lie on a disk that hangs; the other requests go on.
    waiting(answer).await?
}

/// What changed from one heap report to another.
#[utoipa::path(get, path = "/api/v1/reports/diff", tag = "memory",
    params(("a" = String, Query, description = "Id of the earlier report"),
        ("b" = String, Query, description = "Id of the later report"),
        ("format" = Option<String>, Query, description = "json (the default), text or svg")),
    responses((status = 200, content(
            (serde_json::Value = "application/json"),
            (String = "text/plain"),
            (String = "image/svg+xml")), description = "The difference"),
        (status = 404, description = "One of them is not kept", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "One of them is not finished", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn report_diff(
    State(shared): State<Shared>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut params = Params::of(&uri);
    let id = |text: &str| id_of("", text).map_err(|wrong| wrong.detail);
    let (a, b) = (params.require("a", id), params.require("b", id));
    let format = params.take("format", |text| match text {
        "json" | "text" | "svg" => Ok(text.to_owned()),
        _ => Err("is none of json, text and svg"),
    });
    params.finish()?;
    let (Some(a), Some(b)) = (a, b) else { return Err(Problem::internal()) };
    let find = move |id: &str| match shared.watch.report(id) {
        ReportFound::Ready(report) => Ok(report),
        ReportFound::Unfinished(_) => {
            Err(Problem::conflict(format!("report {id} is not finished, or was refused")))
        }
        ReportFound::None => Err(unknown(id)),
    };
    let answer = move || {
        let (before, now) = (find(&a)?, find(&b)?);
        Ok(match format.as_deref() {
            Some("svg") => {
                let drawn = render::diff_svg(&before, &now);
                ([(header::CONTENT_TYPE, SVG)], drawn).into_response()
            }
            Some("text") => compare::text(&before, &now).into_response(),
            _ => Json(compare::document(&before, &now)).into_response(),
        })
    };
    waiting(answer).await?
}

/// In which form a report is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Pprof,
    Svg,
}

fn parts(name: &str) -> (&str, Format) {
    let pprof = name.strip_suffix(".pb.gz").map(|id| (id, Format::Pprof));
    let svg = || name.strip_suffix(".svg").map(|id| (id, Format::Svg));
    pprof.or_else(svg).unwrap_or((name, Format::Json))
}

fn id_of(parameter: &str, id: &str) -> Result<String, ParameterError> {
    let detail = || "is not the id of a report: letters, digits and '-'".to_owned();
    let wrong = || ParameterError { parameter: parameter.into(), detail: detail() };
    is_id(id).then(|| id.to_owned()).ok_or_else(wrong)
}

fn shown(report: &Report, format: Format) -> Result<Response, Problem> {
    let id = report.id.as_deref().unwrap_or("report");
    Ok(match format {
        Format::Json => Json(report).into_response(),
        Format::Svg => ([(header::CONTENT_TYPE, SVG)], render::svg(report)).into_response(),
        Format::Pprof => {
            let packed = render::pprof(report).map_err(|_| Problem::internal())?;
            let kept_as = format!("attachment; filename=\"{id}.pb.gz\"");
            let headers =
                [(header::CONTENT_TYPE, PPROF.to_owned()), (header::CONTENT_DISPOSITION, kept_as)];
            (headers, packed).into_response()
        }
    })
}

/// Tells all that is wrong with what is asked for.
fn check(wish: &ReportRequest, permission: &HeapPermission) -> Result<(), Problem> {
    let mut wrong: Vec<ParameterError> = Vec::new();
    let mut fault = |parameter: &str, detail: String| {
        wrong.push(ParameterError { parameter: parameter.into(), detail });
    };
    if wish.pid == 0 {
        fault("pid", "is not that of a process".into());
    }
    if wish.level > 2 {
        fault("level", "is none of 0, 1 and 2".into());
    }
    let pause = permission.max_pause.as_millis();
    if wish.max_pause_ms.is_some_and(|ms| ms == 0 || u128::from(ms) > pause) {
        fault("max_pause_ms", format!("must be from 1 to {pause} (reports.max_pause)"));
    }
    let window = permission.window.as_secs_f64();
    if wish.window_s.is_some_and(|s| !(s > 0.0 && s <= window)) {
        fault("window_s", format!("must be above 0 and at most {window} (reports.window)"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Problem::parameters(wrong)) }
}

fn declined(why: &Declined) -> Problem {
    match why {
        Declined::Off | Declined::Level { .. } => Problem::forbidden(why.to_string()),
        Declined::CoolDown(left) => Problem::too_soon(why.to_string(), left.as_secs() + 1),
        Declined::Busy => Problem::busy(why.to_string()),
        Declined::Ended => Problem::internal(),
    }
}

fn refused(summary: &ReportSummary) -> Problem {
    Problem::report_refused(summary.why.clone().unwrap_or_default())
}

fn unknown(id: &str) -> Problem {
    Problem::unknown_report(format!("there is no report {id}: it never was or was deleted"))
}
