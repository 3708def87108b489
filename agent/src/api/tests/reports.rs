//! Heap reports over HTTP: taken, in their forms, compared, and every way in which there is none.

use super::*;
use crate::api::desk::{REFUSED, REPORT, RUNNING};

async fn post(app: &Router, media_type: &str, body: &str) -> (StatusCode, HeaderMap, Value) {
    let request = request(Method::POST, "/api/v1/reports").header("Content-Type", media_type);
    let sent = send(app, request.body(Body::from(body.to_owned())).unwrap()).await;
    (sent.0, sent.1, serde_json::from_slice(&sent.2).unwrap())
}

#[tokio::test]
async fn a_report_that_is_finished_soon_is_created_and_one_that_cannot_be_taken_is_a_problem() {
    let app = app(Desk::new());
    let (status, headers, made) = post(&app, "application/json", r#"{"pid": 42}"#).await;
    assert_eq!((status, &made["id"]), (StatusCode::CREATED, &REPORT.into()));
    assert_eq!(headers[header::LOCATION], format!("/api/v1/reports/{REPORT}"));
    for (pid, status, kind) in [
        (43, StatusCode::CONFLICT, "report-refused"),
        (44, StatusCode::TOO_MANY_REQUESTS, "too-soon"),
        (45, StatusCode::SERVICE_UNAVAILABLE, "busy"),
        (46, StatusCode::NOT_FOUND, "unknown-target"),
    ] {
        let body = format!("{{\"pid\": {pid}, \"level\": 0}}");
        let (got, headers, problem) = post(&app, "application/json", &body).await;
        assert_eq!(
            (got, &problem["type"]),
            (status, &format!("urn:plimsoll:problem:{kind}").into())
        );
        if pid == 44 {
            assert_eq!(headers[header::RETRY_AFTER], "8");
        }
    }
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_told_all_at_once_and_a_form_cannot_ask() {
    let app = app(Desk::new());
    let body = r#"{"pid": 0, "level": 7, "max_pause_ms": 99999, "window_s": -1}"#;
    let (status, _, problem) = post(&app, "application/json", body).await;
    assert_eq!((status, problem["errors"].as_array().unwrap().len()), (StatusCode::BAD_REQUEST, 4));
    let form = post(&app, "text/plain", r#"{"pid": 42}"#).await;
    assert_eq!(form.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for wrong in ["", "{}", "[]", r#"{"pid": 42, "depth": 1}"#, r#"{"pid": -1}"#] {
        let (status, _, problem) = post(&app, "application/json", wrong).await;
        assert_eq!(
            (status, &problem["title"]),
            (StatusCode::BAD_REQUEST, &"Malformed body".into())
        );
    }
    let (status, _, problem) = post(&app, "application/json", r#"{"pid": 42, "level": 1}"#).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("reports.http_level_max"));
}

#[tokio::test]
async fn a_report_comes_as_document_profile_and_drawing() {
    let app = app(Desk::new());
    let report = get_json(&app, &format!("/api/v1/reports/{REPORT}")).await;
    assert_eq!((&report["schema"], &report["id"]), (&"plimsoll.report/1".into(), &REPORT.into()));
    let (status, headers, drawn) = get(&app, &format!("/api/v1/reports/{REPORT}.svg")).await;
    assert_eq!(
        (status, &headers[header::CONTENT_TYPE]),
        (StatusCode::OK, &"image/svg+xml".parse().unwrap())
    );
    let drawn = String::from_utf8(drawn.to_vec()).unwrap();
    assert!(drawn.starts_with("<svg ") && !drawn.contains("<script"), "{drawn}");
    let (status, headers, packed) = get(&app, &format!("/api/v1/reports/{REPORT}.pb.gz")).await;
    assert_eq!((status, &packed[..2]), (StatusCode::OK, &[0x1f, 0x8b][..]), "gzip");
    let kept_as = headers[header::CONTENT_DISPOSITION].to_str().unwrap();
    assert_eq!(kept_as, format!("attachment; filename=\"{REPORT}.pb.gz\""));
    assert_eq!(headers["x-robots-tag"], "noindex, nofollow");
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn one_that_runs_is_202_and_those_that_are_not_there_are_problems() {
    let app = app(Desk::new());
    let (status, headers, body) = get(&app, &format!("/api/v1/reports/{RUNNING}")).await;
    let summary: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &summary["doing"]), (StatusCode::ACCEPTED, &"walks the heap".into()));
    assert_eq!(headers[header::RETRY_AFTER], "1");
    for (name, status) in [
        (REFUSED, StatusCode::CONFLICT),
        ("20991121T100900000Z-1", StatusCode::NOT_FOUND),
        ("20991121T100900000Z-1.svg", StatusCode::NOT_FOUND),
        ("..%2F..%2Fetc%2Fpasswd", StatusCode::BAD_REQUEST),
        ("a.json", StatusCode::BAD_REQUEST),
        (".svg", StatusCode::BAD_REQUEST),
        ("%FF", StatusCode::BAD_REQUEST),
    ] {
        let (got, _, body) = get(&app, &format!("/api/v1/reports/{name}")).await;
        assert_eq!(got, status, "{name}: {}", String::from_utf8_lossy(&body));
    }
    assert_eq!(get_json(&app, "/api/v1/reports").await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn two_reports_are_compared_as_document_text_and_drawing() {
    let app = app(Desk::new());
    let pair = format!("/api/v1/reports/diff?a={REPORT}&b={REPORT}");
    assert_eq!(get_json(&app, &pair).await["schema"], "plimsoll.report-diff/1");
    let (_, text) = get_text(&app, &format!("{pair}&format=text")).await;
    assert!(text.contains("CHANGED  nothing"), "{text}");
    let (_, drawn) = get_text(&app, &format!("{pair}&format=svg")).await;
    assert!(drawn.starts_with("<svg "), "{drawn}");
    for (query, status) in [
        ("", StatusCode::BAD_REQUEST),
        (&*format!("a={REPORT}&b=../x"), StatusCode::BAD_REQUEST),
        (&*format!("a={REPORT}&b={REPORT}&format=pdf"), StatusCode::BAD_REQUEST),
        (&*format!("a={REPORT}&b=x"), StatusCode::NOT_FOUND),
        (&*format!("a={RUNNING}&b={REPORT}"), StatusCode::CONFLICT),
    ] {
        let (got, _, _) = get(&app, &format!("/api/v1/reports/diff?{query}")).await;
        assert_eq!(got, status, "{query}");
    }
}
