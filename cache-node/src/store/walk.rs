//! Walks over all items that survive whatever happens between their steps.
//!
//! In the order of the bit-reversed hash: a bucket that is split or merged keeps its items within
//! the same stretch of that order, so each item that stays is seen exactly once.

use super::Store;
use super::image::Within;
use super::item::Seen;
use super::record::{DEAD, Head};
use super::slot::view;
use crate::clock::Secs;

/// Where a walk over all items is.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    pub(super) partition: usize,
    /// Among the bit-reversed hashes.
    pub(super) position: u64,
    /// A large item that is copied piece by piece.
    pub(super) within: Option<Within>,
}

impl Store {
    /// Shows up to `count` live items to `see` and moves the cursor behind them; false at the end.
    /// What is stored meanwhile may be missed, what stays is seen exactly once. A few more than
    /// `count` may be shown: those that share a bucket.
    pub fn visit(
        &self,
        cursor: &mut Cursor,
        count: usize,
        now: Secs,
        mut see: impl FnMut(&Seen<'_>),
    ) -> bool {
        self.shared.notice(now);
        let mut shown = 0;
        let mut places = Vec::new();
        while shown < count {
            let Some(partition) = self.partitions.get(cursor.partition) else { return false };
            let mut partition = partition.lock();
            partition.now = now;
            let partition = &*partition;
            while shown < count {
                places.clear();
                let next = partition.index.walk(cursor.position, |place| places.push(place));
                for &place in &places {
                    let Some(bytes) = partition.segs.bytes(place) else { continue };
                    let Some(head) = Head::read(bytes) else { continue };
                    let key = head.key(bytes);
                    let is_past = self.shared.hash(key).reverse_bits() < cursor.position;
                    if is_past || head.is(DEAD) || partition.is_over(&self.shared, place, &head) {
                        continue;
                    }
                    let Some(item) = view(partition, place, &head) else { continue };
                    if !partition.is_whole(place, &head) {
                        continue;
                    }
                    shown += 1;
                    let size_bytes = head.size() - head.value_len + item.len();
                    see(&Seen { key, item, size_bytes });
                }
                match next {
                    Some(next) => cursor.position = next,
                    None => {
                        cursor.partition += 1;
                        cursor.position = 0;
                        break;
                    }
                }
            }
        }
        cursor.partition < self.partitions.len()
    }
}
