//! What is judged: the memory that reclaim cannot take back by dropping clean pages.

use crate::history::{Bucket, Split};
use crate::units::Bytes;

/// Used less file pages, and what was swapped out, for that was in use as well.
#[must_use]
pub fn demand(split: &Split) -> Bytes {
    split.used - split.file + split.swap
}

/// Demand in a bucket, by what it kept of `used`. Units: bytes. Shape: low, middle, high.
pub(super) fn demand_of(bucket: &Bucket) -> [f64; 3] {
    let middle = demand(&bucket.median).as_f64();
    let used = bucket.median.used.as_f64();
    let low = (middle + bucket.used_p10.as_f64() - used).max(0.0);
    let high = middle + bucket.used_max.as_f64() - used;
    [low, middle, high.max(middle)]
}
