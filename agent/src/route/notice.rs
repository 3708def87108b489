//! What is told: alerts as a destination gets them, together in a notice.
//!
//! The same form waits in the queue on disk, goes out as the webhook's JSON and is what the other
//! destinations are rendered from. Text in it is already free of control characters.

use super::matcher::Labels;
use crate::verdict::Verdict;
use crate::view::Severity;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The form of a notice; a change that breaks readers gets a new number.
pub const SCHEMA: &str = "plimsoll.notice/1";
/// Alerts in one notice at most; of more, the rest are counted or go in a further one.
pub const NOTICE_ALERTS_MAX: usize = 64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Firing,
    Resolved,
}

/// What is new about an alert since the last notice of its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    #[default]
    New,
    /// It got a worse name or a higher severity.
    Escalated,
    /// It got a milder name or a lower severity.
    Eased,
    Unchanged,
    Resolved,
    /// Its former name, which a destination that knows alerts by their labels has to end.
    Renamed,
}

/// Why a notice was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Something in it is new or got worse or better.
    #[default]
    Changed,
    /// All of it still fires and was told before.
    Repeated,
    /// Nothing in it fires any more.
    Resolved,
    /// `plimsoll route test`.
    Test,
}

/// One alert as it is told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ToldAlert {
    /// The same for as long as the alert lasts, whatever its name; also over a restart.
    pub fingerprint: String,
    pub status: Status,
    pub change: Change,
    pub name: String,
    pub severity: Severity,
    pub summary: String,
    pub description: String,
    pub starts_at: String,
    pub ends_at: Option<String>,
    pub target: String,
    /// With `alertname` and `severity`; none is empty.
    pub labels: Labels,
    pub link: Option<String>,
    pub verdict: Option<Verdict>,
}

impl ToldAlert {
    #[must_use]
    pub fn fires(&self) -> bool {
        self.status == Status::Firing
    }

    /// How bad it is, for comparison only.
    #[must_use]
    pub fn rank(&self) -> (Severity, usize) {
        (self.severity, crate::alert::NAMES.iter().position(|n| *n == self.name).unwrap_or(0))
    }
}

/// What one group tells at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Notice {
    pub schema: String,
    /// Unique; the same again if a notice is delivered twice.
    pub id: String,
    pub at: String,
    pub status: Status,
    pub reason: Reason,
    pub node: String,
    pub destination: String,
    /// The same for all notices of a group.
    pub group_key: String,
    pub group_labels: Labels,
    /// Firing before resolved, worst first; at most 64.
    pub alerts: Vec<ToldAlert>,
    /// Alerts that did not fit.
    pub truncated_alerts: usize,
    pub link: Option<String>,
}

impl Notice {
    /// Those that fire, and those that are over; without former names.
    pub fn current(&self) -> impl Iterator<Item = &ToldAlert> {
        self.alerts.iter().filter(|alert| alert.change != Change::Renamed)
    }

    #[must_use]
    pub fn severity(&self) -> Severity {
        self.current().map(|alert| alert.severity).max().unwrap_or_default()
    }
}

/// A short name for what `parts` say together, the same on every run.
#[must_use]
pub fn hashed(parts: &[&str]) -> String {
    let mut all = String::new();
    for part in parts {
        let _ = write!(all, "{}:{part};", part.len());
    }
    hex(&digest(&SHA256, all.as_bytes()).as_ref()[..8])
}

#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
