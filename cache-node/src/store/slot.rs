//! All that is done to one key, under the lock of its partition.

mod join;
mod put;

use super::Store;
use super::index::{At, Place};
use super::item::{Expires, Item, Over, Value};
use super::partition::{Draft, Partition};
use super::record::{FETCHED, FREQ_MAX, HAS_CAS, HAS_END, Head, LARGE, NEVER, STALE, WON};
use crate::clock::Secs;
use parking_lot::MutexGuard;
use std::fmt;

/// The place of one key, locked.
pub struct Slot<'a> {
    pub(super) store: &'a Store,
    pub(super) partition: MutexGuard<'a, Partition>,
    pub(super) number: usize,
    pub(super) key: &'a [u8],
    pub(super) hash: u64,
    /// Where the item was found; forgotten whenever records may have moved.
    pub(super) found: Option<Found>,
    /// Why nothing was found, if something was there.
    pub(super) over: Option<Over>,
}

impl fmt::Debug for Slot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("key", &self.key).finish_non_exhaustive()
    }
}

/// An item that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    at: At,
    place: Place,
    pub(super) head: Head,
}

pub(super) const fn end_of(expires: Expires) -> u32 {
    match expires {
        Expires::Never => NEVER,
        // The last second of the clock is beyond what it ever shows.
        Expires::At(at) => {
            if at == NEVER {
                NEVER - 1
            } else {
                at
            }
        }
    }
}

/// An item as it is held.
pub(super) fn view<'a>(partition: &'a Partition, place: Place, head: &Head) -> Option<Item<'a>> {
    let seg = partition.segs.of(place)?;
    let bytes = head.value(seg.bytes().get(place.offset()..)?);
    let value = if head.is(LARGE) {
        Value::Pieces { list: bytes, segs: &partition.segs }
    } else {
        Value::Whole(bytes)
    };
    Some(Item {
        flags: head.client_flags,
        cas: if head.is(HAS_CAS) { head.cas } else { seg.order_of(head) },
        expires: if head.end == NEVER { Expires::Never } else { Expires::At(head.end) },
        accessed: seg.accessed(head),
        fetched: head.is(FETCHED),
        stale: head.is(STALE),
        won: head.is(WON),
        value,
    })
}

impl Slot<'_> {
    /// The item under the key, unless it expired or was flushed. Changes nothing.
    pub fn find(&mut self, now: Secs) -> Option<Item<'_>> {
        self.partition.now = now;
        self.store.shared.notice(now);
        let found = self.seek()?;
        view(&self.partition, found.place, &found.head)
    }

    /// Why [`Self::find`] found nothing, if something was there until then.
    #[must_use]
    pub const fn over(&self) -> Option<Over> {
        self.over
    }

    /// Finds what is held; what is over is dropped.
    fn seek(&mut self) -> Option<Found> {
        self.found = None;
        let partition = &mut *self.partition;
        let (at, place) = partition.locate(self.hash, self.key)?;
        let head = partition.segs.head(place)?;
        if partition.is_over(&self.store.shared, place, &head) {
            let expired = head.end <= partition.now;
            self.over = Some(if expired { Over::Expired } else { Over::Flushed });
            partition.unlink_over(at, place, &head);
            return None;
        }
        if !partition.is_whole(place, &head) {
            partition.tally.evictions_total += 1;
            partition.unlink(at, place);
            return None;
        }
        self.found = Some(Found { at, place, head });
        self.found
    }

    fn held(&mut self) -> Option<Found> {
        self.found.or_else(|| self.seek())
    }

    /// Notes a fetch of what is held: it is worth keeping.
    pub fn hit(&mut self, now: Secs) {
        self.partition.now = now;
        let Some(mut found) = self.held() else { return };
        let Some(seg) = self.partition.segs.of_mut(found.place) else { return };
        seg.heat = seg.heat.saturating_add(1);
        seg.live_fetched += u32::from(!found.head.is(FETCHED));
        let freq = (found.head.freq + 1).min(FREQ_MAX);
        let bits = found.head.bits | FETCHED;
        let new = Head { freq, bits, accessed: seg.time_here(now), ..found.head };
        if new != found.head {
            if let Some(bytes) = seg.bytes_mut().get_mut(found.place.offset()..) {
                new.write_fetch(bytes);
            }
            found.head = new;
            self.found = Some(found);
        }
    }

    /// Overwrites the value that is held with one of the same length. Returns the new CAS value,
    /// None if nothing of that length is held.
    pub fn rewrite(&mut self, value: &[u8], cas: Option<u64>) -> Option<u64> {
        let found = self.held()?;
        let len = view(&self.partition, found.place, &found.head)?.len();
        if len != value.len() {
            return None;
        }
        let cas = cas.unwrap_or_else(|| self.store.shared.next_order());
        let found = self.set_cas(found, cas)?;
        if !found.head.is(LARGE) {
            let bytes = self.partition.segs.bytes_mut(found.place)?;
            found.head.value_mut(bytes).copy_from_slice(value);
            return Some(cas);
        }
        let mut rest = value;
        for piece in self.partition.pieces_of(found.place) {
            let bytes = self.partition.segs.bytes_mut(piece)?;
            let into = Head::read(bytes)?.value_mut(bytes);
            let (now, later) = rest.split_at(into.len().min(rest.len()));
            into[..now.len()].copy_from_slice(now);
            rest = later;
        }
        Some(cas)
    }

    /// Gives the held item another CAS value. One that was given out just now fits into the
    /// record; any other takes eight bytes more, and a new record if it has none for them.
    fn set_cas(&mut self, found: Found, cas: u64) -> Option<Found> {
        let seg = self.partition.segs.of_mut(found.place)?;
        let mut head = found.head;
        if head.is(HAS_CAS) {
            head.cas = cas;
        } else if cas > seg.order_of(&head)
            && cas <= self.store.shared.order()
            && let Some(order) = seg.order_here(cas)
        {
            head.order = order;
            seg.last_order = seg.last_order.max(cas);
        } else if cas != seg.order_of(&head) {
            head.bits |= HAS_CAS;
            head.cas = cas;
            return self.reshape(&found, head);
        }
        head.write(seg.bytes_mut().get_mut(found.place.offset()..)?);
        self.found = Some(Found { head, ..found });
        self.found
    }

    /// Moves the held item into a record of another shape: same key and value.
    fn reshape(&mut self, found: &Found, head: Head) -> Option<Found> {
        let seg = self.partition.segs.of(found.place)?;
        let (order, accessed, queue) = (seg.order_of(&head), seg.accessed(&head), seg.queue);
        let class = self.partition.class_of(head.end);
        let need = super::Need { queue, class, size: head.size(), order };
        let bytes = self.partition.segs.bytes(found.place)?;
        let mut value = found.head.value(bytes).to_vec();
        self.found = None;
        let id = self.store.room(&mut self.partition, self.number, need)?;
        let (at, old) = self.partition.locate(self.hash, self.key)?;
        if head.is(LARGE) {
            // Making room may have moved pieces, which is written down in the record.
            let bytes = self.partition.segs.bytes(old)?;
            value = Head::read(bytes)?.value(bytes).to_vec();
        }
        let (place, head) =
            self.partition.append(id, &Draft { head, order, accessed, queue: None })?;
        let bytes = self.partition.segs.bytes_mut(place)?;
        let key_at = head.value_at() - head.key_len;
        bytes.get_mut(key_at..head.value_at())?.copy_from_slice(self.key);
        let into = head.value_mut(bytes);
        if into.len() == value.len() {
            into.copy_from_slice(&value);
        }
        self.partition.index.replace(at, place);
        self.partition.kill(old);
        self.found = Some(Found { at, place, head });
        self.found
    }

    /// Changes when the item ends; true if one is held.
    pub fn touch(&mut self, expires: Expires, now: Secs) -> bool {
        self.partition.now = now;
        let Some(found) = self.held() else { return false };
        let mut head = Head { end: end_of(expires), ..found.head };
        if head.is(HAS_END) || head.end == NEVER {
            let partition = &mut *self.partition;
            partition.soonest_end = partition.soonest_end.min(head.end);
            let pieces = partition.pieces_of(found.place);
            for place in pieces.into_iter().chain([found.place]) {
                if let Some(seg) = partition.segs.of_mut(place) {
                    seg.first_end = seg.first_end.min(head.end);
                    seg.last_end = seg.last_end.max(head.end);
                }
            }
            let Some(seg) = partition.segs.of_mut(found.place) else { return false };
            head.accessed = seg.time_here(now);
            if let Some(bytes) = seg.bytes_mut().get_mut(found.place.offset()..) {
                head.write(bytes);
            }
            self.found = Some(Found { head, ..found });
            return true;
        }
        head.bits |= HAS_END;
        // Without room for a longer record it ends at once rather than never.
        if self.reshape(&found, head).is_none() {
            self.remove();
            return false;
        }
        if let Some(found) = self.found
            && let Some(seg) = self.partition.segs.of_mut(found.place)
        {
            let head = Head { accessed: seg.time_here(now), ..found.head };
            if let Some(bytes) = seg.bytes_mut().get_mut(found.place.offset()..) {
                head.write(bytes);
            }
            self.found = Some(Found { head, ..found });
        }
        true
    }

    /// Sets the marks of meta commands on the item. `cas`: its new CAS value.
    pub fn mark(&mut self, stale: bool, won: bool, cas: Option<u64>) {
        let Some(mut found) = self.held() else { return };
        let marks = if stale { STALE } else { 0 } | if won { WON } else { 0 };
        found.head.bits = found.head.bits & !(STALE | WON) | marks;
        if let Some(bytes) = self.partition.segs.bytes_mut(found.place) {
            found.head.write(bytes);
        }
        self.found = Some(found);
        if let Some(cas) = cas {
            self.set_cas(found, cas);
        }
    }

    /// A CAS value that nothing holds, for marks that change what is held.
    pub fn next_cas(&mut self) -> u64 {
        self.store.shared.next_order()
    }

    /// Drops the item; true if one was held.
    pub fn remove(&mut self) -> bool {
        let held = self.held();
        self.found = None;
        if let Some(found) = held {
            self.partition.unlink(found.at, found.place);
        }
        held.is_some()
    }
}
