//! What each kind of destination is sent for a notice. Pure: bytes out of a notice and the time.

mod alertmanager;
mod pagerduty;
mod slack;
#[cfg(test)]
mod tests;

use super::notice::Notice;
use crate::config::DestinationKind;
use std::time::Duration;

/// What is known when a notice is rendered, which is at each attempt.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Units: milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// How often Alertmanager hears again of what fires.
    pub resend: Duration,
    /// PagerDuty's integration key; empty for others.
    pub routing_key: &'a str,
}

/// The body, JSON.
#[must_use]
pub fn render(kind: DestinationKind, notice: &Notice, setting: Setting<'_>) -> Vec<u8> {
    let value = match kind {
        DestinationKind::Alertmanager => alertmanager::body(notice, setting),
        DestinationKind::Slack => slack::body(notice),
        DestinationKind::Pagerduty => pagerduty::body(notice, setting),
        DestinationKind::Webhook | DestinationKind::Log => {
            serde_json::to_value(notice).unwrap_or_default()
        }
    };
    value.to_string().into_bytes()
}

/// `2 alerts firing on node-7: sshd (pid 812) grows 12 MiB/h; …`: one line that says most of it.
fn headline(notice: &Notice) -> String {
    let firing = notice.current().filter(|alert| alert.fires()).count();
    let over = notice.current().count() - firing;
    let first = notice.current().next();
    let name = first.map_or("nothing", |alert| alert.name.as_str());
    let summary = first.map_or("", |alert| alert.summary.as_str());
    let node = &notice.node;
    let more = |n: usize| {
        let more = n + notice.truncated_alerts;
        if more > 1 { format!(" and {} more", more - 1) } else { String::new() }
    };
    match (firing, over) {
        (0, over) => format!("Resolved on {node}: {name}{}. {summary}", more(over)),
        (firing, _) => format!("{name}{} on {node}: {summary}", more(firing)),
    }
}

/// Cuts `text` to at most `chars_max` characters.
fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
    }
}
