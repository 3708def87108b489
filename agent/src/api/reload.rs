//! `POST /api/v1/reload`: reads the configuration anew, and says what came of it.
//!
//! Only for who has the scope admin: where no credential is set up nobody has, and SIGHUP does
//! the same. A configuration with a fault changes nothing.

use super::Shared;
use super::guard::{Caller, Note, Scope};
use super::problem::Problem;
use super::query::Params;
use super::silences::{is_json, waiting};
use crate::view::reload::{ReloadFigures, ReloadView};
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

/// Reads the configuration and the files it names anew.
pub trait Reload: Send + Sync {
    /// May wait for the disk. `trigger` is for the log and the event.
    ///
    /// # Errors
    /// Everything that is wrong; the old configuration holds then.
    fn reload(&self, trigger: &str) -> Result<ReloadView, Vec<String>>;

    fn figures(&self) -> ReloadFigures;
}

/// Reads the configuration anew, as SIGHUP does.
#[utoipa::path(post, path = "/api/v1/reload", tag = "agent",
    responses((status = 200, description = "What holds now, and what waits for a restart",
            body = ReloadView),
        (status = 403, description = "This needs the scope admin", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The new configuration has faults; the old one holds",
            body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The request is not called JSON", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn reload(
    State(shared): State<Shared>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::of(&uri).finish()?;
    if !caller.is_some_and(|Extension(caller)| caller.may(Scope::Admin)) {
        return Err(Problem::forbidden(
            "this needs the scope admin, and no credential of it is set up: send SIGHUP",
        ));
    }
    is_json(&headers)?;
    let Some(reload) = shared.reload else {
        return Err(Problem::conflict("this agent was started without a configuration to reload"));
    };
    match waiting(move || reload.reload("http")).await? {
        Ok(view) => {
            let note = format!("{} applied, {} wait", view.applied.len(), view.needs_restart.len());
            Ok((Extension(Note(note)), Json(view)).into_response())
        }
        Err(faults) => Err(Problem::bad_configuration(&faults)),
    }
}
