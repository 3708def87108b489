//! Looking for a hash in steps, each of which ends where a line of memory is wanted next.

use super::{
    Bucket, CHUNK_BUCKETS, CHUNK_UNITS, Index, Place, Row, is_item, link, place_of, tag, tags,
};
use crate::store::fetch;

/// Where a search stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// These slots are to be read next.
    At(Row),
    /// A record at this place may be the one.
    Found(Place),
    /// Nothing has that hash.
    Nothing,
}

impl Index {
    /// Begins to look for a hash.
    pub fn begin(&self, hash: u64) -> Search {
        let bucket = self.bucket_of(hash);
        fetch::line_of(&self.chunks[bucket / CHUNK_BUCKETS][bucket % CHUNK_BUCKETS]);
        Search::At(Row::Bucket(bucket))
    }

    /// Takes a search one line further. The index may have changed since: then it finds nothing,
    /// or what has another hash.
    pub fn proceed(&self, hash: u64, search: Search) -> Search {
        let Search::At(row) = search else { return search };
        let slots: &[u64] = match row {
            Row::Bucket(b) => match self.chunks.get(b / CHUNK_BUCKETS) {
                Some(chunk) => {
                    let Bucket(slots) = &chunk[b % CHUNK_BUCKETS];
                    slots
                }
                None => return Search::Nothing,
            },
            Row::Unit(u) => &self.units[u as usize / CHUNK_UNITS][u as usize % CHUNK_UNITS],
        };
        let mask = tags(slots, tag(hash));
        if let Some(held) = slots.get(mask.trailing_zeros() as usize).filter(|held| is_item(**held))
        {
            return Search::Found(place_of(*held));
        }
        let Some(unit) = slots.last().copied().and_then(link) else { return Search::Nothing };
        fetch::line_of(&self.units[unit as usize / CHUNK_UNITS][unit as usize % CHUNK_UNITS]);
        Search::At(Row::Unit(unit))
    }
}
