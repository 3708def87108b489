//! One group of a lane: what its destinations have been told, and when they are told again. Pure.
//!
//! The rhythm is Alertmanager's, with three differences. What is or becomes critical waits for
//! `group_wait` only, OomImminent for nothing: the kernel does not wait for `group_interval`. The
//! end of an alert is told although it was silenced meanwhile, so that nothing stays open. An alert
//! that ends before its group was told of it is not told of.

use super::lanes::Lane;
use super::matcher::Labels;
use super::notice::{Change, Reason, Status, ToldAlert};
use crate::clock::Stamp;
use crate::view::Severity;
use std::collections::{BTreeMap, BTreeSet};

/// What a group should be telling now.
#[derive(Debug, Default)]
pub struct Wanted {
    pub labels: Labels,
    pub firing: BTreeMap<String, ToldAlert>,
    /// Those that fire and are silenced.
    pub silenced: BTreeSet<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    pub labels: Labels,
    /// What the destinations take to be firing, as it was told last.
    pub sent: BTreeMap<String, ToldAlert>,
    /// When there is something to tell: the instant at which it is told.
    pub due: Option<Stamp>,
    pub last: Option<Stamp>,
}

impl Group {
    /// Takes what should be told; returns what is to be told now. `ended_at`: wall time of an end.
    pub fn step(
        &mut self,
        lane: &Lane,
        wanted: Wanted,
        now: Stamp,
        ended_at: &dyn Fn(&str) -> String,
    ) -> Option<(Reason, Vec<ToldAlert>)> {
        if !wanted.labels.is_empty() {
            self.labels.clone_from(&wanted.labels);
        }
        let soonest = self.soonest(lane, &wanted, now);
        self.due = match (self.due, soonest) {
            (_, None) => None,
            (Some(due), Some(soonest)) => Some(due.min(soonest)),
            (None, some) => some,
        };
        let is_due = self.due.is_some_and(|due| due <= now);
        let repeats = self.due.is_none()
            && !wanted.firing.is_empty()
            && self.last.is_some_and(|last| now.since(last) >= lane.repeat);
        (is_due || repeats).then(|| self.tell(wanted, now, ended_at))
    }

    /// Nothing was told that is not over, and nothing is to be told.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.sent.is_empty() && self.due.is_none()
    }

    /// When what is new should be told; None if nothing is.
    fn soonest(&self, lane: &Lane, wanted: &Wanted, now: Stamp) -> Option<Stamp> {
        let after_wait = now.plus(lane.wait);
        let in_turn = self.last.map_or(now, |last| last.plus(lane.interval).max(now));
        let of_firing = wanted.firing.iter().filter_map(|(key, alert)| {
            let worse = self.sent.get(key).is_none_or(|sent| alert.rank() > sent.rank());
            let changed = self.sent.get(key).is_none_or(|sent| alert.rank() != sent.rank());
            match (worse, changed) {
                (true, _) if alert.name == "OomImminent" => Some(now),
                (true, _) if alert.severity == Severity::Critical => Some(after_wait),
                (true, _) => Some(after_wait.max(in_turn)),
                (false, true) => Some(in_turn),
                (false, false) => None,
            }
        });
        let over = self.over(wanted).next().map(|_| in_turn);
        of_firing.chain(over).min()
    }

    fn over<'a>(&'a self, wanted: &'a Wanted) -> impl Iterator<Item = (&'a String, &'a ToldAlert)> {
        let is_over =
            |key: &String| !wanted.firing.contains_key(key) && !wanted.silenced.contains(key);
        self.sent.iter().filter(move |(key, _)| is_over(key))
    }

    fn tell(
        &mut self,
        wanted: Wanted,
        now: Stamp,
        ended_at: &dyn Fn(&str) -> String,
    ) -> (Reason, Vec<ToldAlert>) {
        let mut alerts: Vec<ToldAlert> = Vec::new();
        let ended = |key: &str, sent: &ToldAlert, change| ToldAlert {
            status: Status::Resolved,
            change,
            ends_at: Some(ended_at(key)),
            ..sent.clone()
        };
        for (key, alert) in &wanted.firing {
            let change = match self.sent.get(key) {
                None => Change::New,
                Some(sent) if alert.rank() > sent.rank() => Change::Escalated,
                Some(sent) if alert.rank() < sent.rank() => Change::Eased,
                Some(_) => Change::Unchanged,
            };
            alerts.push(ToldAlert { change, ..alert.clone() });
            if let Some(sent) = self.sent.get(key).filter(|sent| sent.labels != alert.labels) {
                alerts.push(ended(key, sent, Change::Renamed));
            }
        }
        for (key, sent) in self.over(&wanted) {
            alerts.push(ended(key, sent, Change::Resolved));
        }
        let still = |key: &String| wanted.silenced.contains(key);
        let silenced = std::mem::take(&mut self.sent).into_iter().filter(|(key, _)| still(key));
        let mut sent: BTreeMap<_, _> = silenced.collect();
        let reason = if wanted.firing.is_empty() {
            Reason::Resolved
        } else if alerts.iter().all(|alert| alert.change == Change::Unchanged) {
            Reason::Repeated
        } else {
            Reason::Changed
        };
        sent.extend(wanted.firing);
        self.sent = sent;
        self.last = Some(now);
        self.due = None;
        alerts.sort_by_key(|alert| (!alert.fires(), std::cmp::Reverse(alert.rank())));
        (reason, alerts)
    }
}
