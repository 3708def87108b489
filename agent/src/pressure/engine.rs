//! Keeps what is known of scopes and subscribers, and says what is to be said. Pure.
//!
//! A scope is the node or a cgroup with a limit that has subscribers inside. Each reading of one is
//! judged by [`super::policy`]; what it wants beyond what is under way is shared among those of its
//! subscribers who have no open ask. Of a rising level everybody in it hears at once.

use super::ledger::{Ask, End, Ledger, Unseen};
use super::member::Member;
use super::policy::{self, Demand, Held, Params, Strain};
use super::record::{Record, Records};
use super::share::share;
use super::slope::{Left, Slope};
use crate::clock::Stamp;
use crate::units::Bytes;
use crate::verdict::Eta;
use plimsoll_pressure::server::{Subscriber, SubscriberId};
use plimsoll_pressure::{self as wire, Answer, CgroupPath, Label, Level, Scope, Seq, Word};
use std::collections::BTreeMap;
use std::time::Duration;

/// Scopes that are judged: a subscriber has a few, and of subscribers there are some hundred.
pub const SCOPES_MAX: usize = 1024;
/// A scope that was not read for so long is not judged any more: it is calm as far as we know.
const STALE: Duration = Duration::from_secs(30);
/// Changes kept for whoever fetches them.
const NEWS_MAX: usize = 256;
/// Below critical a scope asks no sooner than this after it last did: a steady leak leads to a few
/// asks of some size and not to many small ones.
const ASKS_APART: Duration = Duration::from_millis(500);
/// How often scopes are read while something is under way or memory is short, and otherwise.
const PRESSED_INTERVAL: Duration = Duration::from_millis(100);
const CALM_INTERVAL: Duration = Duration::from_secs(1);

/// What was read of one scope.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading<'a> {
    pub limit: Bytes,
    pub headroom: Bytes,
    /// What the processes of its subscribers hold, as far as it could be read.
    pub held: Bytes,
    pub eta: Option<Eta>,
    pub psi_some: Option<f64>,
    pub psi_full: Option<f64>,
    /// One word of the verdict.
    pub cause: &'a str,
}

/// Something to be said to one subscriber.
#[derive(Clone, Debug, PartialEq)]
pub struct Say {
    pub to: SubscriberId,
    pub word: Word,
}

/// A scope and how it stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub strain: Strain,
    pub demand: Demand,
    pub cause: String,
    /// Since when it has been at its level.
    pub since: Stamp,
    pub read_at: Stamp,
    /// When memory was last asked for because of it.
    asked_at: Option<Stamp>,
    slope: Slope,
    unseen: Unseen,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub asked_bytes: u64,
    pub freed_bytes: u64,
    /// Of what was said to be freed, what the headroom showed.
    pub seen_bytes: u64,
    pub asks: u64,
    pub late: u64,
    pub news_dropped: u64,
}

/// What whoever watches is told of.
#[derive(Clone, Debug)]
pub enum News {
    /// The scope has another level.
    Level(Scope, Box<Standing>),
    /// A subscriber was asked for memory.
    Asked(Record),
    /// An ask has come to its end.
    Ended(Ask, String, End),
}

#[derive(Debug)]
pub struct Engine {
    params: Params,
    dry_run: bool,
    pub(crate) scopes: BTreeMap<Scope, Standing>,
    pub(crate) members: BTreeMap<SubscriberId, Member>,
    pub(crate) totals: Totals,
    /// Where those are who are only alarmed and never asked.
    listeners: Vec<Option<CgroupPath>>,
    ledger: Ledger,
    records: Records,
    news: Vec<News>,
}

impl Engine {
    #[must_use]
    pub fn new(params: Params, dry_run: bool) -> Self {
        Self {
            params,
            dry_run,
            scopes: BTreeMap::new(),
            members: BTreeMap::new(),
            totals: Totals::default(),
            listeners: Vec::new(),
            ledger: Ledger::default(),
            records: Records::default(),
            news: Vec::new(),
        }
    }

    pub fn join(&mut self, subscriber: &Subscriber, now: Stamp) {
        self.members.insert(subscriber.id, Member::new(subscriber, now));
        self.rebase(subscriber.id);
    }

    pub fn leave(&mut self, id: SubscriberId, now: Stamp) {
        let ended = self.ledger.moot(|ask| ask.of == id);
        self.end(ended, now);
        self.rebase(id);
        self.members.remove(&id);
        self.forget_scopes();
    }

    /// What subscribers hold is not what it was: one came or left.
    fn rebase(&mut self, id: SubscriberId) {
        let Some(member) = self.members.get(&id) else { return };
        for (scope, standing) in &mut self.scopes {
            if member.is_in(scope) {
                standing.slope.rebase();
            }
        }
    }

    /// Who listens for alarms now.
    pub fn listeners(&mut self, listeners: Vec<Option<CgroupPath>>) {
        if listeners != self.listeners {
            self.listeners = listeners;
            self.forget_scopes();
        }
    }

    fn forget_scopes(&mut self) {
        let mut scopes = std::mem::take(&mut self.scopes);
        scopes.retain(|scope, _| self.concerns_anyone(scope));
        self.scopes = scopes;
    }

    fn concerns_anyone(&self, scope: &Scope) -> bool {
        self.members.values().any(|member| member.is_in(scope))
            || self.listeners.iter().any(|cgroup| scope.concerns(cgroup.as_ref()))
    }

    /// The cgroups of all who are asked or alarmed.
    pub fn places(&self) -> impl Iterator<Item = &CgroupPath> {
        let asked = self.members.values().filter_map(|member| member.cgroup.as_ref());
        asked.chain(self.listeners.iter().flatten())
    }

    /// The word for those who are only alarmed; None: there is nothing to be alarmed of.
    #[must_use]
    pub fn alarm(&self, scope: &Scope) -> Option<Word> {
        let standing = self.scopes.get(scope)?;
        let loud = standing.demand.level >= Level::Medium && !self.dry_run;
        loud.then(|| standing.word(scope, Bytes::ZERO))
    }

    /// What the process of a subscriber holds, as last read.
    pub fn holds(&mut self, id: SubscriberId, resident: Option<Bytes>) {
        if let Some(member) = self.members.get_mut(&id) {
            member.resident = resident;
        }
    }

    /// Takes a reading of a scope and returns what is to be said about it.
    pub fn observe(&mut self, scope: &Scope, reading: Reading<'_>, now: Stamp) -> Vec<Say> {
        if !self.concerns_anyone(scope) {
            return Vec::new();
        }
        if !self.scopes.contains_key(scope) {
            if self.scopes.len() >= SCOPES_MAX {
                return Vec::new();
            }
            let fresh = Standing { since: now, ..Standing::default() };
            self.scopes.insert(scope.clone(), fresh);
        }
        let Some(standing) = self.scopes.get_mut(scope) else { return Vec::new() };
        let level_before = standing.demand.level;
        standing.take(&self.params, &reading, now);
        let slope = standing.strain.slope;
        if let Some(seen) = standing.unseen.see(reading.headroom, slope, now) {
            self.totals.seen_bytes = self.totals.seen_bytes.saturating_add(seen.0);
        }
        if standing.demand.level != level_before {
            standing.since = now;
            let news = News::Level(scope.clone(), Box::new(standing.clone()));
            self.tell_news(news);
        }
        self.decide(scope, now)
    }

    /// What is to be said in a scope, given how it stands.
    fn decide(&mut self, scope: &Scope, now: Stamp) -> Vec<Say> {
        let Some(standing) = self.scopes.get(scope).cloned() else { return Vec::new() };
        let demand = standing.demand;
        if demand.level == Level::None {
            let ended = self.ledger.moot(|ask| ask.scope == *scope);
            self.end(ended, now);
        }
        let inside = self.members.iter().filter(|(_, member)| member.is_in(scope));
        let inside: Vec<SubscriberId> = inside.map(|(id, _)| *id).collect();
        let parts = self.parts(&inside, &standing, now);
        let mut said = Vec::new();
        for (id, part) in inside.into_iter().zip(parts) {
            if let Some(asked) = self.word_for(id, scope, &standing, part) {
                said.extend(self.say(id, scope, &standing, asked, now));
            }
        }
        said
    }

    /// Shares what is wanted beyond what is under way among those who have nothing open.
    fn parts(&self, inside: &[SubscriberId], standing: &Standing, now: Stamp) -> Vec<Bytes> {
        let under_way: Bytes = inside.iter().map(|id| self.ledger.under_way(*id)).sum();
        let Strain { headroom, slope, limit, .. } = standing.strain;
        let unseen = standing.unseen.left(headroom, slope, now);
        let want = standing.demand.want - under_way - unseen;
        let soon = standing.asked_at.is_some_and(|at| now.since(at) < ASKS_APART);
        if !policy::is_worth(want, limit) || (soon && standing.demand.level < Level::Critical) {
            return vec![Bytes::ZERO; inside.len()];
        }
        let offers = inside.iter().map(|id| match (self.ledger.of(*id), self.members.get(id)) {
            (None, Some(member)) => member.offer(),
            _ => super::share::Offer { can_free: Bytes::ZERO, late: false },
        });
        share(want, &offers.collect::<Vec<_>>())
    }

    /// Whether there is anything to say to a subscriber, and how much it is asked for.
    fn word_for(
        &self,
        id: SubscriberId,
        scope: &Scope,
        standing: &Standing,
        part: Bytes,
    ) -> Option<Bytes> {
        if part > Bytes::ZERO {
            return Some(part);
        }
        let (level, told) = (standing.demand.level, self.members.get(&id)?.told(scope));
        match self.ledger.of(id).filter(|ask| ask.scope == *scope) {
            _ if level == told => None,
            // What is asked for stands; that it is less urgent now is said with the next word.
            Some(_) if level < told => None,
            // Nor is it asked for again because it is more urgent: it may be given already, and the
            // answer be under way. See `Ledger::hurry`.
            _ => Some(Bytes::ZERO),
        }
    }

    /// Enters what is asked into the books and makes the word.
    fn say(
        &mut self,
        id: SubscriberId,
        scope: &Scope,
        standing: &Standing,
        asked: Bytes,
        now: Stamp,
    ) -> Option<Say> {
        let demand = standing.demand;
        let member = self.members.get_mut(&id)?;
        member.tell(scope, demand.level);
        let record = Record {
            at: now,
            to: id,
            name: member.name.clone(),
            scope: scope.clone(),
            level: demand.level,
            asked,
            deadline: demand.deadline,
            seq: None,
            freed: None,
            end: None,
            ended_at: None,
        };
        if asked > Bytes::ZERO {
            let ask = Ask {
                of: id,
                scope: scope.clone(),
                level: demand.level,
                bytes: asked,
                headroom: standing.strain.headroom,
                at: now,
                until: now.plus(demand.deadline),
                seq: None,
                freed: None,
            };
            if !self.ledger.ask(ask) {
                return None;
            }
            self.totals.asks += 1;
            if let Some(standing) = self.scopes.get_mut(scope) {
                standing.asked_at = Some(now);
            }
            self.totals.asked_bytes = self.totals.asked_bytes.saturating_add(asked.0);
            self.tell_news(News::Asked(record.clone()));
        } else {
            self.ledger.hurry(id, scope, now.plus(demand.deadline));
        }
        self.records.push(record);
        (!self.dry_run).then(|| Say { to: id, word: standing.word(scope, asked) })
    }

    /// A word went out under a number; None: the subscriber has left meanwhile.
    pub fn said(&mut self, say: &Say, seq: Option<Seq>, now: Stamp) {
        let Some(Seq(seq)) = seq else { return self.leave(say.to, now) };
        self.records.numbered(say.to, &say.word.scope, seq);
        let asks = say.word.reclaim_bytes > wire::Bytes::ZERO;
        if let Some(ask) = self.ledger.of_mut(say.to).filter(|ask| asks && ask.seq.is_none()) {
            ask.seq = Some(seq);
        }
    }

    /// A subscriber has answered word `seq`.
    pub fn answer(&mut self, id: SubscriberId, seq: Seq, answer: &Answer, now: Stamp) {
        let Some(member) = self.members.get_mut(&id) else { return };
        member.answered(answer, now);
        let freed = Bytes(answer.freed_bytes.0);
        let base = self.ledger.of(id).map(|ask| (ask.scope.clone(), ask.headroom, ask.at));
        let Some((news, ended)) =
            self.ledger.answer(id, seq.0, freed, Bytes(answer.can_free_bytes.0))
        else {
            return;
        };
        self.totals.freed_bytes = self.totals.freed_bytes.saturating_add(news.0);
        self.records.answered(id, seq.0, freed);
        let member = self.members.get(&id);
        for (scope, standing) in &mut self.scopes {
            if member.is_some_and(|member| member.is_in(scope)) {
                let own = base.as_ref().filter(|(asked_in, ..)| asked_in == scope);
                let (headroom, at) =
                    own.map_or((standing.strain.headroom, now), |(_, left, at)| (*left, *at));
                standing.unseen.add(news, headroom, at, now);
            }
        }
        self.end(ended.into_iter().collect(), now);
    }

    /// Ends what is overdue; returns what is to be said in scopes that nobody reads any more.
    pub fn tick(&mut self, now: Stamp) -> Vec<Say> {
        let ended = self.ledger.expire(now);
        self.end(ended, now);
        let is_stale = |s: &Standing| now.since(s.read_at) >= STALE && s.demand.level > Level::None;
        let stale = self.scopes.iter().filter(|(_, standing)| is_stale(standing));
        let stale: Vec<Scope> = stale.map(|(scope, _)| scope.clone()).collect();
        let mut said = Vec::new();
        for scope in stale {
            if let Some(standing) = self.scopes.get_mut(&scope) {
                standing.demand = Demand::default();
                standing.since = now;
            }
            said.extend(self.decide(&scope, now));
        }
        said
    }

    fn end(&mut self, ended: Vec<(Ask, End)>, now: Stamp) {
        for (ask, end) in ended {
            let member = self.members.get_mut(&ask.of);
            let name = member.as_ref().map(|m| m.name.clone()).unwrap_or_default();
            if end == End::Late {
                self.totals.late += 1;
                if let Some(member) = member {
                    member.late = true;
                }
            }
            self.records.ended(&ask, end, now);
            self.tell_news(News::Ended(ask, name, end));
        }
    }

    fn tell_news(&mut self, news: News) {
        if self.news.len() < NEWS_MAX {
            self.news.push(news);
        } else {
            self.totals.news_dropped += 1;
        }
    }

    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// How often a scope should be read.
    #[must_use]
    pub fn interval(&self, scope: &Scope) -> Duration {
        let short = self.scopes.get(scope).is_some_and(|s| s.demand.level >= Level::Medium);
        if short || !self.ledger.is_empty() { PRESSED_INTERVAL } else { CALM_INTERVAL }
    }

    /// Whether answers are expected.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.ledger.is_empty()
    }

    /// The last words, newest first.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    #[must_use]
    pub const fn dry_run(&self) -> bool {
        self.dry_run
    }
}

impl Standing {
    fn word(&self, scope: &Scope, asked: Bytes) -> Word {
        Word {
            scope: scope.clone(),
            level: self.demand.level,
            reclaim_bytes: wire::Bytes(asked.0),
            deadline: self.demand.deadline,
            headroom_bytes: wire::Bytes(self.strain.headroom.0),
            eta: self.demand.left,
            cause: Label::new(&self.cause),
        }
    }

    fn take(&mut self, params: &Params, reading: &Reading<'_>, now: Stamp) {
        self.slope.see(Left { headroom: reading.headroom, held: reading.held }, now);
        self.strain = Strain {
            limit: reading.limit,
            headroom: reading.headroom,
            slope: self.slope.rate(),
            // What fills because subscribers take it ends when they are told to stop.
            eta: reading.eta.filter(|_| self.slope.is_of_others()),
            psi_some: reading.psi_some,
            psi_full: reading.psi_full,
        };
        let held = Held { level: self.demand.level, held: now.since(self.since) };
        self.demand = policy::judge(params, &self.strain, held);
        reading.cause.clone_into(&mut self.cause);
        self.read_at = now;
    }
}

#[cfg(test)]
mod tests;
