//! The guard as a client meets it, through the whole router.

use super::*;
use crate::api::desk::{Desk, REPORT};
use crate::api::{ApiSettings, Reload, check_bind, openapi, router};
use crate::config::Config;
use crate::view::reload::{ReloadFigures, ReloadView};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::Value;
use std::fs::Permissions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use tower::ServiceExt as _;

const TOKENS: [(&str, &str); 4] = [
    ("metrics", "metrics-0123456789abcdef"),
    ("read", "read-0123456789abcdef"),
    ("heap", "heap-0123456789abcdef"),
    ("admin", "admin-0123456789abcdef"),
];

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.as_file().set_permissions(Permissions::from_mode(0o600)).unwrap();
    file
}

fn tokens_file() -> tempfile::NamedTempFile {
    let lines = TOKENS.map(|(scope, token)| format!("{scope} its-{scope} {token}\n"));
    file(&lines.concat())
}

fn listen() -> SocketAddr {
    ([127, 0, 0, 1], 9977).into()
}

#[derive(Debug)]
pub(in crate::api) struct Canned;

impl Reload for Canned {
    fn reload(&self, trigger: &str) -> Result<ReloadView, Vec<String>> {
        Ok(ReloadView { good: true, trigger: trigger.into(), ..ReloadView::default() })
    }

    fn figures(&self) -> ReloadFigures {
        ReloadFigures::default()
    }
}

fn app(rules: Rules) -> Router {
    let guard = Arc::new(Guard::new(rules));
    let metrics = crate::api::MetricsSettings::default();
    let reload: Option<Arc<dyn Reload>> = Some(Arc::new(Canned));
    router(Desk::new().shared(), ApiSettings { guard, reload, metrics })
}

/// An API with [`TOKENS`], and with what `set` changes.
fn guarded(set: impl FnOnce(&mut Config)) -> Router {
    let file = tokens_file();
    let mut config = Config::default();
    config.http.tokens_file = Some(file.path().to_owned());
    set(&mut config);
    app(Rules::load(&config, listen()).unwrap())
}

async fn send(app: &Router, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    let address = ([192, 0, 2, 1], 40_000).into();
    request.extensions_mut().insert(Peer { address, certified: false });
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn by_token(app: &Router, method: &str, path: &str, token: &str) -> u16 {
    let authorization = format!("Bearer {token}");
    let json = ("content-type", "application/json");
    send(app, method, path, &[("authorization", &authorization), json]).await.0
}

#[tokio::test]
async fn each_operation_of_the_document_is_open_to_its_scope_and_to_none_below() {
    let app = guarded(|config| config.http.rate_limit = 0);
    let document = serde_json::to_value(openapi()).unwrap();
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let needed = operation["security"][1]["bearer"][0].as_str();
            let path = path.replace("{pid}", "42").replace("{id}", REPORT);
            if path == "/api/v1/events" {
                continue;
            }
            let method = method.to_uppercase();
            let open = matches!(path.as_str(), "/healthz" | "/readyz");
            assert_eq!(needed.is_none(), open, "{path}");
            assert_eq!(send(&app, &method, &path, &[]).await.0 == 401, !open, "{method} {path}");
            for (scope, token) in TOKENS {
                let enough = needed.is_none_or(|needed| {
                    Scope::of_name(scope).unwrap() >= Scope::of_name(needed).unwrap()
                });
                let status = by_token(&app, &method, &path, token).await;
                assert_eq!(status != 403, enough, "{method} {path} by {scope}: {status}");
                assert_ne!(status, 401, "{method} {path}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} operations");
}

#[tokio::test]
async fn a_wrong_credential_opens_nothing_and_shows_nothing() {
    let app = guarded(|_| {});
    let long = "x".repeat(8000);
    for wrong in [
        "Bearer ",
        "Bearer",
        "bearer read-0123456789abcde",
        "Bearer read-0123456789abcdefg",
        "Basic cmVhZDpyZWFk",
        "Basic !!!",
        "Digest x",
        long.as_str(),
        "Bearer \u{e9}",
    ] {
        let (status, problem) =
            send(&app, "GET", "/api/v1/node", &[("authorization", wrong)]).await;
        assert_eq!(status, 401, "{wrong}: {problem}");
        assert!(!problem.to_string().contains("0123456789"), "{problem}");
    }
    let right = format!("Bearer {}", TOKENS[1].1);
    let twice = [("authorization", right.as_str()), ("authorization", "Bearer x")];
    assert_eq!(send(&app, "GET", "/api/v1/node", &twice).await.0, 401);
    assert_eq!(send(&app, "GET", "/readyz", &[]).await.0, 200);
    assert_eq!(send(&app, "GET", "/readyz?verbose", &[]).await.0, 401);
}

#[tokio::test]
async fn without_any_credential_a_loopback_address_is_open_but_for_reload() {
    let app = app(Rules::open(listen()));
    assert_eq!(send(&app, "GET", "/api/v1/processes", &[]).await.0, 200);
    assert_eq!(send(&app, "GET", "/readyz?verbose", &[]).await.0, 200);
    let json = [("content-type", "application/json")];
    assert_eq!(send(&app, "POST", "/api/v1/reload", &json).await.0, 403);
}

#[tokio::test]
async fn the_token_of_reports_is_one_of_the_scope_heap_beside_others() {
    let own = file("of-the-reports-0123456789\n");
    let path = own.path().to_owned();
    let app = guarded(|config| config.reports.token_file = Some(path));
    let token = "of-the-reports-0123456789";
    assert_eq!(by_token(&app, "GET", &format!("/api/v1/reports/{REPORT}"), token).await, 200);
    assert_eq!(by_token(&app, "POST", "/api/v1/reload", token).await, 403);
}

#[tokio::test]
async fn what_changes_something_is_not_taken_from_another_web_site() {
    let app = guarded(|_| {});
    let token = format!("Bearer {}", TOKENS[3].1);
    let json = ("content-type", "application/json");
    for (header, status) in [
        (("origin", "http://localhost"), 200),
        (("origin", "http://evil.example"), 403),
        (("origin", "http://localhost:1"), 403),
        (("origin", "null"), 403),
        (("sec-fetch-site", "cross-site"), 403),
        (("sec-fetch-site", "same-origin"), 200),
    ] {
        let headers = [("authorization", token.as_str()), json, header];
        assert_eq!(send(&app, "POST", "/api/v1/reload", &headers).await.0, status, "{header:?}");
    }
    let form = ("content-type", "text/plain");
    let headers = [("authorization", token.as_str()), form];
    assert_eq!(send(&app, "POST", "/api/v1/reload", &headers).await.0, 415);
}

#[tokio::test]
async fn users_of_the_web_config_file_have_their_scope_and_a_browser_asks_for_them() {
    let hash = bcrypt::hash("hunter2", 4).unwrap();
    let web = file(&format!("basic_auth_users:\n  ann: {hash}\n"));
    let mut config = Config::default();
    config.http.web_config_file = Some(web.path().to_owned());
    let rules = Rules::load(&config, listen()).unwrap();
    assert!(rules.has_auth() && rules.access.challenge("x").starts_with("Basic "));
    let app = app(rules);
    // ann:hunter2
    let ann = [("authorization", "Basic YW5uOmh1bnRlcjI=")];
    for _ in 0..2 {
        assert_eq!(send(&app, "GET", "/api/v1/node", &ann).await.0, 200);
    }
    assert_eq!(send(&app, "POST", "/api/v1/reports", &ann).await.0, 403);
    let wrong = [("authorization", "Basic YW5uOmh1bnRlcjM=")];
    assert_eq!(send(&app, "GET", "/", &wrong).await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    let app = guarded(|config| config.http.rate_limit = 5);
    for n in 0..10 {
        assert_eq!(send(&app, "GET", "/healthz", &[]).await.0, 200, "{n}");
    }
    let (status, problem) = send(&app, "GET", "/healthz", &[]).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (429, Some("urn:plimsoll:problem:rate-limited"))
    );
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(send(&app, "GET", "/healthz", &[]).await.0, 200);
}

#[test]
fn rules_name_every_file_that_is_no_good() {
    let mut config = Config::default();
    config.http.tokens_file = Some("/nowhere/tokens".into());
    config.http.web_config_file = Some("/nowhere/web.yml".into());
    let faults = Rules::load(&config, listen()).unwrap_err();
    assert_eq!(faults.0.len(), 2, "{faults}");
    let rules = Rules::open(([0, 0, 0, 0], 1).into());
    assert!(check_bind(([0, 0, 0, 0], 1).into(), false, rules.has_auth()).is_err());
}
