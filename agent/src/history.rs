//! Bounded memory of what was read: per target a fine tier of points and coarser tiers of buckets,
//! all inside one RAM budget, and their persistence.
//!
//! Does no IO (but for [`persist`]), reads no clock, logs nothing, cannot fail: what cannot be kept
//! is counted in [`HistoryStats`]. Readings come from `sampler`, which owns the one [`History`].
//!
//! ```text
//! push ─▶ Series ── fine ──▶ block ─▶ block         runs of equal readings, about 350 at most
//!           │                  │ when a minute is over: p10, median, max, weighted by time
//!           └─ Buckets ─ minute ─▶ block ─▶ …       24 h
//!                  │           │ when an hour is over: the same of the minutes (see `fold`)
//!                  └──── hour ──▶ block ─▶ …        14 days
//! ```
//!
//! Series, buckets and blocks are cells of 128 bytes in one pool (`pool`). The newest run of each
//! tier lies in its header and is prolonged in place; older ones are deltas in blocks (`codec`,
//! `track`): 5 to 10 bytes a point, 8 to 10 a bucket, 9 to 14 in a block. Equal neighbours are one
//! run in every tier, so that a target that sleeps for a week has one point, one minute and one
//! hour, and a [`Window`] cuts them into as many buckets as there were minutes and hours.
//!
//! Times are milliseconds in 64 bits (blocks hold differences), values are units of 4 KiB in 32.
//!
//! # Budget
//! 16 MiB make 118,000 cells (14.4 MiB), 0.25 MiB of index and 1 MiB for names of cgroups and
//! workloads. Targets, ended ones included, are at most a quarter of the cells: 29,500.
//!
//! | what | bytes |
//! |---|---|
//! | sleeping process, or one that ended | 256, and 9 of index |
//! | busy process, everything kept | 4 KiB fine, 20 KiB minutes (24 h), 5 KiB hours (14 days) |
//! | 13,000 targets asleep | 3.6 MB |
//!
//! What was kept of each busy target, of 13,000 in 16 MiB, after 30 hours of readings that differ
//! at random in every minute:
//!
//! | busy | points | minutes | hours |
//! |---|---|---|---|
//! | a tenth | 107 | 587 | all; room for 14 days, then with 6 hours of minutes |
//! | a third | 31 | 73 | all; room for about 5 days |
//! | all | 10 | 13 | 4 |
//!
//! Ended series are kept until their room is needed and then go first, oldest first; who gives up
//! room after them says `budget`. An open series is never evicted. Where even headers find no room,
//! new targets are refused and counted.
//!
//! # Cost
//! Measured on a shared 2-core VM, 10,000 to 13,000 targets: an unchanged reading 11 ns (31 ns when
//! neighbours empty the cache), which is 1.5 % of the pread that brought it; readings with a tenth
//! of the targets changed, minutes and hours folded and the pool full, 96 ns; with all of them
//! changed 390 ns. As minutes and hours end for all targets at once, the readings just after a full
//! hour cost 5 µs each.

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
