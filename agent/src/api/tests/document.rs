//! The OpenAPI document against what is served.

use super::*;

#[tokio::test]
async fn every_documented_path_is_served_and_every_operation_is_documented_in_full() {
    let app = app(Desk::new());
    let document = get_json(&app, "/openapi.json").await;
    assert_eq!(document, serde_json::to_value(openapi()).unwrap());
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    insta::assert_snapshot!(pretty(&paths), @r#"
        [
          "/",
          "/api/v1/alerts",
          "/api/v1/cgroups",
          "/api/v1/destinations",
          "/api/v1/events",
          "/api/v1/incidents",
          "/api/v1/incidents/{id}",
          "/api/v1/node",
          "/api/v1/pressure",
          "/api/v1/processes",
          "/api/v1/processes/{pid}",
          "/api/v1/reload",
          "/api/v1/reports",
          "/api/v1/reports/diff",
          "/api/v1/reports/{id}",
          "/api/v1/series",
          "/api/v1/silences",
          "/api/v1/silences/{id}",
          "/api/v1/verdicts",
          "/healthz",
          "/metrics",
          "/openapi.json",
          "/readyz"
        ]
        "#);
    for (path, item) in document["paths"].as_object().unwrap() {
        let uri = path
            .replace("incidents/{id}", &format!("incidents/{}", desk::INCIDENT))
            .replace("reports/{id}", &format!("reports/{}", desk::REPORT))
            .replace("reports/diff", &format!("reports/diff?a={0}&b={0}", desk::REPORT))
            .replace("{pid}", "42")
            .replace("series", "series?target=node");
        let response =
            app.clone().oneshot(request(Method::GET, &uri).body(Body::empty()).unwrap()).await;
        let served = if item["get"].is_null() { 405 } else { 200 };
        assert_eq!(response.unwrap().status(), served, "{path}");
        for (method, operation) in item.as_object().unwrap() {
            documented_in_full(&format!("{method} {path}"), operation);
        }
    }
}

fn documented_in_full(name: &str, operation: &Value) {
    assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{name}");
    for (status, response) in operation["responses"].as_object().unwrap() {
        if status == "204" {
            continue;
        }
        let content = response["content"].as_object().unwrap();
        let is_problem = content.contains_key(problem::CONTENT_TYPE);
        let is_unready = name == "get /readyz" && status == "503";
        assert_eq!(is_problem, !status.starts_with('2') && !is_unready, "{name} {status}");
    }
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        assert!(parameter["description"].is_string(), "{name} {}", parameter["name"]);
    }
}

#[test]
fn every_reference_in_the_document_resolves() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = serde_json::to_value(openapi()).unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
