//! Items in memory: found by key, evicted by use, given back to the kernel by the segment.
//!
//! The store is cut into partitions by the hash of the key. Each is a plain structure behind one
//! lock, so nothing within needs atomics: [`Store::lock`] hands out the place of one key, and all
//! that is done to that key happens under that lock. It does no IO beside asking the kernel for
//! memory and returning it, reads no clock (each call is handed `now`), and logs nothing.

mod item;
mod model;

pub use item::{Admission, Data, Expires, Item, Join, New, Params, Refused, Seen, Totals};
pub use model::{Charge, Cursor, Slot, Store, Upload};

/// Longest key. Units: bytes. Source: memcached's protocol.txt.
pub const KEY_BYTES_MAX: usize = 250;
