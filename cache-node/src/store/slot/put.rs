//! Storing: a new record, or the held one overwritten when it has the same shape.

use super::{Found, Slot, end_of};
use crate::clock::Secs;
use crate::store::image::Fate;
use crate::store::item::{Admission, Data, New, Refused};
use crate::store::partition::Draft;
use crate::store::pieces::{self, list_len};
use crate::store::record::{FETCHED, FREQ_MAX, HAS_CAS, Head, LARGE, STALE, WON};
use crate::store::segments::Queue;
use crate::store::{KEY_BYTES_MAX, Need, Upload};

impl Slot<'_> {
    /// Stores, replacing what is held. Returns its CAS value.
    ///
    /// # Errors
    /// Refused; what was held is gone then, so that nobody is served what was to be replaced.
    pub fn put(&mut self, new: New<'_>, now: Secs) -> Result<u64, Refused> {
        self.partition.now = now;
        self.store.shared.notice(now);
        let stored = self.put_admitted(new);
        self.conclude(stored)
    }

    fn conclude(&mut self, stored: Result<u64, Refused>) -> Result<u64, Refused> {
        if stored.is_ok() {
            self.partition.tally.stored_total += 1;
        } else {
            self.partition.tally.refused_total += 1;
            self.remove();
        }
        stored
    }

    fn put_admitted(&mut self, new: New<'_>) -> Result<u64, Refused> {
        let len = new.data.len();
        self.check_size(len)?;
        if !self.is_admitted() {
            return Err(Refused::OutOfMemory);
        }
        let draft = Draft::new(self.key.len(), len, 0, self.partition.now);
        self.take_in(draft.with(new.flags, end_of(new.expires), new.cas), new.data)
    }

    /// Stores what was copied out before, unless something as new is held.
    pub(in crate::store) fn adopt(
        &mut self,
        mut draft: Draft,
        data: Data<'_>,
        now: Secs,
    ) -> Result<Fate, Refused> {
        self.partition.now = now;
        if let Some(found) = self.held()
            && let Some(seg) = self.partition.segs.of(found.place)
            && seg.order_of(&found.head) >= draft.order
        {
            return Ok(Fate::Older);
        }
        let len = data.len();
        self.check_size(len)?;
        if draft.order <= self.store.shared.flushed() {
            return Ok(Fate::Over);
        }
        draft.head.value_len = len;
        let stored = self.take_in(draft, data);
        self.conclude(stored).map(|_| Fate::Held)
    }

    fn take_in(&mut self, draft: Draft, data: Data<'_>) -> Result<u64, Refused> {
        match data {
            Data::Bytes(bytes) if draft.head.size() <= self.store.record_bytes_max() => {
                self.write(draft, None, |value| value.copy_from_slice(bytes))
            }
            Data::Bytes(bytes) => {
                let (number, len) = (self.number, bytes.len());
                let mut upload = self.store.begin(&mut self.partition, number, self.hash, len);
                let pushed = upload.push_locked(self.store, &mut self.partition, number, bytes);
                self.found = None;
                pushed?;
                self.finish(draft, &upload)
            }
            Data::Uploaded(upload) => self.finish(draft, &upload),
        }
    }

    pub(super) fn check_size(&self, len: usize) -> Result<(), Refused> {
        let size = (self.key.len() as u64).saturating_add(len as u64);
        let is_fit = size <= self.store.item_bytes_max() && self.key.len() <= KEY_BYTES_MAX;
        if is_fit && !self.key.is_empty() { Ok(()) } else { Err(Refused::TooLarge) }
    }

    fn is_admitted(&mut self) -> bool {
        match self.store.shared.admission() {
            Admission::All => true,
            Admission::Known => self.held().is_some() || self.partition.ghost.has(self.hash),
            Admission::Nobody => false,
        }
    }

    /// Makes an item of a value that has arrived in pieces.
    pub(super) fn finish(&mut self, draft: Draft, upload: &Upload) -> Result<u64, Refused> {
        let id = upload.id_in(self.number).ok_or(Refused::OutOfMemory)?;
        let taking = self.partition.taking(id).ok_or(Refused::OutOfMemory)?;
        let (total, count) = (taking.taken, taking.pieces.len());
        let mut draft = draft;
        draft.head.value_len = list_len(count);
        draft.head.bits |= LARGE;
        if draft.head.size() > self.store.record_bytes_max() {
            return Err(Refused::TooLarge);
        }
        // The list is written when there is room for it: making room may move pieces.
        let cas = self.write(draft, Some(id), |value| value.fill(0))?;
        let found = self.seek_unchecked().ok_or(Refused::OutOfMemory)?;
        let partition = &mut *self.partition;
        let at = partition.takings.iter().position(|taking| taking.id == id);
        let taking = partition.takings.swap_remove(at.ok_or(Refused::OutOfMemory)?);
        if let Some(bytes) = partition.segs.bytes_mut(found.place) {
            pieces::write_list(found.head.value_mut(bytes), total, &taking.pieces);
        }
        let order = partition.segs.of(found.place).map_or(0, |seg| seg.order_of(&found.head));
        for piece in taking.pieces {
            if let Some(seg) = partition.segs.of_mut(piece) {
                seg.last_order = seg.last_order.max(order);
                seg.last_end = seg.last_end.max(found.head.end);
            }
        }
        self.found = None;
        Ok(cas)
    }

    fn seek_unchecked(&self) -> Option<Found> {
        let (at, place) = self.partition.locate(self.hash, self.key)?;
        Some(Found { at, place, head: self.partition.segs.head(place)? })
    }

    /// Appends a record and points the key to it; what was held before is killed.
    /// `taking`: it is the head of a value that must still be there then.
    pub(super) fn write(
        &mut self,
        draft: Draft,
        taking: Option<u64>,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<u64, Refused> {
        let mut draft = draft;
        let held = self.held();
        if draft.order == 0 {
            draft.order = match draft.head.is(HAS_CAS) {
                true => self.store.shared.order().max(1),
                false => self.store.shared.next_order(),
            };
        }
        let cas = if draft.head.is(HAS_CAS) { draft.head.cas } else { draft.order };
        let mut queue = if draft.head.is(LARGE) { Queue::Main } else { Queue::Small };
        if let Some(given) = draft.queue {
            queue = given;
        } else if let Some(found) = held {
            draft.head.freq = (found.head.freq + 1).min(FREQ_MAX);
            queue = self.partition.segs.of(found.place).map_or(queue, |seg| seg.queue);
        } else if self.partition.ghost.take(self.hash) {
            queue = Queue::Main;
        }
        if let Some(found) = held
            && self.overwrite(&found, &draft)
        {
            return self.fill_found(&found, &draft, fill).map(|()| cas);
        }
        let (size, class) = (draft.head.size(), self.partition.class_of(draft.head.end));
        let need = Need { queue, class, size, order: draft.order };
        self.found = None;
        let target = self.store.room(&mut self.partition, self.number, need);
        let id = target.ok_or(Refused::OutOfMemory)?;
        if taking.is_some_and(|id| self.partition.taking(id).is_none()) {
            return Err(Refused::OutOfMemory);
        }
        // Making room may have evicted it, or moved it.
        let held = self.partition.locate(self.hash, self.key);
        let (place, head) = self.partition.append(id, &draft).ok_or(Refused::OutOfMemory)?;
        if let Some(bytes) = self.partition.segs.bytes_mut(place) {
            let key_at = head.value_at() - head.key_len;
            bytes[key_at..head.value_at()].copy_from_slice(self.key);
            fill(head.value_mut(bytes));
        }
        match held {
            Some((at, old)) => {
                self.partition.kill_pieces(old);
                self.partition.index.replace(at, place);
                self.partition.kill(old);
            }
            None => self.partition.enter(&self.store.shared, self.hash, place),
        }
        Ok(cas)
    }

    /// Whether a record of the same shape can take the place of the held one.
    fn overwrite(&self, found: &Found, draft: &Draft) -> bool {
        let shape = !(FETCHED | STALE | WON);
        let (old, new) = (&found.head, &draft.head);
        let Some(seg) = self.partition.segs.of(found.place) else { return false };
        old.bits & shape == new.bits & shape
            && !old.is(LARGE)
            && old.value_len == new.value_len
            && usize::from(seg.class) == self.partition.class_of(new.end)
            && seg.order_here(draft.order).is_some()
    }

    fn fill_found(
        &mut self,
        found: &Found,
        draft: &Draft,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<(), Refused> {
        self.found = None;
        self.partition.soonest_end = self.partition.soonest_end.min(draft.head.end);
        let seg = self.partition.segs.of_mut(found.place).ok_or(Refused::OutOfMemory)?;
        let order = seg.order_here(draft.order).ok_or(Refused::OutOfMemory)?;
        let head = Head { order, accessed: seg.time_here(draft.accessed), ..draft.head };
        seg.live_fetched = seg.live_fetched.saturating_sub(u32::from(found.head.is(FETCHED)));
        seg.live_fetched += u32::from(head.is(FETCHED));
        seg.first_end = seg.first_end.min(head.end);
        seg.last_end = seg.last_end.max(head.end);
        seg.last_order = seg.last_order.max(draft.order);
        let bytes = seg.bytes_mut().get_mut(found.place.offset()..).unwrap_or_default();
        head.write(bytes);
        fill(head.value_mut(bytes));
        Ok(())
    }
}
