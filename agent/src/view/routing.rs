//! The documents on who is told of alerts: silences, destinations and deliveries.

use super::{SourceState, SourceView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Alerts that are not told for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SilenceView {
    pub id: String,
    /// `label=glob` or `label!=glob`; all must fit.
    pub matchers: Vec<String>,
    /// Null: as long as it stands in the configuration file.
    pub until: Option<String>,
    pub comment: String,
    pub created_by: String,
    pub created_at: Option<String>,
    /// It stands in the configuration file and is ended there.
    pub from_config: bool,
}

/// What is asked for by a POST to `/api/v1/silences`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceRequest {
    /// `label=glob` or `label!=glob`; all must fit, at least one.
    pub matchers: Vec<String>,
    /// RFC 3339, or a time from now such as `2h`; at most a year ahead.
    pub until: String,
    #[serde(default)]
    pub comment: String,
    #[serde(default)]
    pub created_by: String,
}

/// How a destination fares. Totals are monotonic since start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DestinationView {
    /// With the number of the instance behind a slash, if it has several.
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub sent_total: u64,
    /// Attempts that failed; each may be tried again.
    pub failed_total: u64,
    /// By reason: `full`, `age`, `refused`, `damaged`.
    pub dropped_total: BTreeMap<String, u64>,
    pub queued: usize,
    pub queued_bytes: u64,
    pub last_sent_at: Option<String>,
    /// What the last attempt failed of; null once one went well.
    pub failing: Option<String>,
    /// Why what waits would not survive a restart, though it should; null if it would.
    pub not_on_disk: Option<String>,
}

impl DestinationView {
    /// Something was not delivered, or would be lost by a restart.
    #[must_use]
    pub const fn is_degraded(&self) -> bool {
        self.failing.is_some() || self.not_on_disk.is_some()
    }

    /// It as `/readyz?verbose` shows it.
    #[must_use]
    pub fn as_source(&self) -> SourceView {
        let name = format!("destination:{}", self.name);
        let sees = format!("{} notices delivered", self.sent_total);
        of_queue(name, sees, self.queued, [&self.failing, &self.not_on_disk])
    }
}

/// A queue as `/readyz?verbose` shows it: how many wait, what its last attempt failed of, and why
/// it is not on disk.
pub(super) fn of_queue(
    name: String,
    sees: String,
    queued: usize,
    [failing, not_on_disk]: [&Option<String>; 2],
) -> SourceView {
    let waiting = match queued {
        0 => String::new(),
        n => format!(", {n} waiting"),
    };
    let on_disk = not_on_disk.as_ref().map(|why| format!("its queue is not on disk: {why}"));
    let why: Vec<String> = failing.clone().into_iter().chain(on_disk).collect();
    SourceView {
        name,
        state: if why.is_empty() { SourceState::Ok } else { SourceState::Degraded },
        sees: sees + &waiting,
        why: (!why.is_empty()).then(|| why.join("; ")),
    }
}

/// One attempt to deliver a notice of alerts. Units: milliseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    pub destination: String,
    pub notice: String,
    pub began_ms: i64,
    pub ended_ms: i64,
    /// Why it failed; null if it was taken.
    pub failed: Option<String>,
}
