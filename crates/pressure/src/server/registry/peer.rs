//! One connection: what it said, what stands for it, what it has not read yet. Pure.

use super::{HEARTBEAT, Left, Limits, SCOPES_OF_ONE_MAX, Subscriber, SubscriberId};
use crate::frame::{CgroupPath, Label, Level, Scope};
use crate::server::Credentials;
use crate::units::{Bytes, Seq};
use crate::{Decoder, FromSubscriber};
use std::collections::VecDeque;
use std::time::Duration;

/// Signals of which an answer is still expected.
const SENT_MAX: usize = 64;

/// A word that holds until the next one of its scope.
#[derive(Clone, Debug)]
pub struct Standing {
    pub seq: Seq,
    pub scope: Scope,
    pub level: Level,
    pub asked_bytes: Bytes,
    pub line: Vec<u8>,
}

/// When what was asked.
#[derive(Debug)]
pub struct Sent {
    pub seq: Seq,
    pub scope: Scope,
    pub level: Level,
    pub asked_bytes: Bytes,
    pub at: Duration,
}

#[derive(Debug)]
pub struct Peer {
    pub credentials: Credentials,
    pub cgroup: Option<CgroupPath>,
    pub decoder: Decoder<FromSubscriber>,
    /// None until it has said hello.
    pub name: Option<Label>,
    pub can_free_bytes: Bytes,
    pub used_bytes: Option<Bytes>,
    pub out: Vec<u8>,
    /// When it last took some of `out`, or nothing was left to take.
    pub moved_at: Duration,
    pub beaten_at: Duration,
    pub sent: VecDeque<Sent>,
    came_at: Duration,
    standing: Vec<Standing>,
    lines_left: f64,
    lines_at: Duration,
}

impl Peer {
    pub fn new(
        credentials: Credentials,
        cgroup: Option<CgroupPath>,
        now: Duration,
        lines_left: f64,
    ) -> Self {
        Self {
            credentials,
            cgroup,
            decoder: Decoder::default(),
            name: None,
            can_free_bytes: Bytes::ZERO,
            used_bytes: None,
            out: Vec::new(),
            moved_at: now,
            beaten_at: now,
            sent: VecDeque::new(),
            came_at: now,
            standing: Vec::new(),
            lines_left,
            lines_at: now,
        }
    }

    /// Whether another line is within the rate.
    pub fn may_speak(&mut self, limits: &Limits, now: Duration) -> bool {
        let passed = now.saturating_sub(self.lines_at).as_secs_f64();
        self.lines_at = now;
        self.lines_left = (self.lines_left + passed * limits.lines_per_s).min(limits.lines_burst);
        let may = self.lines_left >= 1.0;
        self.lines_left -= f64::from(u8::from(may));
        may
    }

    /// Queues a word; returns how many standing ones had to give way.
    pub fn say(&mut self, word: Standing, now: Duration, limits: &Limits) -> Result<u64, Left> {
        let dropped = keep(&mut self.standing, &word, SCOPES_OF_ONE_MAX);
        if self.sent.len() == SENT_MAX {
            self.sent.pop_front();
        }
        let Standing { seq, scope, level, asked_bytes, line } = word;
        self.sent.push_back(Sent { seq, scope, level, asked_bytes, at: now });
        self.queue(&line, now, limits)?;
        Ok(dropped)
    }

    fn queue(&mut self, line: &[u8], now: Duration, limits: &Limits) -> Result<(), Left> {
        if self.out.is_empty() {
            self.moved_at = now;
        }
        if self.out.len() + line.len() > limits.unread_bytes_max {
            return Err(Left::Slow);
        }
        self.out.extend_from_slice(line);
        Ok(())
    }

    /// Repeats what stands when it is time; returns how many lines that were.
    pub fn tick(&mut self, now: Duration, limits: &Limits) -> Result<u64, Left> {
        if self.name.is_none() {
            let is_late = now.saturating_sub(self.came_at) > limits.hello_within;
            return if is_late { Err(Left::WithoutHello) } else { Ok(0) };
        }
        if !self.out.is_empty() {
            // Nothing is added to what lies unread but news.
            let is_slow = now.saturating_sub(self.moved_at) > limits.unread_for;
            return if is_slow { Err(Left::Slow) } else { Ok(0) };
        }
        if now.saturating_sub(self.beaten_at) < HEARTBEAT {
            return Ok(0);
        }
        self.beaten_at = now;
        let standing = std::mem::take(&mut self.standing);
        let queued = standing.iter().try_for_each(|word| self.queue(&word.line, now, limits));
        self.standing = standing;
        queued.map(|()| self.standing.len() as u64)
    }

    pub fn view(&self, id: SubscriberId) -> Subscriber {
        Subscriber {
            id,
            name: self.name.clone().unwrap_or_default(),
            credentials: self.credentials,
            cgroup: self.cgroup.clone(),
            can_free_bytes: self.can_free_bytes,
            used_bytes: self.used_bytes,
            level: self.standing.iter().map(|word| word.level).max().unwrap_or_default(),
        }
    }
}

/// Lets a word stand in place of its scope's last one. Of the node some word always stands; that a
/// cgroup is calm is said once and then forgotten. Returns how many others had to give way.
pub fn keep(standing: &mut Vec<Standing>, word: &Standing, most: usize) -> u64 {
    standing.retain(|other| other.scope != word.scope);
    if word.scope != Scope::Node && word.level == Level::None {
        return 0;
    }
    standing.push(word.clone());
    if standing.len() <= most {
        return 0;
    }
    let oldest = standing.iter().position(|other| other.scope != Scope::Node);
    oldest.map(|at| standing.remove(at));
    1
}
