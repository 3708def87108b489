//! What is sent, as it goes over the wire.

use super::*;
use crate::route::matcher::Labels;
use crate::route::notice::{Change, Status, ToldAlert};
use crate::view::Severity;
use serde_json::Value;

const NOW_MS: i64 = 1_763_719_740_000;

fn alert(name: &str, severity: Severity) -> ToldAlert {
    let labels = [("alertname", name), ("workload", "shop/<api>"), ("empty", "")];
    ToldAlert {
        fingerprint: "0123456789abcdef".into(),
        name: name.into(),
        severity,
        summary: "api & <db> grow 12.3 MiB/h".into(),
        description: "An OOM kill is to be expected.".into(),
        starts_at: "2025-11-21T10:00:00.000Z".into(),
        target: "workload:shop/<api>".into(),
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        link: Some("https://agent.example/#/target/workload:shop%2F%3Capi%3E".into()),
        ..ToldAlert::default()
    }
}

fn ended(alert: ToldAlert) -> ToldAlert {
    let ends_at = Some("2025-11-21T10:08:00.000Z".into());
    ToldAlert { status: Status::Resolved, change: Change::Resolved, ends_at, ..alert }
}

fn notice(alerts: Vec<ToldAlert>) -> Notice {
    let firing = alerts.iter().any(ToldAlert::fires);
    Notice {
        schema: crate::route::notice::SCHEMA.into(),
        id: "19aa-1".into(),
        at: "2025-11-21T10:09:00.000Z".into(),
        status: if firing { Status::Firing } else { Status::Resolved },
        node: "node-7".into(),
        destination: "there".into(),
        group_key: "feedfacefeedface".into(),
        group_labels: Labels::from([("workload".to_owned(), "shop/<api>".to_owned())]),
        alerts,
        link: Some("https://agent.example/".into()),
        ..Notice::default()
    }
}

fn rendered(kind: DestinationKind, notice: &Notice) -> Value {
    let resend = Duration::from_secs(60);
    let setting = Setting { now_ms: NOW_MS, resend, routing_key: "r0uting" };
    serde_json::from_slice(&render(kind, notice, setting)).unwrap()
}

fn two() -> Notice {
    notice(vec![
        alert("OomPredicted", Severity::Critical),
        ended(alert("LeakSuspected", Severity::Warning)),
    ])
}

#[test]
fn alertmanager_gets_a_list_without_empty_labels_and_with_ends_ahead() {
    let body = rendered(DestinationKind::Alertmanager, &two());
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
}

#[test]
fn an_alert_never_ends_before_it_began() {
    let late = ToldAlert {
        starts_at: "2030-01-01T00:00:00.000Z".into(),
        ..ended(alert("OomKill", Severity::Critical))
    };
    let body = rendered(DestinationKind::Alertmanager, &notice(vec![late]));
    assert_eq!(body[0]["endsAt"], body[0]["startsAt"]);
}

#[test]
fn slack_gets_a_short_coloured_text_with_its_markup_escaped() {
    let body = rendered(DestinationKind::Slack, &two());
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
    let many = (0..50).map(|_| alert("OomImminent", Severity::Critical)).collect();
    let body = rendered(DestinationKind::Slack, &notice(many));
    let text = body["attachments"][0]["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(text.ends_with("… and 42 more") && text.chars().count() < 3000, "{text}");
}

#[test]
fn pagerduty_is_triggered_and_resolved_under_one_key() {
    let body = rendered(DestinationKind::Pagerduty, &two());
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
    let over = notice(vec![ended(alert("OomPredicted", Severity::Critical))]);
    let over = rendered(DestinationKind::Pagerduty, &over);
    assert_eq!(over["event_action"], "resolve");
    assert_eq!(over["dedup_key"], body["dedup_key"]);
}

#[test]
fn the_webhook_gets_the_notice_as_it_is() {
    let body = rendered(DestinationKind::Webhook, &two());
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
}

#[test]
fn a_headline_says_most_of_it() {
    assert_eq!(headline(&two()), "OomPredicted on node-7: api & <db> grow 12.3 MiB/h");
    let three = (0..3).map(|_| alert("OomKill", Severity::Critical)).collect();
    assert!(headline(&notice(three)).starts_with("OomKill and 2 more on node-7: "));
    let over = notice(vec![ended(alert("OomKill", Severity::Critical))]);
    assert!(headline(&over).starts_with("Resolved on node-7: OomKill. "));
    assert_eq!((cut("äöü", 3), cut("äöüx", 3)), ("äöü".to_owned(), "äö…".to_owned()));
}
