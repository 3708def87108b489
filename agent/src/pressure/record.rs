//! The last words and what became of them, for people. Pure.

use super::ledger::{Ask, End};
use crate::clock::Stamp;
use crate::units::Bytes;
use plimsoll_pressure::server::SubscriberId;
use plimsoll_pressure::{Level, Scope};
use std::collections::VecDeque;
use std::time::Duration;

/// Words that are remembered.
const RECORDS_MAX: usize = 128;

/// One word to one subscriber.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub at: Stamp,
    pub to: SubscriberId,
    pub name: String,
    pub scope: Scope,
    pub level: Level,
    pub asked: Bytes,
    pub deadline: Duration,
    /// None: nothing was sent.
    pub seq: Option<u64>,
    pub freed: Option<Bytes>,
    pub end: Option<End>,
    pub ended_at: Option<Stamp>,
}

#[derive(Debug, Default)]
pub(super) struct Records(VecDeque<Record>);

impl Records {
    pub(super) fn push(&mut self, record: Record) {
        if self.0.len() == RECORDS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(record);
    }

    /// The last word to `to` about `scope` went out under this number.
    pub(super) fn numbered(&mut self, to: SubscriberId, scope: &Scope, seq: u64) {
        let mut newest = self.0.iter_mut().rev();
        if let Some(record) = newest.find(|r| r.to == to && r.scope == *scope) {
            record.seq = Some(seq);
        }
    }

    pub(super) fn answered(&mut self, to: SubscriberId, seq: u64, freed: Bytes) {
        let mut newest = self.0.iter_mut().rev();
        if let Some(record) = newest.find(|r| r.to == to && r.seq == Some(seq)) {
            record.freed = Some(freed);
        }
    }

    pub(super) fn ended(&mut self, ask: &Ask, end: End, now: Stamp) {
        let mut newest = self.0.iter_mut().rev();
        let is_its = |r: &&mut Record| r.to == ask.of && r.seq == ask.seq && r.asked == ask.bytes;
        if let Some(record) = newest.find(is_its) {
            record.freed = ask.freed;
            record.end = Some(end);
            record.ended_at = Some(now);
        }
    }

    /// Newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.iter().rev()
    }
}
