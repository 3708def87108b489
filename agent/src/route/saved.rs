//! What the routing must not forget over a restart: which alerts were told, to whom, and the
//! silences. Two small files in the state directory, replaced whole.
//!
//! A file that cannot be read is set aside as `….damaged`: the agent then tells anew what stands.

use super::engine::Engine;
use super::group::Group;
use super::matcher::Labels;
use super::notice::ToldAlert;
use super::tracked::Tracked;
use crate::clock::{Clock, Stamp};
use crate::sources::read_bounded;
use crate::spool::replace;
use crate::view::AlertView;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

pub const ROUTING_FILE: &str = "routing.json";
pub const SILENCES_FILE: &str = "silences.json";
/// Far more than 512 alerts take, each in several groups.
const FILE_BYTES_MAX: usize = 64 << 20;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SavedRouting {
    alerts: Vec<SavedAlert>,
    groups: Vec<SavedGroup>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedAlert {
    key: String,
    view: AlertView,
    labels: Labels,
    level: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedGroup {
    lane: String,
    name: String,
    labels: Labels,
    sent: BTreeMap<String, ToldAlert>,
    due_unix_ms: Option<i64>,
    last_unix_ms: Option<i64>,
}

impl Engine {
    #[must_use]
    pub fn saved(&self, clock: Clock) -> SavedRouting {
        let alert = |(key, tracked): (&String, &Tracked)| {
            let (view, labels) = (tracked.view.clone(), tracked.labels.clone());
            Some(SavedAlert { key: key.clone(), view, labels, level: tracked.told? })
        };
        let wall = |at: Option<Stamp>| at.map(|at| clock.unix_ms(at));
        let group = |((lane, name), group): (&(usize, String), &Group)| SavedGroup {
            lane: self.lanes[*lane].id.clone(),
            name: name.clone(),
            labels: group.labels.clone(),
            sent: group.sent.clone(),
            due_unix_ms: wall(group.due),
            last_unix_ms: wall(group.last),
        };
        SavedRouting {
            alerts: self.tracked.iter().filter_map(alert).collect(),
            groups: self.groups.iter().map(group).collect(),
        }
    }

    /// Takes up what was told before the restart. Groups of routes that are no more are left out.
    pub fn restore(&mut self, saved: SavedRouting, now: Stamp, clock: Clock) {
        for alert in saved.alerts.into_iter().take(crate::alert::ALERTS_MAX) {
            let tracked = Tracked::carried(alert.view, alert.labels, alert.level, now);
            self.tracked.insert(alert.key, tracked);
        }
        // A wall clock that was set meanwhile must not put anything off.
        let stamp = |at: Option<i64>| at.map(|ms| clock.stamp_of_unix_ms(ms).min(now));
        for group in saved.groups.into_iter().take(super::engine::GROUPS_MAX) {
            let lane = self.lanes.iter().position(|lane| lane.id == group.lane);
            let Some(lane) = lane else { continue };
            let due = group.due_unix_ms.map(|_| now);
            let last = stamp(group.last_unix_ms);
            let restored = Group { labels: group.labels, sent: group.sent, due, last };
            self.groups.insert((lane, group.name), restored);
        }
    }
}

/// Reads a file of the state directory; None if there is none or it makes no sense.
pub fn read<T: DeserializeOwned>(dir: &Path, name: &str) -> Option<T> {
    let path = dir.join(name);
    let bytes = read_bounded(&path, FILE_BYTES_MAX).ok()?;
    match serde_json::from_slice(&bytes) {
        Ok(saved) => Some(saved),
        Err(why) => {
            let aside = dir.join(format!("{name}.damaged"));
            // If it cannot be set aside it is overwritten at the next change.
            let _ = std::fs::rename(&path, &aside);
            tracing::warn!(%why, aside = %aside.display(), "a file of the routing is damaged");
            None
        }
    }
}

/// Replaces a file of the state directory, so that a crash leaves the old or the new one.
///
/// # Errors
/// When the disk does not take it.
pub fn write<T: Serialize>(dir: &Path, name: &str, saved: &T) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(saved)?;
    replace(dir, name, &bytes)
}
