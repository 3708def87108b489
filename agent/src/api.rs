//! HTTP: the API, its OpenAPI document, the metrics, the probes and the web page.
//!
//! Everything shown comes from one [`Watch`]; nothing here reads the kernel. Only a silence changes
//! the agent, and only a heap report looks into a process; both have to be asked for rightly.
//! Every request is bounded: in size, in time, in number at once; every error is an RFC 9457
//! problem. [`guard`] says who may ask for what; where it knows no credential, [`check_bind`]
//! refuses to leave the loopback unless told to, and the `Host` allow-list keeps web sites from
//! reaching in by DNS rebinding.

mod events;
pub mod guard;
mod incidents;
mod metrics;
mod openapi;
mod page;
mod probes;
mod problem;
mod query;
mod reload;
mod reports;
mod silences;
mod v1;

#[cfg(test)]
mod desk;
#[cfg(test)]
mod tests;

pub use guard::{Guard, RuleFaults, Rules, Scope, serve};
pub use metrics::MetricsSettings;
pub use openapi::openapi;
pub use reload::Reload;

use crate::view::Watch;
use axum::error_handling::HandleErrorLayer;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::{BoxError, Router};
use problem::Problem;
use prometheus_client::registry::Registry;
use std::any::Any;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Requests answered at once; one more is told to come back later.
const REQUESTS_MAX: usize = 64;
/// Event streams open at once.
const STREAMS_MAX: usize = 32;
/// Until the response begins; a stream may then last.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Only a silence and the wish for a report have a body, and a short one. Units: bytes.
const BODY_BYTES_MAX: u64 = 16 * 1024;
/// uPlot sets styles through the CSSOM, which `style-src 'self'` allows.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
    form-action 'none'";

/// What the router is given beside what it shows.
#[derive(Clone)]
pub struct ApiSettings {
    /// Who may ask for what; also [`serve`] is given it, for TLS.
    pub guard: Arc<Guard>,
    /// What reads the configuration anew; None where there is none, as in the demo.
    pub reload: Option<Arc<dyn Reload>>,
    pub metrics: MetricsSettings,
}

impl ApiSettings {
    /// Those of an agent without credentials.
    #[must_use]
    pub fn open(listen: SocketAddr) -> Self {
        Self {
            guard: Arc::new(Guard::new(Rules::open(listen))),
            reload: None,
            metrics: MetricsSettings::default(),
        }
    }
}

impl std::fmt::Debug for ApiSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiSettings").field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// Who may have heap reports taken over HTTP.
#[derive(Clone, Debug, Default)]
pub struct HeapPermission {
    /// Without a token level 0 is taken: the API listens on a loopback address.
    pub open: bool,
    pub level_max: usize,
    /// Holds the bearer token; read at each request, so that it can be replaced.
    pub token_file: Option<PathBuf>,
    /// What may be asked for at most.
    pub max_pause: Duration,
    pub window: Duration,
}

/// An address that others can reach, without anything that keeps them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "refusing to listen on {0}: other machines can reach it and there is no authentication; \
     set http.tokens_file or http.web_config_file, listen on 127.0.0.1 (or [::1]), or pass \
     --insecure if everyone who can reach {0} may read the names, command lines and memory of \
     this node's processes"
)]
pub struct BindRefused(pub SocketAddr);

/// Decides whether the agent may listen on `addr`.
///
/// # Errors
/// [`BindRefused`] if `addr` is not a loopback address, nothing authenticates, and the operator
/// has not said `--insecure`.
pub const fn check_bind(
    addr: SocketAddr,
    insecure: bool,
    has_auth: bool,
) -> Result<(), BindRefused> {
    let loopback = addr.ip().to_canonical().is_loopback();
    if loopback || insecure || has_auth { Ok(()) } else { Err(BindRefused(addr)) }
}

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    watch: Arc<dyn Watch>,
    metrics: Arc<Registry>,
    streams: Arc<Semaphore>,
    guard: Arc<Guard>,
    reload: Option<Arc<dyn Reload>>,
}

/// Builds the service. It holds no task and no socket; [`serve`] gives it both.
pub fn router(watch: Arc<dyn Watch>, settings: ApiSettings) -> Router {
    let shared = Shared {
        metrics: Arc::new(metrics::registry(Arc::clone(&watch), &settings)),
        watch,
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        guard: Arc::clone(&settings.guard),
        reload: settings.reload,
    };
    let router = Router::from(documented()).merge(page::assets()).with_state(shared);
    bounded(router)
        .layer(from_fn_with_state(Arc::clone(&settings.guard), guard::pass))
        .layer(from_fn_with_state(settings.guard, guard::check))
        .layer(from_fn(problem::render))
        .layer(always(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .layer(always(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(always(header::REFERRER_POLICY, "no-referrer"))
        .layer(always(HeaderName::from_static("x-robots-tag"), "noindex, nofollow"))
        .layer(always(header::CACHE_CONTROL, "no-store"))
}

/// The routes that are in the OpenAPI document, by construction.
fn documented() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::preamble())
        .routes(routes!(page::index))
        .routes(routes!(probes::healthz))
        .routes(routes!(probes::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(openapi::document))
        .routes(routes!(v1::node))
        .routes(routes!(v1::cgroups))
        .routes(routes!(v1::processes))
        .routes(routes!(v1::process))
        .routes(routes!(v1::series))
        .routes(routes!(v1::verdicts))
        .routes(routes!(v1::alerts))
        .routes(routes!(v1::pressure))
        .routes(routes!(silences::list, silences::make))
        .routes(routes!(silences::end))
        .routes(routes!(silences::destinations))
        .routes(routes!(incidents::incidents))
        .routes(routes!(incidents::incident))
        .routes(routes!(reports::reports, reports::take_report))
        .routes(routes!(reports::report_diff))
        .routes(routes!(reports::report))
        .routes(routes!(events::events))
        .routes(routes!(reload::reload))
}

/// Puts the bounds around `router`, innermost first.
fn bounded(router: Router) -> Router {
    let at_once = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(async |_: BoxError| Problem::overloaded()))
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(REQUESTS_MAX));
    router
        .fallback(async || Problem::no_such_path())
        .method_not_allowed_fallback(async || Problem::wrong_method())
        .layer(CatchPanicLayer::custom(on_panic))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIME))
        .layer(at_once)
        .layer(from_fn(refuse_bodies))
}

/// What reads a body bounds it, so only the announced length of others can cost anything: the
/// connection is closed after the answer if a body is still to come.
async fn refuse_bodies(request: Request, next: Next) -> Result<Response, Problem> {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let length = announced.and_then(|v| v.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    if length > BODY_BYTES_MAX {
        return Err(Problem::body_too_large(BODY_BYTES_MAX));
    }
    Ok(next.run(request).await)
}

fn on_panic(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request handler panicked; the panic's message is above");
    axum::response::IntoResponse::into_response(Problem::internal())
}

fn always(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}
