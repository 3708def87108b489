//! Bounded memory of what was read: per target a fine tier of points and coarser tiers of buckets,
//! all inside one RAM budget, and their persistence.
//!
//! Does no IO (but for [`persist`]), reads no clock, logs nothing, cannot fail.

pub mod persist;
mod store;
mod window;

pub use store::{History, HistoryParams, HistoryStats, SeriesId};
pub use window::{Bucket, Point, Split, Tier, Window};
