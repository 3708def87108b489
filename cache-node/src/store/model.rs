//! The plainest store that keeps the contract: a map under one lock. It never evicts.
//!
//! The real store is held against it; see the property tests.

use super::{Admission, Data, Expires, Item, Join, New, Params, Refused, Seen, Totals};
use crate::clock::Secs;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Debug, Clone)]
struct Record {
    flags: u32,
    expires: Expires,
    cas: u64,
    accessed: Secs,
    fetched: bool,
    stale: bool,
    won: bool,
    value: Vec<u8>,
}

#[derive(Debug, Default)]
struct Inner {
    items: BTreeMap<Vec<u8>, Record>,
    order: u64,
    flush_at: Option<Secs>,
    totals: Totals,
    admission: Admission,
}

impl Inner {
    fn drop_dead(&mut self, key: &[u8], now: Secs) {
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush_at = None;
            self.items.clear();
        }
        let dead = |r: &Record| matches!(r.expires, Expires::At(at) if at <= now);
        if self.items.get(key).is_some_and(dead) {
            self.items.remove(key);
        }
    }
}

#[derive(Debug)]
pub struct Store {
    params: Params,
    limit: AtomicU64,
    buffers: Arc<AtomicU64>,
    inner: Mutex<Inner>,
}

impl Store {
    /// # Errors
    /// The reservation was refused by the kernel.
    pub fn new(params: Params) -> std::io::Result<Self> {
        let limit = AtomicU64::new(params.limit_bytes);
        Ok(Self { params, limit, buffers: Arc::default(), inner: Mutex::default() })
    }

    /// Values up to this length are stored from one slice; longer ones are uploaded.
    #[must_use]
    pub fn inline_bytes_max(&self) -> usize {
        16 << 10
    }

    /// Locks the place of `key`. Hold it for one command only.
    #[must_use]
    pub fn lock<'a>(&'a self, key: &'a [u8]) -> Slot<'a> {
        Slot { inner: self.inner.lock(), key, params: &self.params }
    }

    /// Begins to take in a value of `len` bytes that is longer than [`Self::inline_bytes_max`].
    ///
    /// # Errors
    /// Too large, or no memory.
    pub fn upload(&self, key: &[u8], len: usize) -> Result<Upload, Refused> {
        if (key.len() + len) as u64 > self.params.item_bytes_max {
            return Err(Refused::TooLarge);
        }
        Ok(Upload { bytes: Vec::with_capacity(len.min(1 << 20)) })
    }

    /// From `at` on, all that is held by then is gone. Called with the present second it works at
    /// once; a later call replaces one that still waits.
    pub fn flush_at(&self, at: Secs, now: Secs) {
        let mut inner = self.inner.lock();
        inner.flush_at = None;
        if at <= now {
            inner.items.clear();
        } else {
            inner.flush_at = Some(at);
        }
    }

    /// Shows up to `count` live items to `see` and moves the cursor behind them; false at the end.
    /// What is stored meanwhile may be missed, what stays is seen at least once.
    pub fn visit(
        &self,
        cursor: &mut Cursor,
        count: usize,
        now: Secs,
        mut see: impl FnMut(&Seen<'_>),
    ) -> bool {
        let inner = self.inner.lock();
        let from = cursor.after.clone();
        let rest = inner.items.iter().filter(|(key, _)| from.as_ref().is_none_or(|f| *key > f));
        let mut seen = 0;
        for (key, record) in rest.take(count) {
            seen += 1;
            cursor.after = Some(key.clone());
            if !matches!(record.expires, Expires::At(at) if at <= now) {
                let size_bytes = key.len() + record.value.len() + 16;
                see(&Seen { key, item: view(record), size_bytes });
            }
        }
        seen == count
    }

    #[must_use]
    pub fn totals(&self) -> Totals {
        let inner = self.inner.lock();
        Totals {
            items: inner.items.len() as u64,
            item_bytes: inner.items.iter().map(|(k, r)| (k.len() + r.value.len()) as u64).sum(),
            limit_bytes: self.limit.load(Relaxed),
            buffer_bytes: self.buffers.load(Relaxed),
            ..inner.totals
        }
    }

    pub fn reset_totals(&self) {
        self.inner.lock().totals = Totals::default();
    }

    /// Takes `bytes` of the budget for something beside items; they return with the charge.
    ///
    /// # Errors
    /// The budget has no room for them.
    pub fn charge(&self, bytes: u64) -> Result<Charge, Refused> {
        let used = self.buffers.fetch_add(bytes, Relaxed) + bytes;
        let charge = Charge { bytes, buffers: Arc::clone(&self.buffers) };
        if used > self.limit.load(Relaxed) { Err(Refused::OutOfMemory) } else { Ok(charge) }
    }

    /// Raises or lowers the limit, within the reservation. Lowering gives nothing back by itself:
    /// [`Self::give_back`] does.
    pub fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes.min(self.params.reserve_bytes), Relaxed);
    }

    pub fn admit(&self, admission: Admission) {
        self.inner.lock().admission = admission;
    }

    /// Evicts the coldest segment and returns it to the kernel. Returns the bytes given back, None
    /// when nothing is left to give. Cost: 0.2 ms.
    pub fn give_back(&self) -> Option<u64> {
        None
    }

    /// A bounded piece of what is done when calm: drops what has expired, compacts, tidies the
    /// index. Returns whether there is more to do.
    pub fn maintain(&self, _now: Secs) -> bool {
        false
    }
}

/// Where a walk over all items is.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    after: Option<Vec<u8>>,
}

/// Bytes of the budget in use by something beside items.
#[derive(Debug)]
pub struct Charge {
    bytes: u64,
    buffers: Arc<AtomicU64>,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.buffers.fetch_sub(self.bytes, Relaxed);
    }
}

/// A large value on its way in. Dropped, its room is free again.
#[derive(Debug)]
pub struct Upload {
    bytes: Vec<u8>,
}

impl Upload {
    /// Takes in the next bytes of the value.
    ///
    /// # Errors
    /// No memory; the rest of the value is to be swallowed.
    pub fn push(&mut self, _store: &Store, bytes: &[u8]) -> Result<(), Refused> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// The place of one key, locked.
#[derive(Debug)]
pub struct Slot<'a> {
    inner: MutexGuard<'a, Inner>,
    key: &'a [u8],
    params: &'a Params,
}

fn view(record: &Record) -> Item<'_> {
    Item {
        flags: record.flags,
        cas: record.cas,
        expires: record.expires,
        accessed: record.accessed,
        fetched: record.fetched,
        stale: record.stale,
        won: record.won,
        parts: vec![&record.value],
    }
}

impl Slot<'_> {
    /// The item under the key, unless it expired or was flushed. Changes nothing.
    pub fn find(&mut self, now: Secs) -> Option<Item<'_>> {
        self.inner.drop_dead(self.key, now);
        self.inner.items.get(self.key).map(view)
    }

    /// Notes a fetch of what is held: it is worth keeping.
    pub fn hit(&mut self, now: Secs) {
        if let Some(record) = self.inner.items.get_mut(self.key) {
            record.accessed = now;
            record.fetched = true;
        }
    }

    /// Stores, replacing what is held. Returns its CAS value.
    ///
    /// # Errors
    /// Refused; what was held is gone then, so that nobody is served what was to be replaced.
    pub fn put(&mut self, new: New<'_>, now: Secs) -> Result<u64, Refused> {
        let value = match new.data {
            Data::Bytes(bytes) => bytes.to_vec(),
            Data::Uploaded(upload) => upload.bytes,
        };
        self.inner.items.remove(self.key);
        if (self.key.len() + value.len()) as u64 > self.params.item_bytes_max {
            return Err(Refused::TooLarge);
        }
        if self.inner.admission == Admission::Nobody {
            return Err(Refused::OutOfMemory);
        }
        self.inner.order += 1;
        let stored = self.inner.order;
        let cas = new.cas.unwrap_or(stored);
        let record = Record {
            flags: new.flags,
            expires: new.expires,
            cas,
            accessed: now,
            fetched: false,
            stale: false,
            won: false,
            value,
        };
        self.inner.totals.stored_total += 1;
        self.inner.items.insert(self.key.to_vec(), record);
        Ok(cas)
    }

    /// Lengthens the value that is held; flags and end stay. Returns the new CAS value, None if
    /// nothing is held.
    ///
    /// # Errors
    /// Refused; what was held stays.
    pub fn join(
        &mut self,
        data: Data<'_>,
        at: Join,
        cas: Option<u64>,
        now: Secs,
    ) -> Result<Option<u64>, Refused> {
        let Some(held) = self.inner.items.get(self.key).cloned() else { return Ok(None) };
        let more = match data {
            Data::Bytes(bytes) => bytes.to_vec(),
            Data::Uploaded(upload) => upload.bytes,
        };
        let value = match at {
            Join::Front => [more, held.value.clone()].concat(),
            Join::Back => [held.value.clone(), more].concat(),
        };
        if (self.key.len() + value.len()) as u64 > self.params.item_bytes_max {
            return Err(Refused::TooLarge);
        }
        let (flags, expires) = (held.flags, held.expires);
        self.put(New { flags, expires, data: Data::Bytes(&value), cas }, now).map(Some)
    }

    /// Overwrites the value that is held with one of the same length. Returns the new CAS value,
    /// None if nothing of that length is held.
    pub fn rewrite(&mut self, value: &[u8], cas: Option<u64>) -> Option<u64> {
        self.inner.order += 1;
        let next = self.inner.order;
        let record = self.inner.items.get_mut(self.key).filter(|r| r.value.len() == value.len())?;
        record.value.copy_from_slice(value);
        record.cas = cas.unwrap_or(next);
        Some(record.cas)
    }

    /// Changes when the item ends; true if one is held.
    pub fn touch(&mut self, expires: Expires, now: Secs) -> bool {
        let Some(record) = self.inner.items.get_mut(self.key) else { return false };
        record.expires = expires;
        record.accessed = now;
        true
    }

    /// Sets the marks of meta commands on the item. `cas`: its new CAS value.
    pub fn mark(&mut self, stale: bool, won: bool, cas: Option<u64>) {
        if let Some(record) = self.inner.items.get_mut(self.key) {
            (record.stale, record.won) = (stale, won);
            record.cas = cas.unwrap_or(record.cas);
        }
    }

    /// A CAS value that nothing holds, for marks that change what is held.
    pub fn next_cas(&mut self) -> u64 {
        self.inner.order += 1;
        self.inner.order
    }

    /// Drops the item; true if one was held.
    pub fn remove(&mut self) -> bool {
        self.inner.items.remove(self.key).is_some()
    }
}
