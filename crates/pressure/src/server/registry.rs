//! Who subscribes, what each is told, what each answers. No IO, no clock: `now` is handed in.
//!
//! Everything a peer can make grow has a bound in [`Limits`]; who goes beyond it loses the
//! connection, and [`Counters`] say how often. What a subscriber says of itself is its claim; where
//! it is and whose it is comes from the kernel.

mod peer;

use super::Credentials;
use crate::frame::{Answer, CgroupPath, Label, Level, Scope, Signal, Word};
use crate::units::{Bytes, Epoch, Seq};
use crate::{Frame as _, FromSubscriber};
use peer::{Peer, Standing};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How often each standing word is repeated. A subscriber misses the agent after three.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// Events kept for the agent; what is older is dropped and counted.
const EVENTS_MAX: usize = 1024;

/// Scopes with a standing word, of all and of one subscriber; cgroups nest some ten deep.
const SCOPES_MAX: usize = 1024;
const SCOPES_OF_ONE_MAX: usize = 32;

/// A connection, never numbered the same twice in one life of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(pub u64);

/// What peers may do. All durations and counts are per connection unless the name says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub subscribers_max: usize,
    /// So that one user cannot crowd out all others.
    pub subscribers_of_one_user_max: usize,
    pub hello_within: Duration,
    /// How long what is to be read may lie unread.
    pub unread_for: Duration,
    pub unread_bytes_max: usize,
    /// Lines a second that are read for as long as one likes, and how many at once.
    pub lines_per_s: f64,
    pub lines_burst: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            subscribers_max: 256,
            subscribers_of_one_user_max: 128,
            hello_within: Duration::from_secs(2),
            unread_for: Duration::from_secs(5),
            unread_bytes_max: 32 << 10,
            lines_per_s: 20.0,
            lines_burst: 60.0,
        }
    }
}

/// What has been counted since the start; none ever falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub connections: u64,
    pub refused_by_policy: u64,
    pub refused_full: u64,
    /// Connections closed, by what was wrong.
    pub without_hello: u64,
    pub malformed: u64,
    pub flooding: u64,
    pub slow: u64,
    pub words: u64,
    pub heartbeats: u64,
    pub acks: u64,
    /// Acks of signals that were never sent on that connection, or too long ago.
    pub acks_unknown: u64,
    pub events_dropped: u64,
    pub scopes_dropped: u64,
}

/// A subscriber as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscriber {
    pub id: SubscriberId,
    pub name: Label,
    pub credentials: Credentials,
    /// None: where it is cannot be seen from here; it hears of the node only.
    pub cgroup: Option<CgroupPath>,
    /// As it claims.
    pub can_free_bytes: Bytes,
    /// As it claims; None before its first ack.
    pub used_bytes: Option<Bytes>,
    /// Worst of the words that stand for it.
    pub level: Level,
}

/// Why a subscriber is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It went by itself.
    Closed,
    WithoutHello,
    Malformed,
    Flooding,
    Slow,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Joined(Subscriber),
    Left {
        id: SubscriberId,
        name: Label,
        why: Left,
    },
    Acked {
        id: SubscriberId,
        seq: Seq,
        scope: Scope,
        level: Level,
        asked_bytes: Bytes,
        answer: Answer,
        /// From when it was said to when the answer was read.
        latency: Duration,
    },
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many subscribers, or too many of one user")]
pub struct Full;

#[derive(Debug)]
pub struct Registry {
    epoch: Epoch,
    limits: Limits,
    last_id: u64,
    last_seq: u64,
    peers: BTreeMap<SubscriberId, Peer>,
    /// What those who come hear at once.
    standing: Vec<Standing>,
    events: VecDeque<Event>,
    counters: Counters,
}

impl Registry {
    #[must_use]
    pub fn new(epoch: Epoch, limits: Limits, first: &Word) -> Self {
        let mut registry = Self {
            epoch,
            limits,
            last_id: 0,
            last_seq: 0,
            peers: BTreeMap::new(),
            standing: Vec::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
        };
        registry.broadcast(first, Duration::ZERO);
        registry
    }

    /// Takes in a connection, which has to say hello.
    ///
    /// # Errors
    /// [`Full`]: it has to be closed.
    pub fn admit(
        &mut self,
        credentials: Credentials,
        cgroup: Option<CgroupPath>,
        now: Duration,
    ) -> Result<SubscriberId, Full> {
        let of_user = self.peers.values().filter(|peer| peer.credentials.uid == credentials.uid);
        if of_user.count() >= self.limits.subscribers_of_one_user_max
            || self.peers.len() >= self.limits.subscribers_max
        {
            self.counters.refused_full += 1;
            return Err(Full);
        }
        self.counters.connections += 1;
        self.last_id += 1;
        let id = SubscriberId(self.last_id);
        self.peers.insert(id, Peer::new(credentials, cgroup, now, self.limits.lines_burst));
        Ok(id)
    }

    /// Counts a connection that the policy did not want.
    pub const fn refused(&mut self) {
        self.counters.refused_by_policy += 1;
    }

    /// Counts a connection for which there is no room elsewhere.
    pub const fn refused_full(&mut self) {
        self.counters.refused_full += 1;
    }

    /// Takes in bytes that a peer has sent. Whether it stays, [`Self::unsent`] tells.
    pub fn receive(&mut self, id: SubscriberId, mut bytes: &[u8], now: Duration) {
        loop {
            let Some(peer) = self.peers.get_mut(&id) else { return };
            let frame = match peer.decoder.decode(&mut bytes) {
                Ok(None) => return,
                Ok(Some(_)) if !peer.may_speak(&self.limits, now) => Err(Left::Flooding),
                Ok(Some(frame)) => self.hear(id, frame, now),
                Err(_) => Err(Left::Malformed),
            };
            if let Err(why) = frame {
                return self.leave(id, why);
            }
        }
    }

    fn hear(&mut self, id: SubscriberId, said: FromSubscriber, now: Duration) -> Result<(), Left> {
        let peer = self.peers.get_mut(&id).ok_or(Left::Closed)?;
        match (said, &peer.name) {
            (FromSubscriber::Hello(hello), None) => {
                peer.name = Some(hello.name);
                peer.can_free_bytes = hello.can_free_bytes;
                peer.beaten_at = now;
                let cgroup = peer.cgroup.as_ref();
                let standing = self.standing.iter().filter(|word| word.scope.concerns(cgroup));
                for standing in standing.cloned().collect::<Vec<_>>() {
                    peer.say(standing, now, &self.limits)?;
                }
                let joined = peer.view(id);
                self.push(Event::Joined(joined));
                Ok(())
            }
            (FromSubscriber::Ack(ack), Some(_)) => {
                self.counters.acks += 1;
                peer.can_free_bytes = ack.answer.can_free_bytes;
                peer.used_bytes = Some(ack.answer.used_bytes);
                match peer.sent.iter().find(|sent| sent.seq == ack.seq) {
                    Some(sent) => {
                        let event = Event::Acked {
                            id,
                            seq: ack.seq,
                            scope: sent.scope.clone(),
                            level: sent.level,
                            asked_bytes: sent.asked_bytes,
                            answer: ack.answer,
                            latency: now.saturating_sub(sent.at),
                        };
                        self.push(event);
                    }
                    None => self.counters.acks_unknown += 1,
                }
                Ok(())
            }
            (FromSubscriber::Hello(_), Some(_)) | (FromSubscriber::Ack(_), None) => {
                Err(Left::Malformed)
            }
        }
    }

    /// What is to be written to the peer; None: it is gone, and its connection is to be closed.
    #[must_use]
    pub fn unsent(&self, id: SubscriberId) -> Option<&[u8]> {
        self.peers.get(&id).map(|peer| peer.out.as_slice())
    }

    /// The first `bytes` of what was to be written are.
    pub fn sent(&mut self, id: SubscriberId, bytes: usize, now: Duration) {
        if let Some(peer) = self.peers.get_mut(&id)
            && bytes > 0
        {
            peer.out.drain(..bytes.min(peer.out.len()));
            peer.moved_at = now;
        }
    }

    /// The peer is gone, or is to go.
    pub fn leave(&mut self, id: SubscriberId, why: Left) {
        let Some(peer) = self.peers.remove(&id) else { return };
        match why {
            Left::Closed => {}
            Left::WithoutHello => self.counters.without_hello += 1,
            Left::Malformed => self.counters.malformed += 1,
            Left::Flooding => self.counters.flooding += 1,
            Left::Slow => self.counters.slow += 1,
        }
        if let Some(name) = peer.name {
            self.push(Event::Left { id, name, why });
        }
    }

    /// Says a word to one subscriber. Its number is that of no other word. None: it has left.
    pub fn tell(&mut self, id: SubscriberId, word: &Word, now: Duration) -> Option<Seq> {
        let standing = self.number(word);
        let seq = standing.seq;
        self.say(id, standing, now).then_some(seq)
    }

    /// Says a word, under one number, to everyone whom it concerns, and keeps it for newcomers.
    pub fn broadcast(&mut self, word: &Word, now: Duration) -> Seq {
        let standing = self.number(word);
        let seq = standing.seq;
        self.counters.scopes_dropped += peer::keep(&mut self.standing, &standing, SCOPES_MAX);
        let concerned = |peer: &Peer| word.scope.concerns(peer.cgroup.as_ref());
        let peers = self.peers.iter().filter(|(_, peer)| peer.name.is_some() && concerned(peer));
        for id in peers.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.say(id, standing.clone(), now);
        }
        seq
    }

    fn number(&mut self, word: &Word) -> Standing {
        self.last_seq += 1;
        self.counters.words += 1;
        let seq = Seq(self.last_seq);
        let line = Signal { seq, epoch: self.epoch, word: word.clone() }.to_line();
        let (scope, level) = (word.scope.clone(), word.level);
        Standing { seq, scope, level, asked_bytes: word.reclaim_bytes, line }
    }

    fn say(&mut self, id: SubscriberId, standing: Standing, now: Duration) -> bool {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.name.is_some()) else {
            return false;
        };
        match peer.say(standing, now, &self.limits) {
            Ok(dropped) => self.counters.scopes_dropped += dropped,
            Err(why) => self.leave(id, why),
        }
        true
    }

    /// Repeats what stands, and parts with those who are silent or do not read. To be called
    /// several times a second. Returns whether there is anything to be written or closed.
    pub fn tick(&mut self, now: Duration) -> bool {
        let mut leaving = Vec::new();
        let mut beats = 0;
        for (id, peer) in &mut self.peers {
            match peer.tick(now, &self.limits) {
                Ok(lines) => beats += lines,
                Err(why) => leaving.push((*id, why)),
            }
        }
        self.counters.heartbeats += beats;
        let has_changed = beats > 0 || !leaving.is_empty();
        leaving.into_iter().for_each(|(id, why)| self.leave(id, why));
        has_changed
    }

    fn push(&mut self, event: Event) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
            self.counters.events_dropped += 1;
        }
        self.events.push_back(event);
    }

    /// Takes what happened since.
    pub fn events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    #[must_use]
    pub fn subscribers(&self) -> Vec<Subscriber> {
        let greeted = self.peers.iter().filter(|(_, peer)| peer.name.is_some());
        greeted.map(|(id, peer)| peer.view(*id)).collect()
    }

    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }
}

#[cfg(test)]
mod tests;
