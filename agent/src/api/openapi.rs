//! The OpenAPI 3.1 document, made from the handlers' own annotations.

use super::guard::{Scope, needed};
use super::problem::{self, ParameterError, Problem};
use super::query::Params;
use crate::target::TargetKind;
use crate::verdict::State as VerdictState;
use crate::view::pressure::PressureEvent;
use crate::view::{Metric, ProcessOrder};
use axum::Json;
use axum::http::{Method, Uri};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, Response, ResponseBuilder};

/// Problems that any operation may answer with.
const ANYWHERE: [(&str, &str); 9] = [
    ("400", "A parameter is unknown, repeated or has a bad value, or Host is missing"),
    ("401", "A credential is missing or unknown"),
    ("403", "The credential has not the scope that this needs"),
    ("413", "The request has a large body"),
    ("421", "The Host header names another host"),
    ("429", "This client sends too many requests"),
    ("431", "The request has a long head"),
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
    let schemes = document.components.get_or_insert_default();
    for (name, scheme) in security_schemes() {
        schemes.add_security_scheme(name, scheme);
    }
    let operations = document.paths.paths.iter_mut().flat_map(|(path, item)| {
        [(Method::GET, &mut item.get), (Method::POST, &mut item.post)]
            .into_iter()
            .chain([(Method::DELETE, &mut item.delete)])
            .filter_map(|(method, operation)| Some((needed(&method, path), operation.as_mut()?)))
    });
    for (scope, operation) in operations {
        operation.security = scope.map(security);
        for (status, what) in ANYWHERE {
            let responses = &mut operation.responses.responses;
            responses.entry(status.to_owned()).or_insert_with(|| problem_of(what).into());
        }
    }
    document
}

/// How a client may say who it is.
fn security_schemes() -> [(&'static str, SecurityScheme); 3] {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token of http.tokens_file, or that of reports.token_file. The role beside an operation \
         is the scope it needs: metrics < read < heap < admin.",
    ));
    let basic = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some("A user of the web-config file; scope http.basic_auth_scope."));
    let mutual = "A certificate of the client CA; scope http.client_cert_scope.";
    [
        ("bearer", SecurityScheme::Http(bearer.build())),
        ("basic", SecurityScheme::Http(basic.build())),
        (
            "mutualTLS",
            SecurityScheme::MutualTls {
                description: Some(mutual.into()),
                deprecated: None,
                extensions: None,
            },
        ),
    ]
}

/// One of the schemes, with the scope; or none, where no credential is set up.
fn security(scope: Scope) -> Vec<SecurityRequirement> {
    let by = |scheme: &str| SecurityRequirement::new(scheme, [scope.name()]);
    vec![SecurityRequirement::default(), by("bearer"), by("basic"), by("mutualTLS")]
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
