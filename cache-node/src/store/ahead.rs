//! Keys that will be looked for soon: what their commands will read is fetched for all of them at
//! once, so that each command finds it in the processor's caches.
//!
//! All searches go one line of memory further before any goes two: while one waits the others
//! are under way. Nothing is changed, and what is found is not relied on.
//! Source: Chen et al., "Improving hash join performance through prefetching", ICDE 2004.

use super::Store;
use super::fetch;
use super::index::Search;
use super::partition::Partition;

/// Keys of one look ahead: so many that the first is here when the last is asked for, and so few
/// that none is gone again when its turn comes.
pub const KEYS_AHEAD: usize = 16;
/// Lines of the index read for one key at most: the bucket and two overflow units.
const LINES_MAX: usize = 3;
/// Of a record so much is fetched: header, key and a short value. Units: bytes.
const RECORD_BYTES: usize = 192;

/// Keys that will be looked for soon.
#[derive(Debug, Default)]
pub struct Ahead {
    hashes: [u64; KEYS_AHEAD],
    count: usize,
}

impl Ahead {
    /// Adds a key, as long as [`Self::is_full`] is false.
    pub fn add(&mut self, store: &Store, key: &[u8]) {
        if let Some(place) = self.hashes.get_mut(self.count) {
            *place = store.shared.hash(key);
            self.count += 1;
        }
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.count == KEYS_AHEAD
    }
}

impl Store {
    /// Fetches what will be read of these keys. A partition that is locked is passed over.
    pub fn foresee(&self, ahead: &mut Ahead) {
        let Some(hashes) = ahead.hashes.get_mut(..ahead.count).filter(|all| all.len() > 1) else {
            return;
        };
        // By partition, so that each is locked once for all its keys.
        hashes.sort_unstable();
        for hash in &*hashes {
            fetch::line_of(&self.partitions[self.number_of(*hash)]);
        }
        let mut searches = [Search::Nothing; KEYS_AHEAD];
        self.each_partition(hashes, &mut searches, |partition, hash, search| {
            *search = partition.index.begin(hash);
        });
        for _ in 0..LINES_MAX {
            let mut goes_on = false;
            self.each_partition(hashes, &mut searches, |partition, hash, search| {
                if let Search::At(_) = search {
                    *search = partition.proceed(hash, *search);
                    goes_on |= matches!(search, Search::At(_));
                }
            });
            if !goes_on {
                break;
            }
        }
    }

    fn each_partition(
        &self,
        hashes: &[u64],
        searches: &mut [Search],
        mut act: impl FnMut(&Partition, u64, &mut Search),
    ) {
        let mut searches = searches.iter_mut();
        for group in hashes.chunk_by(|a, b| self.number_of(*a) == self.number_of(*b)) {
            let partition = self.partitions[self.number_of(group[0])].try_lock();
            for (hash, search) in group.iter().zip(&mut searches) {
                match &partition {
                    Some(partition) => act(partition, *hash, search),
                    None => *search = Search::Nothing,
                }
            }
        }
    }
}

impl Partition {
    fn proceed(&self, hash: u64, search: Search) -> Search {
        let search = self.index.proceed(hash, search);
        if let Search::Found(place) = search
            && let Some(seg) = self.segs.of(place)
            && let Some(bytes) = seg.bytes().get(place.offset()..)
        {
            fetch::lines_of(&bytes[..bytes.len().min(RECORD_BYTES)]);
        }
        search
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Data, Expires, New, Params};
    use super::*;

    #[test]
    fn looking_ahead_changes_nothing() {
        let params = Params {
            limit_bytes: 32 << 20,
            reserve_bytes: 32 << 20,
            item_bytes_max: 1 << 20,
            partitions: 4,
            evicts: true,
        };
        let store = Store::new(params).unwrap();
        let keys: Vec<String> = (0..if cfg!(miri) { 50 } else { 5_000 })
            .map(|number| format!("key {number}"))
            .collect();
        for key in keys.iter().step_by(2) {
            let data = Data::Bytes(b"value");
            let new = New { flags: 0, expires: Expires::Never, data, cas: None };
            store.lock(key.as_bytes()).put(new, 1).unwrap();
        }
        let before = store.totals();
        for some in keys.chunks(KEYS_AHEAD + 1) {
            let mut ahead = Ahead::default();
            some.iter().for_each(|key| ahead.add(&store, key.as_bytes()));
            assert!(ahead.is_full() || some.len() <= KEYS_AHEAD);
            store.foresee(&mut ahead);
        }
        assert_eq!(store.totals(), before);
        let held = |key: &&String| store.lock(key.as_bytes()).find(1).is_some();
        assert_eq!(keys.iter().filter(held).count(), keys.len().div_ceil(2));
    }

    #[test]
    fn a_partition_in_use_is_passed_over() {
        let params = Params {
            limit_bytes: 32 << 20,
            reserve_bytes: 32 << 20,
            item_bytes_max: 1 << 20,
            partitions: 1,
            evicts: true,
        };
        let store = Store::new(params).unwrap();
        let mut ahead = Ahead::default();
        ahead.add(&store, b"a");
        ahead.add(&store, b"b");
        let slot = store.lock(b"a");
        store.foresee(&mut ahead);
        drop(slot);
    }
}
