//! The router as a client meets it, without a socket.

mod document;
mod incidents;
mod reports;
mod silences;
mod streams;

use super::desk::{Desk, HOSTILE};
use super::*;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt as _;

fn app(desk: Desk) -> Router {
    app_over(desk.shared())
}

fn app_over(desk: Arc<Desk>) -> Router {
    let listen = SocketAddr::from(([127, 0, 0, 1], 9977));
    let heap = HeapPermission { open: true, ..HeapPermission::default() };
    router(
        desk,
        ApiSettings {
            allowed_hosts: Vec::new(),
            listen,
            silences: true,
            heap,
            metrics: MetricsSettings::default(),
        },
    )
}

fn request(method: Method, uri: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(uri).header(header::HOST, "localhost:9977")
}

async fn send(app: &Router, request: Request) -> (StatusCode, HeaderMap, Bytes) {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap())
}

async fn get(app: &Router, uri: &str) -> (StatusCode, HeaderMap, Bytes) {
    send(app, request(Method::GET, uri).body(Body::empty()).unwrap()).await
}

async fn get_text(app: &Router, uri: &str) -> (StatusCode, String) {
    let (status, _, body) = get(app, uri).await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get_json(app: &Router, uri: &str) -> Value {
    let (status, headers, body) = get(app, uri).await;
    assert_eq!(status, StatusCode::OK, "{uri}");
    assert_eq!(headers[header::CONTENT_TYPE], "application/json", "{uri}");
    serde_json::from_slice(&body).unwrap()
}

fn problem((status, headers, body): (StatusCode, HeaderMap, Bytes)) -> Value {
    assert_eq!(headers[header::CONTENT_TYPE], problem::CONTENT_TYPE);
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], status.as_u16());
    problem
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn leaving_the_loopback_needs_authentication_or_insecure() {
    let everywhere: SocketAddr = "0.0.0.0:9977".parse().unwrap();
    assert_eq!(check_bind(everywhere, false, false), Err(BindRefused(everywhere)));
    assert!(BindRefused(everywhere).to_string().contains("--insecure"));
    assert_eq!(check_bind(everywhere, true, false), Ok(()));
    assert_eq!(check_bind(everywhere, false, true), Ok(()));
    for loopback in ["127.0.0.1:1", "[::1]:1", "127.8.0.1:1", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(check_bind(loopback.parse().unwrap(), false, false), Ok(()), "{loopback}");
    }
}

#[tokio::test]
async fn documents_come_as_json_with_hostile_names_whole() {
    let app = app(Desk::new());
    assert_eq!(get_json(&app, "/api/v1/node").await["used_bytes"], 3072_u64 << 20);
    assert_eq!(get_json(&app, "/api/v1/cgroups").await[1]["path"], HOSTILE);
    assert_eq!(get_json(&app, "/api/v1/processes/42").await["comm"], HOSTILE);
    assert_eq!(get_json(&app, "/api/v1/alerts").await[0]["name"], "OomPredicted");
    let verdicts = get_json(&app, "/api/v1/verdicts?state=oom_predicted").await;
    assert_eq!(verdicts.as_array().unwrap().len(), 1);
    assert_eq!(verdicts[0]["target"]["labels"]["workload"], HOSTILE);
    assert_eq!(verdicts[0]["eta_s"], json!({ "p10": 300.0, "p50": 600.0, "p90": null }));
    let of_kind = async |kind| {
        let found = get_json(&app, &format!("/api/v1/verdicts?kind={kind}")).await;
        found.as_array().unwrap().len()
    };
    assert_eq!((of_kind("process").await, of_kind("cgroup").await), (2, 0));
}

#[tokio::test]
async fn processes_are_limited_and_ordered_as_asked() {
    let app = app(Desk::new());
    let list = get_json(&app, "/api/v1/processes").await;
    assert_eq!(
        (list["total"].as_u64(), list["processes"].as_array().unwrap().len()),
        (Some(150), 100)
    );
    let list = get_json(&app, "/api/v1/processes?sort=eta&limit=2").await;
    assert_eq!(list["processes"].as_array().unwrap().len(), 2);
    assert_eq!(list["processes"][0]["interval_s"], 1.0);
}

#[tokio::test]
async fn a_series_is_found_by_its_encoded_target() {
    let app = app(Desk::new());
    let target = "workload:a%22b%5Cc%0Ad%3C/script%3E%EF%BF%BD%1B%5B31m";
    let series =
        get_json(&app, &format!("/api/v1/series?target={target}&metric=anon&from=5")).await;
    assert_eq!(series["target"], format!("workload:{HOSTILE}"));
    assert_eq!(series["metric"], "anon");
    assert_eq!(series["points"], json!([[5.0, 1.0], [1e9, null]]));
}

#[tokio::test]
async fn every_bad_query_is_told_what_is_wrong() {
    let app = app(Desk::new());
    for (uri, parameter, part) in [
        ("/api/v1/node?x=1", "x", "there are no parameters"),
        ("/api/v1/processes?sort=size", "sort", "expected one of `rss`, `anon`"),
        ("/api/v1/processes?limit=0", "limit", "from 1 to 10000"),
        ("/api/v1/processes?limit=10001", "limit", "from 1 to 10000"),
        ("/api/v1/processes?limit=-1", "limit", "from 1 to 10000"),
        ("/api/v1/processes?limit=", "limit", "from 1 to 10000"),
        ("/api/v1/processes?limit=1&limit=2", "limit", "more than once"),
        ("/api/v1/processes/0", "pid", "not a process id"),
        ("/api/v1/processes/abc", "pid", "not a process id"),
        ("/api/v1/processes/4294967296", "pid", "not a process id"),
        ("/api/v1/processes/%FF", "pid", "not a process id"),
        ("/api/v1/series", "target", "is required"),
        ("/api/v1/series?target=", "target", "is not a target"),
        ("/api/v1/series?target=pid:1", "target", "is not a target"),
        ("/api/v1/series?target=node&metric=rss", "metric", "expected one of `used`"),
        ("/api/v1/series?target=node&from=soon", "from", "is not a time"),
        ("/api/v1/series?target=node&from=5&to=4", "from", "lies after 'to'"),
        ("/api/v1/series?target=node&step=0", "step", "is not a step"),
        ("/api/v1/verdicts?state=bad", "state", "expected one of `ok`"),
        ("/api/v1/verdicts?kind=pod", "kind", "expected one of `node`"),
        ("/api/v1/events?after=-1", "after", "not a sequence number"),
        ("/readyz?verbose=maybe", "verbose", "is a switch"),
        ("/metrics?collect=all", "collect", "no parameters"),
        ("/healthz?%FF=%FF", "\u{fffd}", "no parameters"),
    ] {
        let problem = problem(get(&app, uri).await);
        assert_eq!(problem["status"], 400, "{uri}");
        assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{uri}: {problem}");
        assert_eq!(problem["errors"][0]["parameter"], parameter, "{uri}");
        let detail = problem["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{uri}: {detail}");
    }
}

#[tokio::test]
async fn a_problem_lists_all_errors_at_once() {
    let app = app(Desk::new());
    let uri = "/api/v1/series?target=pod:x&metric=rss&from=%2b5&to=now&step=-1&a=b";
    insta::assert_snapshot!(pretty(&problem(get(&app, uri).await)), @r#"
        {
          "detail": "6 parameters are wrong",
          "errors": [
            {
              "detail": "'pod:x' is not a target: use node, workload:NAME, cgroup:/PATH or process:PID@START_TIME",
              "parameter": "target"
            },
            {
              "detail": "unknown variant `rss`, expected one of `used`, `anon`, `file`, `shmem`, `swap`",
              "parameter": "metric"
            },
            {
              "detail": "'+5' is not a time: use RFC 3339 (in a URL + is %2B), Unix seconds, or an age with a unit such as -90s, -15m, -1h, -2d, -1w",
              "parameter": "from"
            },
            {
              "detail": "'now' is not a time: use RFC 3339 (in a URL + is %2B), Unix seconds, or an age with a unit such as -90s, -15m, -1h, -2d, -1w",
              "parameter": "to"
            },
            {
              "detail": "'-1' is not a step: use seconds above 0, or a unit as in 30s, 5m, 1h",
              "parameter": "step"
            },
            {
              "detail": "is not known here: there are target, metric, from, to, step",
              "parameter": "a"
            }
          ],
          "instance": "/api/v1/series",
          "status": 400,
          "title": "Invalid parameter",
          "type": "urn:plimsoll:problem:invalid-parameter"
        }
        "#);
}

#[tokio::test]
async fn unknown_paths_pids_targets_and_methods_are_problems() {
    let app = app(Desk::new());
    let mut problems = Vec::new();
    for uri in ["/nope", "/api/v1/processes/43", "/api/v1/series?target=workload:gone"] {
        problems.push(problem(get(&app, uri).await));
    }
    let post = request(Method::POST, "/api/v1/node").body(Body::empty()).unwrap();
    let (status, headers, body) = send(&app, post).await;
    assert_eq!(headers[header::ALLOW], "GET,HEAD");
    problems.push(problem((status, headers, body)));
    insta::assert_snapshot!(pretty(&problems), @r#"
        [
          {
            "detail": "nothing is served here; /openapi.json lists what is",
            "instance": "/nope",
            "status": 404,
            "title": "No such path",
            "type": "urn:plimsoll:problem:no-such-path"
          },
          {
            "detail": "no process 43 is watched: it has ended or never was",
            "instance": "/api/v1/processes/43",
            "status": 404,
            "title": "Unknown target",
            "type": "urn:plimsoll:problem:unknown-target"
          },
          {
            "detail": "'workload:gone' has no history here",
            "instance": "/api/v1/series",
            "status": 404,
            "title": "Unknown target",
            "type": "urn:plimsoll:problem:unknown-target"
          },
          {
            "detail": "the Allow header lists the methods of this path",
            "instance": "/api/v1/node",
            "status": 405,
            "title": "Method not allowed",
            "type": "urn:plimsoll:problem:wrong-method"
          }
        ]
        "#);
}

#[tokio::test]
async fn a_large_body_is_refused_and_a_panic_is_a_problem_that_tells_nothing() {
    let mut desk = Desk::new();
    desk.panics = true;
    let app = app(desk);
    let large = request(Method::GET, "/healthz").header(header::CONTENT_LENGTH, 1 << 20);
    let refused = problem(send(&app, large.body(Body::empty()).unwrap()).await);
    assert_eq!(refused["type"], "urn:plimsoll:problem:body-too-large");
    let failed = problem(get(&app, "/api/v1/node").await);
    insta::assert_snapshot!(pretty(&failed), @r#"
        {
          "detail": "the agent failed to answer; its log says more",
          "instance": "/api/v1/node",
          "status": 500,
          "title": "Internal error",
          "type": "urn:plimsoll:problem:internal"
        }
        "#);
}

#[tokio::test]
async fn a_foreign_or_missing_host_is_refused() {
    let app = app(Desk::new());
    let ask = async |hosts: &[&str], uri: &str| {
        let mut builder = Request::builder().uri(uri);
        for host in hosts {
            builder = builder.header(header::HOST, *host);
        }
        send(&app, builder.body(Body::empty()).unwrap()).await
    };
    assert_eq!(ask(&["127.0.0.1:9977"], "/healthz").await.0, StatusCode::OK);
    assert_eq!(ask(&["[::1]"], "/healthz").await.0, StatusCode::OK);
    for (hosts, uri, status) in [
        (&["evil.example"][..], "/healthz", 421),
        (&["evil.example:9977"], "/", 421),
        (&["evil.example"], "/nope", 421),
        (&["localhost"], "http://evil.example/healthz", 421),
        (&[], "/healthz", 400),
        (&["localhost", "evil.example"], "/healthz", 400),
        (&["evil@localhost"], "/healthz", 400),
        (&[""], "/healthz", 400),
    ] {
        assert_eq!(problem(ask(hosts, uri).await)["status"], status, "{hosts:?} {uri}");
    }
}

#[tokio::test]
async fn readiness_lists_the_sources_and_is_503_before_the_first_sweep() {
    let ready = app(Desk::new());
    assert_eq!(get_text(&ready, "/healthz").await, (StatusCode::OK, "ok\n".into()));
    assert_eq!(get_text(&ready, "/readyz").await, (StatusCode::OK, "ok\n".into()));
    insta::assert_snapshot!(get_text(&ready, "/readyz?verbose").await.1, @r"
        [+] process: sees 312 processes
        [-] smaps: sees own processes; needs SYS_PTRACE
        [-] oom_log: needs CAP_SYSLOG
        [ ] connector: off
        ok, degraded
        ");

    let mut desk = Desk::new();
    desk.ready = false;
    let unready = app(desk);
    assert_eq!(get_text(&unready, "/healthz").await.0, StatusCode::OK);
    let (status, text) = get_text(&unready, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    insta::assert_snapshot!(text, @r"
        [-] smaps: sees own processes; needs SYS_PTRACE
        [-] oom_log: needs CAP_SYSLOG
        not ready: the first sweep is not done
        ");

    let json = request(Method::GET, "/readyz").header(header::ACCEPT, "application/json");
    let (status, _, body) = send(&unready, json.body(Body::empty()).unwrap()).await;
    let health: crate::view::HealthView = serde_json::from_slice(&body).unwrap();
    assert_eq!((status.as_u16(), health.ready, health.sources.len()), (503, false, 4));
}

#[tokio::test]
async fn metrics_come_in_the_format_that_the_client_accepts() {
    let app = app(Desk::new());
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3,*/*;q=0.2";
    for (accept, content_type, ends) in [
        (prometheus, "application/openmetrics-text; version=1.0.0; charset=utf-8", true),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", false),
    ] {
        let builder = request(Method::GET, "/metrics").header(header::ACCEPT, accept);
        let (_, headers, body) = send(&app, builder.body(Body::empty()).unwrap()).await;
        assert_eq!(headers[header::CONTENT_TYPE], content_type);
        assert_eq!(body.ends_with(b"# EOF\n"), ends);
    }
}

#[tokio::test]
async fn the_page_is_served_with_a_strict_policy_and_revalidated() {
    let app = app(Desk::new());
    for path in page::paths().chain(["/", "/?target=node"]) {
        let (status, headers, body) = get(&app, path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!body.is_empty(), "{path}");
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], CONTENT_SECURITY_POLICY);
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        let again =
            request(Method::GET, path).header(header::IF_NONE_MATCH, &headers[header::ETAG]);
        let (status, _, body) = send(&app, again.body(Body::empty()).unwrap()).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
    }
    assert_eq!(get(&app, "/api/v1/node").await.1[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn requests_beyond_the_limit_are_told_to_come_back() {
    let (enter, mut entered) = tokio::sync::mpsc::channel(REQUESTS_MAX);
    let slow = axum::routing::get(async move || {
        enter.send(()).await.unwrap();
        std::future::pending::<()>().await
    });
    let app = bounded(Router::new().route("/", slow)).layer(from_fn(problem::render));
    let mut under_way = Vec::new();
    for _ in 0..REQUESTS_MAX {
        let app = app.clone();
        under_way.push(tokio::spawn(async move { get(&app, "/").await.0 }));
        entered.recv().await.unwrap();
    }
    let (status, headers, body) = get(&app, "/").await;
    assert_eq!(headers[header::RETRY_AFTER], "5");
    let refused = problem((status, headers, body));
    assert_eq!(refused["type"], "urn:plimsoll:problem:overloaded");
    under_way.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_a_problem() {
    let slow = Router::new().route("/", axum::routing::get(std::future::pending::<()>));
    let app = bounded(slow).layer(from_fn(problem::render));
    let problem = problem(get(&app, "/").await);
    assert_eq!((&problem["status"], &problem["type"]), (&json!(503), &json!("about:blank")));
}

fn any_uri() -> impl Strategy<Value = String> {
    let path = prop::sample::select(vec![
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/",
        "/api/v1/node",
        "/api/v1/cgroups",
        "/api/v1/processes",
        "/api/v1/processes/42",
        "/api/v1/series",
        "/api/v1/verdicts",
        "/api/v1/alerts",
        "/api/v1/incidents/x",
        "/api/v1/events",
    ]);
    let key = prop_oneof![
        prop::sample::select(vec!["target", "metric", "from", "to", "step", "sort", "limit"]),
        prop::sample::select(vec!["state", "kind", "after", "verbose", "%00", "", "%"]),
    ];
    let value = prop_oneof![
        "[-+0-9a-zA-Z.:@/%&=;~!*'()]{0,30}",
        prop::sample::select(vec!["node", "used", "-1h", "1e999", "99999999999999999999", "rss"])
            .prop_map(str::to_owned),
    ];
    let pairs = prop::collection::vec((key, value), 0..6);
    (path, pairs).prop_map(|(path, pairs)| {
        let pairs: Vec<String> = pairs.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        format!("{path}?{}", pairs.join("&"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_query_is_answered_or_is_the_clients_fault(uri in any_uri()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let app = app(Desk::new());
            let request = request(Method::GET, &uri).body(Body::empty()).unwrap();
            let response = app.oneshot(request).await.unwrap();
            let status = response.status();
            prop_assert!(status == StatusCode::OK || status.is_client_error(), "{status} {uri}");
            if status.is_client_error() {
                prop_assert_eq!(&response.headers()[header::CONTENT_TYPE], problem::CONTENT_TYPE);
            }
            Ok(())
        })?;
    }
}
