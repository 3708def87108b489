//! From the alerts that stand to the notices that are due: rules, silences, routes, groups.
//!
//! Pure: it is handed what stands and the time, and returns what to tell. It compares states and
//! misses nothing if it is asked late. Every table in it is bounded by the alerts that are kept.

use super::group::{Group, Wanted};
use super::lanes::{Gathering, Lane, lanes, taken};
use super::matcher::Labels;
use super::notice::{NOTICE_ALERTS_MAX, Notice, Reason, SCHEMA, Status, ToldAlert, hashed};
use super::rules::Rules;
use super::silence::Silences;
use super::tracked::{Tracked, is_kill, key_of};
use crate::clock::{Clock, Stamp};
use crate::config::Config;
use crate::view::AlertView;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Groups at once; further ones come together in one.
pub const GROUPS_MAX: usize = 1024;
/// An alert that was told before a restart and is not seen again within this time is over.
const CARRIED_FOR: Duration = Duration::from_secs(15 * 60);
/// As long as a kill stands as an alert.
const KILL_STANDS_MS: i64 = 3_600_000;

/// What the engine is handed beside the alerts.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    pub now: Stamp,
    pub clock: Clock,
    pub silences: &'a Silences,
    /// Whether the target of this name is certainly no more.
    pub gone: &'a dyn Fn(&str) -> bool,
}

impl std::fmt::Debug for Moment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moment").field("now", &self.now).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub struct Engine {
    node: String,
    common: Labels,
    external_url: String,
    rules: Rules,
    pub(super) lanes: Vec<Lane>,
    pub(super) tracked: BTreeMap<String, Tracked>,
    pub(super) groups: BTreeMap<(usize, String), Group>,
    next_id: u64,
    /// Something changed that a restart must not forget.
    pub(super) dirty: bool,
}

impl Engine {
    #[must_use]
    pub fn new(config: &Config, node: &str) -> Self {
        let label = |text: &String| {
            let (name, value) = text.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let mut common: Labels = config.alerts.labels.iter().filter_map(label).collect();
        common.insert("node".into(), node.into());
        Self {
            node: node.to_owned(),
            common,
            external_url: config.alerts.external_url.clone(),
            rules: Rules::new(&config.routing.rules),
            lanes: lanes(config),
            tracked: BTreeMap::new(),
            groups: BTreeMap::new(),
            next_id: 1,
            dirty: false,
        }
    }

    /// Takes all alerts as they stand and returns the notices that are due, each for the one
    /// destination it names.
    pub fn tick(&mut self, seen: &[AlertView], moment: Moment<'_>) -> Vec<Notice> {
        let ends = self.follow(seen, moment);
        let mut wanted = self.wanted(moment);
        let all: BTreeSet<(usize, String)> =
            self.groups.keys().chain(wanted.keys()).cloned().collect();
        let now_shown = moment.clock.rfc3339(moment.now);
        let ended_at = |key: &str| ends.get(key).unwrap_or(&now_shown).clone();
        let mut notices = Vec::new();
        for key in all {
            let wanted = wanted.remove(&key).unwrap_or_default();
            let idle = wanted.firing.is_empty();
            let group = self.groups.entry(key.clone()).or_default();
            let told = group.step(&self.lanes[key.0], wanted, moment.now, &ended_at);
            let over = idle && group.is_over();
            if let Some((reason, alerts)) = told {
                self.dirty |= reason != Reason::Repeated;
                self.notices_of(&key, reason, alerts, moment, &mut notices);
            }
            if over {
                self.groups.remove(&key);
            }
        }
        notices
    }

    /// Nothing is known that could have to be told.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.tracked.is_empty() && self.groups.is_empty()
    }

    /// The alerts whose rules are met.
    #[must_use]
    pub fn told(&self) -> Vec<ToldAlert> {
        self.tracked.values().filter_map(|t| t.alert(&self.node, &self.external_url)).collect()
    }

    /// Brings the tracked alerts up to date; returns when those that ended did.
    fn follow(&mut self, seen: &[AlertView], moment: Moment<'_>) -> BTreeMap<String, String> {
        let mut ends = BTreeMap::new();
        let mut firing = BTreeSet::new();
        for view in seen {
            let key = key_of(view);
            if !view.firing {
                ends.entry(key).or_insert_with(|| view.ends_at.clone().unwrap_or_default());
                continue;
            }
            let tracked = self.tracked.entry(key.clone()).or_insert_with(|| Tracked::new(view));
            self.dirty |= tracked.see(view, &self.common, &self.rules, moment.now);
            firing.insert(key);
        }
        ends.retain(|_, end| !end.is_empty());
        let over: Vec<String> = self
            .tracked
            .iter()
            .filter(|(key, tracked)| !firing.contains(*key) && is_over(tracked, moment))
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            self.dirty |= self.tracked.remove(&key).is_some_and(|tracked| tracked.told.is_some());
        }
        ends
    }

    /// What each group should tell, by lane and group.
    fn wanted(&self, moment: Moment<'_>) -> BTreeMap<(usize, String), Wanted> {
        let mut wanted: BTreeMap<(usize, String), Wanted> = BTreeMap::new();
        let wall_ms = moment.clock.unix_ms(moment.now);
        for (key, tracked) in &self.tracked {
            let Some(alert) = tracked.alert(&self.node, &self.external_url) else { continue };
            let silenced = moment.silences.hits(&alert.labels, wall_ms).is_some();
            for lane in taken(&self.lanes, &alert.labels) {
                let (name, labels) = self.lanes[lane].group_of(key, &alert.labels);
                let mut place = (lane, name);
                let known = wanted.contains_key(&place) || self.groups.contains_key(&place);
                if !known && self.groups.len().max(wanted.len()) >= GROUPS_MAX {
                    place.1 = "more".into();
                }
                let group = wanted.entry(place).or_default();
                group.labels = labels;
                if silenced {
                    group.silenced.insert(key.clone());
                } else {
                    group.firing.insert(key.clone(), alert.clone());
                }
            }
        }
        wanted
    }

    fn notices_of(
        &mut self,
        key: &(usize, String),
        reason: Reason,
        mut alerts: Vec<ToldAlert>,
        moment: Moment<'_>,
        out: &mut Vec<Notice>,
    ) {
        let lane = &self.lanes[key.0];
        let labels = self.groups.get(key).map(|group| group.labels.clone()).unwrap_or_default();
        let firing = alerts.iter().any(ToldAlert::fires);
        let status = if firing { Status::Firing } else { Status::Resolved };
        let mut truncated = 0;
        if lane.gathering != Gathering::All {
            truncated = alerts.len().saturating_sub(NOTICE_ALERTS_MAX);
            alerts.truncate(NOTICE_ALERTS_MAX);
        }
        for part in alerts.chunks(NOTICE_ALERTS_MAX) {
            for destination in &lane.destinations {
                let id = format!("{:x}-{}", moment.clock.unix_ms(moment.now), self.next_id);
                self.next_id += 1;
                out.push(Notice {
                    schema: SCHEMA.into(),
                    id,
                    at: moment.clock.rfc3339(moment.now),
                    status,
                    reason,
                    node: self.node.clone(),
                    destination: destination.clone(),
                    group_key: hashed(&[&self.node, destination, &lane.id, &key.1]),
                    group_labels: labels.clone(),
                    alerts: part.to_vec(),
                    truncated_alerts: truncated,
                    link: (!self.external_url.is_empty())
                        .then(|| format!("{}/", self.external_url.trim_end_matches('/'))),
                });
            }
        }
    }
}

/// Whether an alert that does not stand any more is over; one from before a restart may come back.
fn is_over(tracked: &Tracked, moment: Moment<'_>) -> bool {
    let Some(since) = tracked.carried else { return true };
    if is_kill(&tracked.view) {
        let started = tracked.view.starts_at.parse::<jiff::Timestamp>();
        let ends = started.map_or(0, |at| at.as_millisecond().saturating_add(KILL_STANDS_MS));
        return moment.clock.unix_ms(moment.now) >= ends;
    }
    moment.now.since(since) >= CARRIED_FOR || (moment.gone)(&tracked.view.target)
}

#[cfg(test)]
mod tests;
