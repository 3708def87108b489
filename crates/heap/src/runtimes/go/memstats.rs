//! The Go runtime's own sums, as `runtime.ReadMemStats` derives them.

use crate::memory::Memory;
use crate::runtimes::bytes::u64_at;
use serde_json::{Value, json};

/// Small size classes, the unused class 0 among them.
const CLASSES: usize = 68;
/// One of the three copies that the threads add to in turn; their sum is the figure.
const DELTA: usize = 6 * 8 + 3 * 8 + CLASSES * 8 + 2 * 8 + CLASSES * 8;
const LARGE_ALLOC: usize = 56;
const SMALL_ALLOC: usize = 72;
const LARGE_FREE: usize = SMALL_ALLOC + CLASSES * 8;
const SMALL_FREE: usize = LARGE_FREE + 16;
/// Behind the copies: their turn and a lock.
const AFTER: usize = 3 * DELTA + 16;
const LAST_GC: usize = AFTER + 6 * 8;
const PAUSE_TOTAL: usize = LAST_GC + 8;
const GC_COUNT: usize = PAUSE_TOTAL + 8 + 2 * 256 * 8;
const WHOLE: usize = GC_COUNT + 8;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemStats {
    pub heap_alloc_bytes: u64,
    pub heap_objects: u64,
    pub heap_inuse_bytes: u64,
    pub heap_idle_bytes: u64,
    pub heap_released_bytes: u64,
    pub stack_inuse_bytes: u64,
    pub gc_count: u32,
    pub gc_forced_count: u32,
    pub gc_pause_total_ns: u64,
    /// Nanoseconds since the epoch; 0 before the first.
    pub last_gc_unix_ns: u64,
}

impl MemStats {
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "heap_alloc_bytes": self.heap_alloc_bytes, "heap_objects": self.heap_objects,
            "heap_inuse_bytes": self.heap_inuse_bytes, "heap_idle_bytes": self.heap_idle_bytes,
            "heap_released_bytes": self.heap_released_bytes,
            "stack_inuse_bytes": self.stack_inuse_bytes, "gc_count": self.gc_count,
            "gc_forced_count": self.gc_forced_count,
            "gc_pause_total_ns": self.gc_pause_total_ns,
            "last_gc_unix_ns": self.last_gc_unix_ns,
        })
    }
}

/// Reads `runtime.memstats` with the sizes of `runtime.class_to_size`. None where the sums
/// contradict each other: another version's layout.
///
/// Source: Go 1.19 `runtime/mstats.go`, `mstats` and `heapStatsDelta`; the same in 1.21 and 1.23.
pub fn read(memory: &(impl Memory + ?Sized), at: u64, sizes_at: u64) -> Option<MemStats> {
    let mut bytes = vec![0; WHOLE];
    let mut sizes = [0; CLASSES * 2];
    if memory.read(at, &mut bytes) < WHOLE || memory.read(sizes_at, &mut sizes) < sizes.len() {
        return None;
    }
    parse(&bytes, &sizes)
}

/// See [`read`].
#[must_use]
pub fn parse(bytes: &[u8], sizes: &[u8]) -> Option<MemStats> {
    let sum = |at: usize| -> Option<u64> {
        (0..3)
            .try_fold(0_u64, |sum, copy| Some(sum.wrapping_add(u64_at(bytes, copy * DELTA + at)?)))
    };
    let [committed, released, in_heap, in_stacks, in_work, in_bits] =
        [sum(0)?, sum(8)?, sum(16)?, sum(24)?, sum(32)?, sum(40)?];
    let used = [in_heap, in_stacks, in_work, in_bits];
    let used = used.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part))?;
    let free = committed.checked_sub(used)?;
    let plausible = [committed, released].iter().all(|&part| part < 1 << 48);
    let steps = sizes.as_chunks::<2>().0.iter().map(|size| u64::from(u16::from_le_bytes(*size)));
    let sizes: Vec<u64> = steps.collect();
    if !plausible || sizes.len() != CLASSES || sizes[1] != 8 || sizes[CLASSES - 1] != 32768 {
        return None;
    }
    let mut alloc = sum(LARGE_ALLOC)?.wrapping_sub(sum(LARGE_FREE)?);
    let mut objects = sum(LARGE_ALLOC + 8)?.wrapping_sub(sum(LARGE_FREE + 8)?);
    for (class, size) in sizes.iter().enumerate() {
        let made = sum(SMALL_ALLOC + class * 8)?;
        let live = made.wrapping_sub(sum(SMALL_FREE + class * 8)?);
        objects = objects.wrapping_add(live);
        alloc = alloc.wrapping_add(live.wrapping_mul(*size));
    }
    let counts = u64_at(bytes, GC_COUNT)?;
    (alloc <= in_heap).then(|| MemStats {
        heap_alloc_bytes: alloc,
        heap_objects: objects,
        heap_inuse_bytes: in_heap,
        heap_idle_bytes: free.saturating_add(released),
        heap_released_bytes: released,
        stack_inuse_bytes: in_stacks,
        gc_count: counts as u32,
        gc_forced_count: (counts >> 32) as u32,
        gc_pause_total_ns: u64_at(bytes, PAUSE_TOTAL).unwrap_or_default(),
        last_gc_unix_ns: u64_at(bytes, LAST_GC).unwrap_or_default(),
    })
}
