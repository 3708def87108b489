//! What the cache holds, to a file and back: at a graceful stop, and alive without a fork.
//!
//! The store hands out images of its items, the file puts each behind a checksum; nothing is held
//! twice but one image. A file is written under a temporary name and renamed when it is whole.
//! Loading drops a damaged block and keeps the rest. The file is used once: what it says is removed
//! when it was loaded, so that no later start serves what has changed since.
//!
//! What was written alive is not loaded unless that is asked for: what was deleted or replaced
//! after it was written would come back.

mod file;
mod live;
mod load;
mod save;

pub use file::{Kind, Unreadable};
pub use live::{Asked, BYTES_PER_S, Figures, Live, start};
pub use load::{Loaded, Outcome, load};
pub use save::{Manner, Saved, save};

#[cfg(test)]
mod tests;
