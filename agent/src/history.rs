//! Bounded memory of what was read.
mod budget;
mod codec;
mod fold;
mod index;
pub mod persist;
mod pool;
mod store;
mod tiers;
mod track;
mod window;

pub use store::{History, HistoryParams, HistoryStats, SeriesId};
pub use window::{Bucket, Point, Split, Tier, Window};

#[cfg(test)]
mod tests;
