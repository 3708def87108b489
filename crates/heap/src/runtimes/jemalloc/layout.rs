//! Where jemalloc keeps what, by version. Offsets in bytes, 64-bit, 4 KiB pages.
//!
//! Source: the debug information of builds of each version. They do not depend on whether heap
//! profiling is built in.

/// Of one `arena_t`.
#[derive(Debug)]
pub struct Layout {
    /// The versions for which it was seen to hold.
    pub versions: &'static str,
    /// Its number, which the table of arenas agrees with.
    pub index: u64,
    /// Count of active pages.
    pub active: u64,
    /// The caches of unused pages.
    pub dirty: u64,
    pub muzzy: u64,
    pub retained: u64,
    /// In each cache: count of pages, of pages with guards, and its state with the arena's number.
    pub cache_pages: u64,
    pub cache_guarded_pages: u64,
    pub cache_state: u64,
    /// Counters of the large size classes: blocks made, blocks freed, …
    pub large: u64,
    pub large_step: usize,
    /// Bytes in use of the class, where they are counted.
    pub large_bytes: Option<usize>,
    /// The bins of the small classes, one for each shard of each class.
    pub bins: u64,
}

/// Large size classes.
pub const LARGE: usize = 196;
/// Size of one bin, and where it counts the blocks in use.
pub const BIN: u64 = 224;
pub const BIN_CURRENT: u64 = 0x70 + 24;
/// Size of one entry of the table of small classes.
pub const BIN_INFO: usize = 40;

pub const LAYOUTS: [Layout; 2] = [
    Layout {
        versions: "5.3.0",
        index: 0x13450,
        active: 0x29a0,
        dirty: 0x29e8,
        muzzy: 0x75d8,
        retained: 0xc1c8,
        cache_pages: 0x5000 - 0x29e8,
        cache_guarded_pages: 0x75b8 - 0x29e8,
        cache_state: 0x75c8 - 0x29e8,
        large: 0x3d0,
        large_step: 48,
        large_bytes: None,
        bins: 78952,
    },
    Layout {
        versions: "5.3.1",
        index: 0x13b00,
        active: 0x3008,
        dirty: 0x3040,
        muzzy: 0x7c30,
        retained: 0xc820,
        cache_pages: 0x5658 - 0x3040,
        cache_guarded_pages: 0x7c10 - 0x3040,
        cache_state: 0x7c20 - 0x3040,
        large: 0x3e0,
        large_step: 56,
        large_bytes: Some(16),
        bins: 80704,
    },
];
