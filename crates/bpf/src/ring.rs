//! The ring by which a program hands over what it saw, and the count of what had no room in it.

use crate::edge::{Refusal, missing};
use aya::Ebpf;
use aya::maps::{Array, MapData, RingBuf};
use std::fmt;

pub(crate) struct Ring {
    records: RingBuf<MapData>,
    lost: Array<MapData, u64>,
}

impl Ring {
    /// Takes the maps `name` and `lost` out of `loaded`.
    pub(crate) fn take(loaded: &mut Ebpf, name: &str, what: &'static str) -> Result<Self, Refusal> {
        let records = loaded.take_map(name).ok_or_else(|| missing(what))?;
        let lost = loaded.take_map("lost").ok_or_else(|| missing(what))?;
        Ok(Self {
            records: RingBuf::try_from(records).map_err(|e| Refusal::of(what, &e))?,
            lost: Array::try_from(lost).map_err(|e| Refusal::of(what, &e))?,
        })
    }

    /// Hands at most `most` records to `see`, oldest first.
    pub(crate) fn drain(&mut self, most: usize, mut see: impl FnMut(&[u8])) {
        for _ in 0..most {
            let Some(record) = self.records.next() else { return };
            see(&record);
        }
    }

    /// Records for which there was no room, since the beginning. One that cannot be read is none.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.get(&0, 0).unwrap_or(0)
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("lost", &self.lost()).finish_non_exhaustive()
    }
}
