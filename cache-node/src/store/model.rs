//! The plainest store that keeps the contract: a map without bounds. It never evicts.
//!
//! The oracle of the property tests: what it holds the store holds too, or has evicted.

use super::{Data, Expires, Join, New, Refused};
use crate::clock::Secs;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub flags: u32,
    pub expires: Expires,
    pub cas: u64,
    pub accessed: Secs,
    pub fetched: bool,
    pub stale: bool,
    pub won: bool,
    pub value: Vec<u8>,
}

#[derive(Debug, Default)]
pub struct Model {
    pub items: BTreeMap<Vec<u8>, Record>,
    pub order: u64,
    pub flush_at: Option<Secs>,
    pub item_bytes_max: u64,
}

impl Model {
    /// An item, unless it is over.
    pub fn find(&mut self, key: &[u8], now: Secs) -> Option<&mut Record> {
        self.notice(now);
        let dead = |r: &Record| matches!(r.expires, Expires::At(at) if at <= now);
        if self.items.get(key).is_some_and(dead) {
            self.items.remove(key);
        }
        self.items.get_mut(key)
    }

    fn notice(&mut self, now: Secs) {
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush_at = None;
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.items.clear();
        self.order = self.order.max(1) + 1;
    }

    pub fn flush_at(&mut self, at: Secs, now: Secs) {
        self.flush_at = (at > now).then_some(at);
        if at <= now {
            self.flush();
        }
    }

    pub fn hit(&mut self, key: &[u8], now: Secs) {
        if let Some(record) = self.find(key, now) {
            (record.accessed, record.fetched) = (now, true);
        }
    }

    pub fn put(&mut self, key: &[u8], new: &New<'_>, now: Secs) -> Result<u64, Refused> {
        self.notice(now);
        let Data::Bytes(value) = new.data else { return Err(Refused::TooLarge) };
        self.items.remove(key);
        if (key.len() + value.len()) as u64 > self.item_bytes_max {
            return Err(Refused::TooLarge);
        }
        let cas = new.cas.unwrap_or_else(|| self.next_cas());
        let record = Record {
            flags: new.flags,
            expires: new.expires,
            cas,
            accessed: now,
            fetched: false,
            stale: false,
            won: false,
            value: value.to_vec(),
        };
        self.items.insert(key.to_vec(), record);
        Ok(cas)
    }

    pub fn join(
        &mut self,
        key: &[u8],
        more: &[u8],
        at: Join,
        cas: Option<u64>,
        now: Secs,
    ) -> Result<Option<u64>, Refused> {
        let Some(held) = self.find(key, now).cloned() else { return Ok(None) };
        let value = match at {
            Join::Front => [more, &held.value].concat(),
            Join::Back => [&held.value, more].concat(),
        };
        if (key.len() + value.len()) as u64 > self.item_bytes_max {
            return Err(Refused::TooLarge);
        }
        let (flags, expires) = (held.flags, held.expires);
        self.put(key, &New { flags, expires, data: Data::Bytes(&value), cas }, now).map(Some)
    }

    pub fn rewrite(
        &mut self,
        key: &[u8],
        value: &[u8],
        cas: Option<u64>,
        now: Secs,
    ) -> Option<u64> {
        self.find(key, now).filter(|record| record.value.len() == value.len())?;
        let cas = cas.unwrap_or_else(|| self.next_cas());
        let record = self.find(key, now)?;
        record.value.copy_from_slice(value);
        record.cas = cas;
        Some(cas)
    }

    pub fn touch(&mut self, key: &[u8], expires: Expires, now: Secs) -> bool {
        let Some(record) = self.find(key, now) else { return false };
        (record.expires, record.accessed) = (expires, now);
        true
    }

    pub fn mark(&mut self, key: &[u8], stale: bool, won: bool, cas: Option<u64>, now: Secs) {
        if let Some(record) = self.find(key, now) {
            (record.stale, record.won) = (stale, won);
            record.cas = cas.unwrap_or(record.cas);
        }
    }

    pub fn next_cas(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    pub fn remove(&mut self, key: &[u8], now: Secs) -> bool {
        self.find(key, now).is_some() && self.items.remove(key).is_some()
    }
}
