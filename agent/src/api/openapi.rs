//! The OpenAPI 3.1 document, made from the handlers' own annotations.

use super::problem::{self, ParameterError, Problem};
use super::query::Params;
use crate::target::TargetKind;
use crate::verdict::State as VerdictState;
use crate::view::pressure::PressureEvent;
use crate::view::{Metric, ProcessOrder};
use axum::Json;
use axum::http::Uri;
use utoipa::OpenApi;
use utoipa::openapi::{ContentBuilder, Ref, Response, ResponseBuilder};

/// Problems that any operation may answer with.
const ANYWHERE: [(&str, &str); 5] = [
    ("400", "A parameter is unknown, repeated or has a bad value, or Host is missing"),
    ("413", "The request has a large body"),
    ("421", "The Host header names another host"),
    ("500", "The agent failed"),
    ("503", "Too many requests or streams at once, or no answer within 10 s"),
];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Plimsoll agent",
        description = "What the node agent knows of the memory of processes, cgroups and the \
            node. Bytes are bytes, times are seconds unless the name says otherwise, wall times \
            are RFC 3339 UTC. A value that could not be had is null, never 0. Unknown \
            parameters are errors.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "memory", description = "What was read"),
        (name = "judgement", description = "What is thought of it"),
        (name = "agent", description = "The agent itself")
    ),
    components(schemas(
        Problem,
        ParameterError,
        ProcessOrder,
        Metric,
        TargetKind,
        VerdictState,
        PressureEvent
    ))
)]
struct Preamble;

/// The document without its paths.
pub(super) fn preamble() -> utoipa::openapi::OpenApi {
    Preamble::openapi()
}

/// The whole document, as `/openapi.json` serves it.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = super::documented().into_openapi();
    let items = document.paths.paths.values_mut();
    let operations = items.flat_map(|item| [&mut item.get, &mut item.post, &mut item.delete]);
    for operation in operations.flatten() {
        for (status, what) in ANYWHERE {
            let responses = &mut operation.responses.responses;
            responses.entry(status.to_owned()).or_insert_with(|| problem_of(what).into());
        }
    }
    document
}

fn problem_of(what: &str) -> Response {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(what).content(problem::CONTENT_TYPE, content).build()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "agent",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
pub(super) async fn document(uri: Uri) -> Result<Json<utoipa::openapi::OpenApi>, Problem> {
    Params::of(&uri).finish()?;
    Ok(Json(openapi()))
}
