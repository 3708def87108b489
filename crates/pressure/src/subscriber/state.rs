//! What a subscriber knows: who speaks, what stands, what is to be told and answered. No IO, no
//! clock: bytes, readings and `now` are handed in.
//!
//! A signal is told once however often it is repeated; its number is good for one epoch, and an
//! answer for one connection. What is not repeated for three seconds no longer holds.

use super::{Acked, Source, Told};
use crate::frame::{Ack, Answer, Hello, Label, Level, Scope, Signal};
use crate::own::{self, Judged};
use crate::units::{Bytes, Epoch, Seq};
use crate::{CodecError, Decoder, Frame as _, FromSubscriber};
use std::collections::VecDeque;
use std::time::Duration;

/// No line for so long: the agent is gone. The protocol says three seconds; a little less, so that
/// whoever was told so has noticed, and reads for himself, when they are over.
pub const SILENCE: Duration = Duration::from_millis(2_850);

/// What systemd's watch said holds for so long: it says when it begins, not when it is over.
const RANG_FOR: Duration = Duration::from_secs(10);

/// Alarms of systemd's watch are told no more often.
const RANG_APART: Duration = Duration::from_secs(1);

/// While memory stays short and the agent silent, what is missing is told again so often.
const OWN_AGAIN: Duration = Duration::from_secs(1);

/// How long the own judgement must have been better before it is believed.
const OWN_DWELL: Duration = Duration::from_secs(2);

/// Told and not taken; the oldest is dropped and counted.
const TOLD_MAX: usize = 64;

/// Scopes that the agent speaks of; the one heard of longest ago gives way.
const SCOPES_MAX: usize = 64;

/// Answers that wait for the agent to read.
const OUT_BYTES_MAX: usize = 16 << 10;

/// The newest word on a scope.
#[derive(Debug)]
struct Heard {
    scope: Scope,
    seq: Seq,
    level: Level,
    at: Duration,
    /// It was not repeated, or the agent fell silent.
    has_lapsed: bool,
}

#[derive(Debug)]
pub struct State {
    name: Label,
    can_free_bytes: Bytes,
    decoder: Decoder<Signal>,
    /// Whose words are heard.
    epoch: Option<Epoch>,
    /// A line of that epoch came over the connection that is open now.
    is_heard_here: bool,
    heard: Vec<Heard>,
    heard_at: Duration,
    /// There is no agent.
    pub is_alone: bool,
    /// That it was lost has not been told.
    has_lost: bool,
    own_level: Level,
    own_better_since: Option<Duration>,
    own_told_at: Option<Duration>,
    rang_at: Option<Duration>,
    told: VecDeque<Told>,
    pub dropped: u64,
    /// What is to be written.
    pub out: Vec<u8>,
    pub is_closed: bool,
}

impl State {
    pub fn new(name: Label, can_free_bytes: Bytes) -> Self {
        Self {
            name,
            can_free_bytes,
            decoder: Decoder::default(),
            epoch: None,
            is_heard_here: false,
            heard: Vec::new(),
            heard_at: Duration::ZERO,
            is_alone: true,
            has_lost: false,
            own_level: Level::None,
            own_better_since: None,
            own_told_at: None,
            rang_at: None,
            told: VecDeque::new(),
            dropped: 0,
            out: Vec::new(),
            is_closed: false,
        }
    }

    /// A connection was made: says hello.
    pub fn connected(&mut self, pid: u32) {
        self.decoder = Decoder::default();
        self.is_heard_here = false;
        let (name, can_free_bytes) = (self.name.clone(), self.can_free_bytes);
        self.out = FromSubscriber::Hello(Hello { name, pid, can_free_bytes }).to_line();
    }

    /// The connection is gone. The agent may be back at once, so what it said holds for now.
    pub fn disconnected(&mut self) {
        self.is_heard_here = false;
        self.out.clear();
    }

    /// Takes in what came over the connection.
    ///
    /// # Errors
    /// The connection has to be closed.
    pub fn receive(&mut self, mut bytes: &[u8], now: Duration) -> Result<(), CodecError> {
        while let Some(signal) = self.decoder.decode(&mut bytes)? {
            self.hear(signal, now);
        }
        Ok(())
    }

    fn hear(&mut self, Signal { seq, epoch, word }: Signal, now: Duration) {
        if self.epoch != Some(epoch) {
            self.epoch = Some(epoch);
            self.heard.clear();
        }
        self.is_heard_here = true;
        self.heard_at = now;
        (self.is_alone, self.has_lost) = (false, false);
        (self.own_level, self.own_better_since, self.own_told_at) = (Level::None, None, None);
        let mut reclaim_bytes = word.reclaim_bytes;
        if let Some(known) = self.heard.iter_mut().find(|heard| heard.scope == word.scope) {
            if seq < known.seq {
                return;
            }
            known.at = now;
            if seq == known.seq && !known.has_lapsed {
                return;
            }
            if seq == known.seq {
                // Its bytes were wanted once, and are not wanted again.
                reclaim_bytes = Bytes::ZERO;
            }
            (known.seq, known.level, known.has_lapsed) = (seq, word.level, false);
        } else {
            let (scope, level) = (word.scope.clone(), word.level);
            self.heard.push(Heard { scope, seq, level, at: now, has_lapsed: false });
            if self.heard.len() > SCOPES_MAX {
                let oldest = (0..self.heard.len()).min_by_key(|at| self.heard[*at].at);
                oldest.map(|at| self.heard.swap_remove(at));
            }
        }
        self.tell(Told {
            source: Source::Agent { epoch, seq },
            scope: word.scope,
            level: word.level,
            overall: Level::None,
            reclaim_bytes: Some(reclaim_bytes),
            deadline: word.deadline,
            headroom_bytes: Some(word.headroom_bytes),
            eta: word.eta,
            cause: word.cause,
        });
    }

    /// Lets go of what no longer holds.
    pub fn tick(&mut self, now: Duration) {
        let is_old = |at: Duration| now.saturating_sub(at) >= SILENCE;
        if !self.is_alone && is_old(self.heard_at) {
            (self.is_alone, self.has_lost, self.is_heard_here) = (true, true, false);
            self.heard.iter_mut().for_each(|heard| heard.has_lapsed = true);
        }
        let mut lapsed = Vec::new();
        for heard in self.heard.iter_mut().filter(|heard| !heard.has_lapsed && is_old(heard.at)) {
            heard.has_lapsed = true;
            if heard.level > Level::None {
                lapsed.push((heard.scope.clone(), heard.seq));
            }
        }
        for (scope, seq) in lapsed {
            let source = self.epoch.map_or(Source::Own, |epoch| Source::Agent { epoch, seq });
            self.tell(calm(source, scope, "not_repeated"));
        }
        if self.rang_at.is_some_and(|at| now.saturating_sub(at) >= RANG_FOR) {
            self.rang_at = None;
            self.tell(calm(Source::Systemd, Scope::Node, "memory_pressure_watch"));
        }
    }

    /// Takes in what the own cgroup amounts to, or that it is not looked at. Only while alone.
    pub fn judged(&mut self, judged: Judged, now: Duration) {
        let is_better = judged.level < self.own_level;
        let better_since = self.own_better_since.filter(|_| is_better);
        self.own_better_since = is_better.then(|| better_since.unwrap_or(now));
        let dwells = |since| now.saturating_sub(since) < OWN_DWELL;
        let level = match self.own_better_since {
            Some(since) if dwells(since) => self.own_level,
            _ => judged.level,
        };
        let is_due = self.own_told_at.is_none_or(|at| now.saturating_sub(at) >= OWN_AGAIN);
        if !self.has_lost && level == self.own_level && (level == Level::None || !is_due) {
            return;
        }
        (self.own_level, self.own_told_at) = (level, Some(now));
        let has_lost = std::mem::take(&mut self.has_lost);
        let is_calm = level == Level::None;
        self.tell(Told {
            level,
            reclaim_bytes: judged.reclaim_bytes,
            headroom_bytes: judged.headroom_bytes,
            cause: if has_lost && is_calm { "agent_silent".into() } else { judged.cause },
            ..calm(Source::Own, Scope::Node, "")
        });
    }

    /// systemd's watch rang.
    pub fn rang(&mut self, now: Duration) {
        if self.rang_at.is_some_and(|at| now.saturating_sub(at) < RANG_APART) {
            return;
        }
        self.rang_at = Some(now);
        self.tell(Told {
            level: Level::Medium,
            reclaim_bytes: None,
            ..calm(Source::Systemd, Scope::Node, "memory_pressure_watch")
        });
    }

    /// Queues an answer for the agent that asked, and no other.
    pub fn ack(&mut self, source: Source, answer: Answer) -> Acked {
        self.can_free_bytes = answer.can_free_bytes;
        let Source::Agent { epoch, seq } = source else { return Acked::NobodyAsked };
        if !self.is_heard_here || self.epoch != Some(epoch) {
            return Acked::Stale;
        }
        if self.out.len() >= OUT_BYTES_MAX {
            return Acked::Full;
        }
        FromSubscriber::Ack(Ack { seq, answer }).compose(&mut self.out);
        Acked::Queued
    }

    pub fn overall(&self) -> Level {
        let heard = self.heard.iter().filter(|heard| !heard.has_lapsed).map(|heard| heard.level);
        let rang = if self.rang_at.is_some() { Level::Medium } else { Level::None };
        heard.chain([rang, self.own_level]).max().unwrap_or_default()
    }

    pub fn agent(&self) -> Option<Epoch> {
        self.epoch.filter(|_| !self.is_alone)
    }

    /// When the agent counts as gone if it says nothing until then; None: it does already.
    pub fn silent_at(&self) -> Option<Duration> {
        (!self.is_alone).then(|| self.heard_at + SILENCE)
    }

    /// Whether the agent has spoken over the connection that is open.
    pub const fn is_heard(&self) -> bool {
        self.is_heard_here
    }

    fn tell(&mut self, told: Told) {
        if self.told.len() == TOLD_MAX {
            self.told.pop_front();
            self.dropped += 1;
        }
        self.told.push_back(Told { overall: self.overall(), ..told });
    }

    pub fn take(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    pub fn has_told(&self) -> bool {
        !self.told.is_empty()
    }
}

/// That nothing is wanted any more.
fn calm(source: Source, scope: Scope, cause: &str) -> Told {
    Told {
        source,
        scope,
        level: Level::None,
        overall: Level::None,
        reclaim_bytes: Some(Bytes::ZERO),
        deadline: own::DEADLINE,
        headroom_bytes: None,
        eta: None,
        cause: cause.into(),
    }
}

#[cfg(test)]
mod tests;
