//! A subscriber as the policy sees it. Pure.

use super::share::Offer;
use crate::clock::Stamp;
use crate::units::Bytes;
use plimsoll_pressure::server::Subscriber;
use plimsoll_pressure::{Answer, CgroupPath, Level, Scope};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub struct Member {
    /// As it calls itself; plain text, short.
    pub name: String,
    /// As the kernel says; None from a pid namespace that cannot be seen from here.
    pub pid: Option<u32>,
    pub uid: u32,
    pub cgroup: Option<CgroupPath>,
    /// As it claims.
    pub can_free: Bytes,
    /// As it claims, in its last answer.
    pub used: Option<Bytes>,
    /// As last read of its process: nobody can give back more.
    pub resident: Option<Bytes>,
    /// It let the last deadline pass without a word.
    pub late: bool,
    pub since: Stamp,
    pub answered_at: Option<Stamp>,
    /// The level that it was last told of each scope that is not calm.
    pub told: BTreeMap<Scope, Level>,
}

impl Member {
    #[must_use]
    pub fn new(subscriber: &Subscriber, now: Stamp) -> Self {
        Self {
            name: subscriber.name.as_str().to_owned(),
            pid: subscriber.credentials.pid,
            uid: subscriber.credentials.uid,
            cgroup: subscriber.cgroup.clone(),
            can_free: Bytes(subscriber.can_free_bytes.0),
            used: None,
            resident: None,
            late: false,
            since: now,
            answered_at: None,
            told: BTreeMap::new(),
        }
    }

    pub const fn answered(&mut self, answer: &Answer, now: Stamp) {
        self.can_free = Bytes(answer.can_free_bytes.0);
        self.used = Some(Bytes(answer.used_bytes.0));
        self.late = false;
        self.answered_at = Some(now);
    }

    #[must_use]
    pub fn is_in(&self, scope: &Scope) -> bool {
        scope.concerns(self.cgroup.as_ref())
    }

    /// What it could give: its claim, but no more than it holds.
    #[must_use]
    pub fn offer(&self) -> Offer {
        let can_free = self.resident.map_or(self.can_free, |held| self.can_free.min(held));
        Offer { can_free, late: self.late }
    }

    #[must_use]
    pub fn told(&self, scope: &Scope) -> Level {
        self.told.get(scope).copied().unwrap_or_default()
    }

    pub fn tell(&mut self, scope: &Scope, level: Level) {
        if level == Level::None {
            self.told.remove(scope);
        } else {
            self.told.insert(scope.clone(), level);
        }
    }

    /// The worst that it was told.
    #[must_use]
    pub fn level(&self) -> Level {
        self.told.values().copied().max().unwrap_or_default()
    }
}
