//! Slack's incoming webhook: a line for the notification, then one coloured attachment.
//!
//! Source: Slack's API documentation, "Formatting text for app surfaces" (only &, < and > are
//! escaped) and the reference of blocks (a section holds 3,000 characters).

use super::{cut, headline};
use crate::route::notice::{Notice, ToldAlert};
use crate::view::Severity;
use serde_json::{Value, json};

/// Alerts shown; of more, the number is said.
const SHOWN_MAX: usize = 8;
const SECTION_CHARS_MAX: usize = 2900;
const LINE_CHARS_MAX: usize = 300;

pub(super) fn body(notice: &Notice) -> Value {
    let all = notice.current().count() + notice.truncated_alerts;
    let mut lines: Vec<String> = notice.current().take(SHOWN_MAX).map(line).collect();
    if all > SHOWN_MAX {
        lines.push(format!("… and {} more", all - SHOWN_MAX));
    }
    let mut about = vec![format!("node {}", escaped(&notice.node))];
    let label = |(name, value): (&String, &String)| format!("{name} {}", escaped(&cut(value, 100)));
    about.extend(notice.group_labels.iter().map(label));
    if let Some(link) = &notice.link {
        about.push(format!("<{link}|open Plimsoll>"));
    }
    let color = match (notice.current().any(ToldAlert::fires), notice.severity()) {
        (false, _) => "#2eb67d",
        (true, Severity::Critical) => "#e01e5a",
        (true, Severity::Warning) => "#ecb22e",
        (true, Severity::Info) => "#36c5f0",
    };
    json!({
        "text": cut(&escaped(&headline(notice)), LINE_CHARS_MAX),
        "attachments": [{
            "color": color,
            "blocks": [
                { "type": "section",
                  "text": { "type": "mrkdwn", "text": cut(&lines.join("\n"), SECTION_CHARS_MAX) } },
                { "type": "context",
                  "elements": [{ "type": "mrkdwn", "text": cut(&about.join(" · "), 2000) }] },
            ],
        }],
    })
}

fn line(alert: &ToldAlert) -> String {
    let mark = match (alert.fires(), alert.severity) {
        (false, _) => ":white_check_mark: resolved",
        (true, Severity::Critical) => ":rotating_light:",
        (true, _) => ":warning:",
    };
    let name = match &alert.link {
        Some(link) => format!("<{link}|{}>", escaped(&alert.name)),
        None => escaped(&alert.name),
    };
    format!("{mark} *{name}* {}", escaped(&cut(&alert.summary, LINE_CHARS_MAX)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
