//! Incidents over HTTP: the list, one in full, and what is said of those that are not there.

use super::*;
use crate::api::desk::INCIDENT;

#[tokio::test]
async fn an_incident_is_listed_and_given_in_full_with_hostile_names_whole() {
    let app = app(Desk::new());
    let list = get_json(&app, "/api/v1/incidents").await;
    assert_eq!((list.as_array().unwrap().len(), &list[0]["id"]), (1, &INCIDENT.into()));
    let incident = get_json(&app, &format!("/api/v1/incidents/{INCIDENT}")).await;
    assert_eq!(incident["schema"], "plimsoll.incident/1");
    assert_eq!(incident["victims"][0]["comm"], HOSTILE);
    assert_eq!(incident["memcg"], Value::Null, "what is not known is null");
}

#[tokio::test]
async fn an_unknown_incident_and_one_that_is_a_path_are_problems() {
    let app = app(Desk::new());
    let (status, _, body) = get(&app, "/api/v1/incidents/20991121T100900Z-1").await;
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(problem["type"], "urn:plimsoll:problem:unknown-incident");
    for wrong in ["..%2F..%2Fetc%2Fpasswd", "a.json", "%00", &"9".repeat(65), "%FF"] {
        let (status, _, _) = get(&app, &format!("/api/v1/incidents/{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}
