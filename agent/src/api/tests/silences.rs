//! Silences as a client makes, lists and ends them, and who may not.

use super::*;

async fn post(app: &Router, media_type: &str, body: &str) -> (StatusCode, HeaderMap, Bytes) {
    let request = request(Method::POST, "/api/v1/silences").header("Content-Type", media_type);
    send(app, request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn delete(app: &Router, id: &str) -> (StatusCode, HeaderMap, Bytes) {
    let uri = format!("/api/v1/silences/{id}");
    send(app, request(Method::DELETE, &uri).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_silence_is_made_listed_and_ended() {
    let app = app(Desk::new());
    let body = r#"{"matchers": ["workload=shop-*"], "until": "2h", "comment": "a\nb"}"#;
    let (status, headers, made) = post(&app, "application/json; charset=utf-8", body).await;
    let made: Value = serde_json::from_slice(&made).unwrap();
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let id = made["id"].as_str().unwrap();
    assert_eq!(headers[header::LOCATION], format!("/api/v1/silences/{id}"));
    assert_eq!((&made["comment"], &made["from_config"]), (&json!("a?b"), &json!(false)));
    assert_eq!(get_json(&app, "/api/v1/silences").await, json!([made]));
    assert_eq!(delete(&app, id).await.0, StatusCode::NO_CONTENT);
    assert_eq!(problem(delete(&app, id).await)["type"], "urn:plimsoll:problem:unknown-silence");
    assert_eq!(get_json(&app, "/api/v1/silences").await, json!([]));
}

#[tokio::test]
async fn what_is_wrong_with_a_silence_is_told_all_at_once() {
    let app = app(Desk::new());
    let body = r#"{"matchers": ["workload"], "until": "2020-01-01T00:00:00Z"}"#;
    let told = problem(post(&app, "application/json", body).await);
    assert_eq!(told["type"], "urn:plimsoll:problem:invalid-parameter");
    let wrong = told["errors"].as_array().unwrap().iter().map(|e| e["parameter"].as_str().unwrap());
    assert_eq!(wrong.collect::<Vec<_>>(), ["matchers", "until"]);
    for body in ["", "[]", "{\"matchers\": []}", r#"{"matchers":["a=b"],"until":"1h","x":1}"#] {
        let told = problem(post(&app, "application/json", body).await);
        assert_eq!(told["type"], "urn:plimsoll:problem:bad-body", "{body}");
    }
    for until in ["", "soon", "0s", "99999d"] {
        let body = json!({ "matchers": ["a=b"], "until": until }).to_string();
        assert_eq!(problem(post(&app, "application/json", &body).await)["status"], 400, "{until}");
    }
    let long = format!(r#"{{"matchers":["a=b"],"until":"1h","comment":"{}"}}"#, "x".repeat(20_000));
    assert_eq!(problem(post(&app, "application/json", &long).await)["status"], 413);
}

#[tokio::test]
async fn a_web_site_cannot_make_one_with_a_form() {
    let app = app(Desk::new());
    let body = r#"{"matchers": ["a=b"], "until": "2h"}"#;
    for media_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        assert_eq!(problem(post(&app, media_type, body).await)["status"], 415, "{media_type}");
    }
}

#[tokio::test]
async fn where_others_can_reach_the_port_nobody_can_silence_unless_it_is_allowed() {
    let listen = SocketAddr::from(([0, 0, 0, 0], 9977));
    let settings = ApiSettings {
        allowed_hosts: Vec::new(),
        listen,
        silences: false,
        heap: HeapPermission::default(),
        metrics: MetricsSettings::default(),
    };
    let app = router(Desk::new().shared(), settings);
    let body = r#"{"matchers": ["a=b"], "until": "2h"}"#;
    assert_eq!(problem(post(&app, "application/json", body).await)["status"], 403);
    assert_eq!(problem(delete(&app, "x").await)["status"], 403);
    assert_eq!(get_json(&app, "/api/v1/silences").await, json!([]));
}

#[tokio::test]
async fn destinations_are_shown() {
    let app = app(Desk::new());
    let shown = get_json(&app, "/api/v1/destinations").await;
    assert_eq!(shown[0]["type"], "pagerduty");
    assert_eq!(shown[0]["dropped_total"], json!({ "refused": 1 }));
}
