//! Lengthening what is held: one record if the result fits in one, else pieces copied anew.

use super::{Found, Slot, view};
use crate::clock::Secs;
use crate::store::Upload;
use crate::store::item::{Admission, Data, Join, Refused, Value};
use crate::store::partition::Draft;
use crate::store::pieces;

impl Slot<'_> {
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
        self.partition.now = now;
        self.store.shared.notice(now);
        let Some(found) = self.held() else { return Ok(None) };
        let joined = self.join_held(&found, data, at, cas);
        let tally = &mut self.partition.tally;
        match joined {
            Ok(_) => tally.stored_total += 1,
            Err(_) => tally.refused_total += 1,
        }
        joined.map(Some)
    }

    fn join_held(
        &mut self,
        found: &Found,
        data: Data<'_>,
        at: Join,
        cas: Option<u64>,
    ) -> Result<u64, Refused> {
        if self.store.shared.admission() == Admission::Nobody {
            return Err(Refused::OutOfMemory);
        }
        let held = view(&self.partition, found.place, &found.head).ok_or(Refused::OutOfMemory)?;
        let len = held.len().saturating_add(data.len());
        self.check_size(len)?;
        let draft = Draft::new(self.key.len(), len, 0, self.partition.now);
        let mut draft = draft.with(found.head.client_flags, found.head.end, cas);
        if let Data::Bytes(bytes) = data
            && draft.head.size() <= self.store.record_bytes_max()
            && let Value::Whole(held) = held.value
        {
            let both = match at {
                Join::Front => [bytes, held].concat(),
                Join::Back => [held, bytes].concat(),
            };
            return self.write(draft, None, |value| value.copy_from_slice(&both));
        }
        let upload = self.gather(&data, at, len)?;
        draft.head.value_len = 0;
        self.finish(draft, &upload)
    }

    /// Copies what is held and what is joined to it into pieces of a new value.
    fn gather(&mut self, data: &Data<'_>, at: Join, len: usize) -> Result<Upload, Refused> {
        let mut new = self.store.begin(&mut self.partition, self.number, self.hash, len);
        let steps = match at {
            Join::Front => [false, true],
            Join::Back => [true, false],
        };
        for is_held in steps {
            let mut number = 0;
            while let Some(part) = self.part(is_held, data, number)? {
                let partition = &mut self.partition;
                let pushed = new.push_locked(self.store, partition, self.number, &part);
                self.found = None;
                pushed?;
                number += 1;
            }
        }
        if new.taken() == len { Ok(new) } else { Err(Refused::OutOfMemory) }
    }

    /// A copy of one part of what is held or of what is joined; None behind the last.
    fn part(
        &mut self,
        is_held: bool,
        data: &Data<'_>,
        number: usize,
    ) -> Result<Option<Vec<u8>>, Refused> {
        if is_held {
            let found = self.held().ok_or(Refused::OutOfMemory)?;
            let item = view(&self.partition, found.place, &found.head);
            return Ok(item.and_then(|item| item.parts().nth(number).map(<[u8]>::to_vec)));
        }
        match data {
            Data::Bytes(bytes) => Ok((number == 0).then(|| bytes.to_vec())),
            Data::Uploaded(upload) => {
                let id = upload.id_in(self.number).ok_or(Refused::OutOfMemory)?;
                let partition = &mut *self.partition;
                let taking = partition.taking(id).ok_or(Refused::OutOfMemory)?;
                let Some(piece) = taking.pieces.get(number).copied() else { return Ok(None) };
                let before: usize = number * self.store.piece_bytes_max();
                let left = taking.taken.saturating_sub(before);
                let bytes = pieces::piece_bytes(&partition.segs, piece);
                let bytes = bytes.ok_or(Refused::OutOfMemory)?;
                Ok(Some(bytes.get(..left).unwrap_or(bytes).to_vec()))
            }
        }
    }
}
