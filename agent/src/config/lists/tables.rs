//! The keys of the entries of each list, with their bounds and what they do.

use super::super::field::Field;
use super::super::keys::{Key, is_url};
use super::super::{DestinationConfig, DestinationKind, RouteConfig, RuleConfig, SilenceConfig};
use super::{List, Table};
use crate::route::matcher::{Glob, Matcher, is_name};
use crate::units::Bytes;
use crate::view::Severity;
use std::time::Duration;

/// All lists, in the order in which they are printed.
pub static LISTS: [&dyn List; 4] = [&RULES, &ROUTES, &DESTINATIONS, &SILENCES];

const MATCHER: &str = "\"label=glob\" or \"label!=glob\"";

const fn s(n: u64) -> Duration {
    Duration::from_secs(n)
}

const DAY: u64 = 86_400;

/// A key of an entry; flags and the environment have none of them.
macro_rules! key {
    ($path:literal, $field:expr, $doc:literal, $edges:literal) => {
        Key { path: $path, flag: None, field: $field, doc: $doc, edges: $edges, who: "" }
    };
}

static RULES: Table<RuleConfig> = Table {
    path: "rules",
    doc: "Rules: how long and how surely a condition must stand before it is told. The first that \
          fits decides; where none fits, LeakSuspected must stand for 60s, all others for 0s.",
    entries: |c| &mut c.routing.rules,
    keys: &[
        key!(
            "alert",
            Field::Text {
                at: |r| &mut r.alert,
                good: |text| crate::alert::NAMES.iter().any(|name| Glob::new(text).matches(name)),
                accepted: "LeakSuspected, OomPredicted, OomImminent, OomKill, or a glob of them",
            },
            "Alerts it is for.",
            "\"*\": all."
        ),
        key!(
            "match",
            Field::List { at: |r| &mut r.matches, good: Matcher::is_good, accepted: MATCHER },
            "Labels they must have.",
            "Empty: whatever their labels."
        ),
        key!(
            "for",
            Field::Time { at: |r| &mut r.hold, range: s(0)..=s(DAY) },
            "How long the condition must stand.",
            "0s: at once."
        ),
        key!(
            "confidence_min",
            Field::Ratio { at: |r| &mut r.confidence_min, range: 0.0..=1.0 },
            "Confidence of the verdict below which nothing is told.",
            "A kill has no verdict and is sure."
        ),
        key!(
            "severity_min",
            Field::Choice {
                names: &["info", "warning", "critical"],
                get: |r| r.severity_min.name(),
                set: |r, name| r.severity_min = Severity::of_name(name).unwrap_or_default(),
            },
            "Severity below which nothing is told.",
            "An OomPredicted is critical from an hour before its time."
        ),
        key!(
            "tell",
            Field::Switch(|r| &mut r.tell),
            "Whether these alerts are told at all.",
            "false: they only show in the API and on the page."
        ),
    ],
    example: r#"[[rules]]
alert = "LeakSuspected"
match = ["namespace=batch-*"]
for = "10m"
confidence_min = 0.9
severity_min = "warning"
tell = true
"#,
};

static ROUTES: Table<RouteConfig> = Table {
    path: "routes",
    doc: "Routes: who is told, and in which rhythm. Alerts take the first that fits. Without any \
          route everything goes to the log and to every destination.",
    entries: |c| &mut c.routing.routes,
    keys: &[
        key!(
            "match",
            Field::List { at: |r| &mut r.matches, good: Matcher::is_good, accepted: MATCHER },
            "Labels that alerts must have; alertname, severity, node, target and kind are labels.",
            "Empty: all."
        ),
        key!(
            "destinations",
            Field::List {
                at: |r| &mut r.destinations,
                good: is_destination,
                accepted: "the name of a destination",
            },
            "Where they go.",
            "\"log\" is always there."
        ),
        key!(
            "group_by",
            Field::List { at: |r| &mut r.group_by, good: is_name, accepted: "the name of a label" },
            "Alerts that have these labels alike are told together.",
            "Empty: all of the route in one group. Alertmanager and the log group for themselves."
        ),
        key!(
            "group_wait",
            Field::Time { at: |r| &mut r.group_wait, range: s(0)..=s(3600) },
            "How long a new group waits for more of its kind.",
            "OomImminent does not wait."
        ),
        key!(
            "group_interval",
            Field::Time { at: |r| &mut r.group_interval, range: s(0)..=s(DAY) },
            "How long after a notice the next of the same group may follow.",
            "What is or becomes critical only waits for group_wait."
        ),
        key!(
            "repeat_interval",
            Field::TimeOrUnset {
                at: |r| &mut r.repeat_interval,
                range: s(10)..=s(7 * DAY),
                example: s(4 * 3600),
            },
            "After this time a group that still fires is told again.",
            "Unset: alerts.repeat_interval."
        ),
        key!(
            "continue",
            Field::Switch(|r| &mut r.go_on),
            "Whether alerts that took this route also look at those after it.",
            "false: the first route that fits is the only one."
        ),
    ],
    example: r#"[[routes]]
match = ["severity=critical", "namespace!=test-*"]
destinations = ["pager", "log"]
group_by = ["namespace", "workload"]
group_wait = "10s"
group_interval = "5m"
repeat_interval = "4h"
continue = true
[[routes]]
destinations = ["alertmanager", "chat", "hook", "log"]
"#,
};

static DESTINATIONS: Table<DestinationConfig> = Table {
    path: "destinations",
    doc: "Destinations. Each has a queue of its own in state_dir, so that what it cannot take now \
          is told later. The names of ..._file are read anew for each attempt.",
    entries: |c| &mut c.routing.destinations,
    keys: &[
        key!(
            "name",
            Field::Text {
                at: |d| &mut d.name,
                good: is_destination,
                accepted: "1 to 40 of a-z, 0-9, - and _",
            },
            "What routes, metrics and the log call it.",
            "\"log\" is taken."
        ),
        key!(
            "type",
            Field::Choice {
                names: &["alertmanager", "webhook", "slack", "pagerduty"],
                get: |d| d.kind.name(),
                set: |d, name| d.kind = DestinationKind::of_name(name),
            },
            "What it speaks.",
            "It must be set."
        ),
        key!(
            "url",
            Field::Secret {
                at: |d| &mut d.url,
                good: is_url,
                accepted: "a URL that begins with http:// or https://",
            },
            "Of a webhook or Slack's incoming webhook; of PagerDuty only if it is not the US one.",
            "It is taken for a secret and never shown."
        ),
        key!(
            "url_file",
            Field::PathOrUnset { at: |d| &mut d.url_file, example: "/etc/plimsoll/url" },
            "A file that holds the url alone.",
            "Instead of url."
        ),
        key!(
            "urls",
            Field::List {
                at: |d| &mut d.urls,
                good: is_url,
                accepted: "a URL such as \"http://alertmanager:9093\"",
            },
            "All instances of Alertmanager; each is told everything.",
            "Up to its path prefix, without /api/v2."
        ),
        key!(
            "token",
            Field::Secret { at: |d| &mut d.token, good: is_token, accepted: TOKEN },
            "Sent as `Authorization: Bearer`.",
            "For webhook and alertmanager."
        ),
        key!(
            "token_file",
            Field::PathOrUnset { at: |d| &mut d.token_file, example: "/etc/plimsoll/token" },
            "A file that holds the token alone.",
            "Instead of token."
        ),
        key!(
            "signing_key",
            Field::Secret { at: |d| &mut d.signing_key, good: is_token, accepted: TOKEN },
            "Key of the HMAC-SHA256 in the header Plimsoll-Signature.",
            "For webhook."
        ),
        key!(
            "signing_key_file",
            Field::PathOrUnset { at: |d| &mut d.signing_key_file, example: "/etc/plimsoll/key" },
            "A file that holds the signing key alone.",
            "Instead of signing_key."
        ),
        key!(
            "routing_key",
            Field::Secret { at: |d| &mut d.routing_key, good: is_token, accepted: TOKEN },
            "PagerDuty's integration key (Events API v2).",
            "For pagerduty."
        ),
        key!(
            "routing_key_file",
            Field::PathOrUnset { at: |d| &mut d.routing_key_file, example: "/etc/plimsoll/pd" },
            "A file that holds the integration key alone.",
            "Instead of routing_key."
        ),
        key!(
            "ca_file",
            Field::PathOrUnset { at: |d| &mut d.ca_file, example: "/etc/ssl/our-ca.pem" },
            "Certificates (PEM) that are trusted instead of Mozilla's.",
            "For a server of your own authority."
        ),
        key!(
            "send_resolved",
            Field::Switch(|d| &mut d.send_resolved),
            "Whether the end of an alert is told too.",
            "false would leave PagerDuty's incidents open; Alertmanager is always told."
        ),
        key!(
            "timeout",
            Field::Time { at: |d| &mut d.timeout, range: s(1)..=s(60) },
            "How long one attempt may take.",
            "It holds up this destination alone."
        ),
        key!(
            "resend_interval",
            Field::Time { at: |d| &mut d.resend_interval, range: s(1)..=s(3600) },
            "How often Alertmanager is told of what still fires.",
            "An alert ends there after four times this without a word."
        ),
        key!(
            "queue_size_max",
            Field::Size { at: |d| &mut d.queue_size_max, range: Bytes::kib(64)..=Bytes::mib(1024) },
            "Notices that wait may take this much of the disk.",
            "The oldest is dropped first and counted."
        ),
        key!(
            "queue_age_max",
            Field::Time { at: |d| &mut d.queue_age_max, range: s(60)..=s(30 * DAY) },
            "A notice that could not be delivered for this long is dropped and counted.",
            "1m loses what an outage of two minutes holds up."
        ),
    ],
    example: r#"[[destinations]]
name = "alertmanager"
type = "alertmanager"
urls = ["http://alertmanager-0:9093", "http://alertmanager-1:9093"]
resend_interval = "1m"
[[destinations]]
name = "pager"
type = "pagerduty"
routing_key_file = "/etc/plimsoll/pagerduty.key"
send_resolved = true
[[destinations]]
name = "chat"
type = "slack"
url_file = "/etc/plimsoll/slack.url"
[[destinations]]
name = "hook"
type = "webhook"
url = "https://hooks.example.com/plimsoll"
token_file = "/etc/plimsoll/hook.token"
signing_key_file = "/etc/plimsoll/hook.key"
ca_file = "/etc/plimsoll/our-ca.pem"
timeout = "10s"
queue_size_max = "4MiB"
queue_age_max = "24h"
"#,
};

static SILENCES: Table<SilenceConfig> = Table {
    path: "silences",
    doc: "Silences that hold as long as they stand here; the API makes others \
          (POST /api/v1/silences).",
    entries: |c| &mut c.routing.silences,
    keys: &[
        key!(
            "match",
            Field::List { at: |x| &mut x.matches, good: Matcher::is_good, accepted: MATCHER },
            "Labels of the alerts that are not told; all must fit.",
            "It must be set."
        ),
        key!(
            "until",
            Field::Text {
                at: |x| &mut x.until,
                good: |text| text.is_empty() || text.parse::<jiff::Timestamp>().is_ok(),
                accepted: "a time such as \"2026-12-31T00:00:00Z\"",
            },
            "When it ends.",
            "Unset: as long as it stands here."
        ),
        key!(
            "comment",
            Field::Text {
                at: |x| &mut x.comment,
                good: |text| text.len() <= 500,
                accepted: "at most 500 bytes of text",
            },
            "Why.",
            "For those who come later."
        ),
    ],
    example: r#"[[silences]]
match = ["workload=load-test*", "alertname=LeakSuspected"]
until = "2030-01-01T00:00:00Z"
comment = "grows on purpose"
"#,
};

const TOKEN: &str = "1 to 1000 visible ASCII characters without spaces";

fn is_token(text: &str) -> bool {
    (1..=1000).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn is_destination(text: &str) -> bool {
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=40).contains(&text.len()) && text.bytes().all(ok)
}
