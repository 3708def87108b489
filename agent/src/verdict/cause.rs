//! Why it grows, fused from what changed together with it since its onset.
//!
//! The parts of the memory are told by the kernel, threads and descriptors by `/proc`, the heap in
//! use by the heap's owner where one says so. Each rule asks whether a part explains at least half
//! of the growth; the more specific rule is asked first. Without a report of the heap, off-heap
//! memory and fragmentation cannot be told from a heap leak and are not claimed.

use super::album::Snapshot;
use super::{Cause, Inside};
use crate::clock::Stamp;
use crate::detect::demand;
use crate::units::Bytes;

/// A part must hold this share of the growth to be its cause.
const MAIN_SHARE: f64 = 0.5;
/// A heap in use that grew by less than this share of the growth did not grow.
const FLAT_SHARE: f64 = 0.2;
/// A rise with a drift above this is as even as leaks are. It is at most √8.
const EVEN: f64 = 1.6;
/// A report of the inside that is less sure of its cause decides nothing.
const SURE: f64 = 0.5;
/// What one more thread or descriptor can plausibly cost. Units: bytes.
const THREAD_BYTES: std::ops::Range<f64> = 4_096.0..16_777_216.0;
const FD_BYTES: std::ops::Range<f64> = 128.0..1_048_576.0;

/// How much each part grew. Units: bytes, negative where it shrank.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Growth {
    pub(super) demand: f64,
    /// With what of it was swapped out.
    pub(super) anon: f64,
    pub(super) file: f64,
    pub(super) shmem: f64,
    /// What is none of these: kernel memory, where the kernel charges it.
    pub(super) other: f64,
    pub(super) heap_in_use: Option<f64>,
}

impl Growth {
    pub(super) fn between(then: &Snapshot, now: &Snapshot) -> Self {
        let grown = |of: fn(&Snapshot) -> Bytes| of(now).as_f64() - of(then).as_f64();
        let other = |s: &Snapshot| {
            let split = s.split;
            split.used - split.anon - split.file - split.shmem
        };
        let heap = now.heap_in_use.zip(then.heap_in_use);
        Self {
            demand: grown(|s| demand(&s.split)),
            anon: grown(|s| s.split.anon + s.split.swap),
            file: grown(|s| s.split.file),
            shmem: grown(|s| s.split.shmem),
            other: grown(other),
            heap_in_use: heap.map(|(now, then)| now.as_f64() - then.as_f64()),
        }
    }
}

/// The cause of growth between two snapshots, whose drift is `drift`.
pub(super) fn cause(then: &Snapshot, now: &Snapshot, drift: f64) -> Cause {
    let growth = Growth::between(then, now);
    let main = |part: f64| growth.demand > 0.0 && part >= MAIN_SHARE * growth.demand;
    let more = |of: fn(&Snapshot) -> Option<u64>, least, price: &std::ops::Range<f64>| {
        let counts = of(then).zip(of(now));
        counts.is_some_and(|(then, now)| multiplied(then, now, least, growth.demand, price))
    };
    if more(|s| s.threads.map(u64::from), 8, &THREAD_BYTES) {
        Cause::Threads
    } else if more(|s| s.open_fds, 32, &FD_BYTES) {
        Cause::Fds
    } else if main(growth.shmem) {
        Cause::Shmem
    } else if now.kernel.is_some() && main(growth.other) {
        Cause::Kernel
    } else if let Some(heap) = growth.heap_in_use.filter(|_| growth.demand > 0.0) {
        if main(heap) {
            Cause::HeapLeak
        } else if heap <= FLAT_SHARE * growth.demand {
            fragmented_or_off_heap(then, now)
        } else {
            Cause::RetainedGrowth
        }
    } else if !main(growth.anon) {
        Cause::Unknown
    } else if drift >= EVEN {
        Cause::HeapLeak
    } else {
        Cause::RetainedGrowth
    }
}

/// The cause after a look inside, where there was one since the onset that is sure enough.
///
/// A report stays what it is until a newer one replaces it, so the cause does not waver with it.
/// What the kernel itself told of, threads or shared memory, stands against any report.
pub(super) fn after_a_look(outside: Cause, onset: Stamp, inside: Option<&Inside>) -> Cause {
    use Cause::{CacheFill, Fragmentation, HeapLeak, OffHeap, RetainedGrowth, Unknown};
    let open = matches!(
        outside,
        HeapLeak | RetainedGrowth | Fragmentation | OffHeap | CacheFill | Unknown
    );
    let telling = |c: Cause| matches!(c, HeapLeak | RetainedGrowth | Fragmentation | OffHeap);
    let told = inside
        .filter(|inside| inside.at >= onset && inside.confidence >= SURE && telling(inside.cause));
    told.filter(|_| open).map_or(outside, |inside| inside.cause)
}

/// Resident memory grew and the heap in use did not. If most of what is resident lies outside the
/// heap the growth does too; else the heap holds on to what it freed.
fn fragmented_or_off_heap(then: &Snapshot, now: &Snapshot) -> Cause {
    let outside = |s: &Snapshot| demand(&s.split) - s.heap_in_use.unwrap_or_default();
    let heap = now.heap_in_use.unwrap_or_default();
    if outside(then) > heap && outside(now) > heap { Cause::OffHeap } else { Cause::Fragmentation }
}

/// Whether a count grew by a quarter and `least`, at a plausible price for each.
fn multiplied(then: u64, now: u64, least: u64, grown: f64, price: &std::ops::Range<f64>) -> bool {
    let more = now.saturating_sub(then);
    then > 0 && more >= least && more * 4 >= then && price.contains(&(grown / more as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Split;

    fn snapshot(used_mib: u64, heap_mib: Option<u64>) -> Snapshot {
        let used = Bytes::mib(used_mib);
        let split = Split { used, anon: used, ..Split::default() };
        Snapshot { split, heap_in_use: heap_mib.map(Bytes::mib), ..Snapshot::default() }
    }

    #[test]
    fn what_the_heap_says_decides_between_leak_fragmentation_and_off_heap() {
        let of = |then, now| cause(&then, &now, 2.5);
        assert_eq!(of(snapshot(100, Some(80)), snapshot(200, Some(170))), Cause::HeapLeak);
        assert_eq!(of(snapshot(100, Some(80)), snapshot(150, Some(82))), Cause::Fragmentation);
        assert_eq!(of(snapshot(100, Some(20)), snapshot(200, Some(22))), Cause::OffHeap);
        assert_eq!(of(snapshot(100, Some(80)), snapshot(200, Some(110))), Cause::RetainedGrowth);
        assert_eq!(of(snapshot(100, None), snapshot(200, None)), Cause::HeapLeak);
    }

    #[test]
    fn uneven_growth_of_anonymous_memory_is_retained_and_not_called_a_leak() {
        assert_eq!(cause(&snapshot(100, None), &snapshot(200, None), 1.3), Cause::RetainedGrowth);
    }

    #[test]
    fn a_look_inside_decides_what_cannot_be_seen_from_outside() {
        let look = |outside, cause, confidence, at| {
            after_a_look(outside, Stamp(100), Some(&Inside { cause, confidence, at: Stamp(at) }))
        };
        let leak = Cause::HeapLeak;
        assert_eq!(look(leak, Cause::Fragmentation, 0.9, 150), Cause::Fragmentation);
        assert_eq!(look(Cause::RetainedGrowth, leak, 0.9, 100), leak);
        assert_eq!(look(leak, Cause::Fragmentation, 0.3, 150), leak, "not sure");
        assert_eq!(look(leak, Cause::Fragmentation, 0.9, 50), leak, "before the growth");
        assert_eq!(look(leak, Cause::Unknown, 0.9, 150), leak, "says nothing");
        assert_eq!(look(Cause::Threads, leak, 0.9, 150), Cause::Threads, "the kernel's word");
        assert_eq!(after_a_look(leak, Stamp(0), None), leak);
    }

    #[test]
    fn descriptors_that_multiply_are_named() {
        let then = Snapshot { open_fds: Some(100), ..snapshot(100, None) };
        let now = Snapshot { open_fds: Some(5_000), ..snapshot(110, None) };
        assert_eq!(cause(&then, &now, 2.0), Cause::Fds);
        let few = Snapshot { open_fds: Some(110), ..snapshot(110, None) };
        assert_eq!(cause(&then, &few, 2.0), Cause::HeapLeak);
    }
}
