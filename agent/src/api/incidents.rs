//! `/api/v1/incidents`: what the black box has written, as a list and one by one.

use super::Shared;
use super::problem::{ParameterError, Problem};
use super::query::Params;
use crate::recorder::shelf::is_id;
use crate::view::{Incident, IncidentSummary};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use std::sync::Arc;

/// Kills by the kernel for want of memory, newest first.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "judgement",
    responses((status = 200, description = "What is kept of them in short",
        body = Vec<IncidentSummary>)))]
pub(super) async fn incidents(
    State(shared): State<Shared>,
    uri: Uri,
) -> Result<Json<Vec<IncidentSummary>>, Problem> {
    Params::of(&uri).finish()?;
    Ok(Json(shared.watch.incidents()))
}

/// One incident in full.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "judgement",
    params(("id" = String, Path, description = "As the list gives it")),
    responses((status = 200, description = "The incident", body = Incident),
        (status = 404, description = "No such incident is kept", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn incident(
    State(shared): State<Shared>,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Incident>, Problem> {
    Params::of(&uri).finish()?;
    let id = id.ok().map(|Path(id)| id).filter(|id| is_id(id)).ok_or_else(|| {
        let detail = "is not the id of an incident: letters, digits and '-'".to_owned();
        Problem::parameters(vec![ParameterError { parameter: "id".into(), detail }])
    })?;
    let (watch, wanted) = (Arc::clone(&shared.watch), id.clone());
    // It may lie on a disk that hangs; the other requests go on.
    let read = tokio::task::spawn_blocking(move || watch.incident(&wanted)).await;
    let found = read.map_err(|_| Problem::internal())?;
    let unknown = || format!("there is no incident {id}: it never was or was deleted by age");
    found.map(Arc::unwrap_or_clone).map(Json).ok_or_else(|| Problem::unknown_incident(unknown()))
}
