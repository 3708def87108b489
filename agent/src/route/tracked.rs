//! One alert from when it was first seen until it is over: which of its names has stood long enough
//! to be told. Pure.
//!
//! An alert's names are levels, each worse than the one before; a level stands as long as the alert
//! has it or a worse one. What is told is the worst level whose rule is met; it eases only after
//! the worse one has been away for ten minutes, so that a forecast that wavers does not ring twice.

use super::matcher::Labels;
use super::notice::{Change, Status, ToldAlert, hashed};
use super::rules::{Condition, Rules};
use crate::alert::NAMES;
use crate::clock::Stamp;
use crate::view::{AlertView, Severity};
use std::time::Duration;

/// A level that was told is kept for this long after the alert has become milder.
const EASES_AFTER: Duration = Duration::from_secs(600);
const LEVELS: usize = 3;
/// Labels that change while an alert lasts, and so cannot be part of what it is known by.
const VOLATILE: [&str; 1] = ["processes"];

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    since: Option<Stamp>,
    last: Option<Stamp>,
}

#[derive(Clone, Debug)]
pub struct Tracked {
    pub view: AlertView,
    /// Fixed once it is told.
    pub labels: Labels,
    levels: [Level; LEVELS],
    pub told: Option<usize>,
    /// Since when it is only known from before a restart; None once it was seen again.
    pub carried: Option<Stamp>,
}

/// What an alert is known by for as long as it lasts: a target has one, a kill is one.
#[must_use]
pub fn key_of(view: &AlertView) -> String {
    if is_kill(view) {
        let pid = view.labels.get("pid").map_or("", String::as_str);
        format!("kill {} {pid} {}", view.starts_at, view.target)
    } else {
        view.target.clone()
    }
}

#[must_use]
pub fn is_kill(view: &AlertView) -> bool {
    view.name == NAMES[LEVELS]
}

impl Tracked {
    #[must_use]
    pub fn new(view: &AlertView) -> Self {
        Self {
            view: view.clone(),
            labels: Labels::new(),
            levels: [Level::default(); LEVELS],
            told: None,
            carried: None,
        }
    }

    /// One that was told before the agent was restarted at `now`.
    #[must_use]
    pub fn carried(view: AlertView, labels: Labels, level: usize, now: Stamp) -> Self {
        let told = level.min(LEVELS - 1);
        let mut own = Self { told: Some(told), carried: Some(now), ..Self::new(&view) };
        own.labels = labels;
        for level in &mut own.levels[..=told] {
            *level = Level { since: Some(now), last: Some(now) };
        }
        own
    }

    /// Takes the newest view of it. True if it is now told otherwise than before.
    pub fn see(&mut self, view: &AlertView, common: &Labels, rules: &Rules, now: Stamp) -> bool {
        let starts_at = self.told.map(|_| std::mem::take(&mut self.view.starts_at));
        self.view.clone_from(view);
        if let Some(starts_at) = starts_at {
            // It may have fired anew after a restart: it began when it first did.
            self.view.starts_at = starts_at;
        }
        self.carried = None;
        if self.told.is_none() {
            self.labels = labels_of(view, common);
        }
        let level = level_of(view);
        for (at, own) in self.levels.iter_mut().enumerate() {
            if at <= level {
                own.since.get_or_insert(now);
                own.last = Some(now);
            } else {
                own.since = None;
            }
        }
        let before = self.told;
        let met = (0..=level).rev().find(|&at| self.is_met(at, rules, now));
        let recent =
            |at: usize| self.levels[at].last.is_some_and(|last| now.since(last) < EASES_AFTER);
        self.told = match (before, met) {
            (Some(before), met) if before > level && !recent(before) => Some(met.unwrap_or(level)),
            (before, met) => before.max(met),
        };
        self.told != before
    }

    fn is_met(&self, level: usize, rules: &Rules, now: Stamp) -> bool {
        let labels = self.labels_at(level);
        let condition = Condition {
            name: self.name_at(level),
            severity: self.severity_at(level),
            confidence: self.view.verdict.as_ref().map(|verdict| verdict.confidence),
            labels: &labels,
        };
        let since = self.levels[level].since;
        rules.hold(condition).zip(since).is_some_and(|(hold, since)| now.since(since) >= hold)
    }

    fn name_at(&self, level: usize) -> &'static str {
        NAMES[if is_kill(&self.view) { LEVELS } else { level }]
    }

    /// A milder name than the alert now has carries the severity that is its own.
    fn severity_at(&self, level: usize) -> Severity {
        match level {
            _ if is_kill(&self.view) || level == level_of(&self.view) => self.view.severity,
            0 => Severity::Warning,
            1 => self.view.severity.max(Severity::Warning),
            _ => Severity::Critical,
        }
    }

    fn labels_at(&self, level: usize) -> Labels {
        let mut labels = self.labels.clone();
        labels.insert("alertname".into(), self.name_at(level).into());
        labels.insert("severity".into(), self.severity_at(level).name().into());
        labels
    }

    /// It as it is told now; None before its rule is met.
    #[must_use]
    pub fn alert(&self, node: &str, external_url: &str) -> Option<ToldAlert> {
        let level = self.told?;
        let view = &self.view;
        Some(ToldAlert {
            fingerprint: hashed(&[node, &key_of(view), &view.starts_at]),
            status: Status::Firing,
            change: Change::Unchanged,
            name: self.name_at(level).to_owned(),
            severity: self.severity_at(level),
            summary: view.summary.clone(),
            description: view.description.clone(),
            starts_at: view.starts_at.clone(),
            ends_at: None,
            target: view.target.clone(),
            labels: self.labels_at(level),
            link: link(external_url, &view.target),
            verdict: view.verdict.clone(),
        })
    }
}

/// Short names beside those of OpenTelemetry, for people who write routes.
const SHORT: [(&str, &str); 3] = [
    ("k8s_namespace_name", "namespace"),
    ("k8s_pod_name", "pod"),
    ("k8s_container_name", "container"),
];

fn level_of(view: &AlertView) -> usize {
    let at = NAMES.iter().position(|name| *name == view.name);
    at.filter(|at| *at < LEVELS).unwrap_or(0)
}

/// The labels of the view and those all alerts have; names as Prometheus wants them, none empty.
fn labels_of(view: &AlertView, common: &Labels) -> Labels {
    let name = |name: &str| -> String {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let plain: String = name.chars().map(|c| if good(c) { c } else { '_' }).collect();
        if plain.starts_with(|c: char| c.is_ascii_digit()) { format!("_{plain}") } else { plain }
    };
    let kind = view.target.split_once(':').map_or(view.target.as_str(), |(kind, _)| kind);
    let own = view.labels.iter().filter(|(name, _)| !VOLATILE.contains(&name.as_str()));
    let own = own.map(|(key, value)| (name(key), value.clone()));
    let mut labels: Labels = common.clone();
    labels.extend(own);
    for (long, short) in SHORT {
        if let Some(value) = labels.get(long).cloned() {
            labels.entry(short.into()).or_insert(value);
        }
    }
    labels.insert("kind".into(), kind.into());
    labels.insert("target".into(), crate::alert::plain(&view.target));
    labels.retain(|name, value| !name.is_empty() && !value.is_empty());
    labels
}

/// Where the page shows a target.
fn link(external_url: &str, target: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:@".contains(&b);
    let escaped = |b: u8| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    let target: String = target.bytes().map(escaped).collect();
    let base = external_url.trim_end_matches('/');
    (!base.is_empty()).then(|| format!("{base}/#/target/{target}"))
}
