//! How long the pause will be, before it is taken.
//!
//! Estimate: what the target has resident and can hold pointers (anonymous and shared memory, as
//! the kernel counts it), at the rate at which a sample of it is read and searched now, by two
//! threads as in the pass, on this machine and under its load; and a little for each thread and
//! mapping. The sample is taken of the running target and thrown away.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::Refusal;
use crate::glibc::Arenas;
use crate::maps::residency::PAGE_BYTES;
use crate::maps::{Mapping, read};
use crate::memory::Memory;
use crate::memory::ahead::reading_ahead;
use crate::memory::window::Window;
use crate::target::Opened;

use super::space::Space;

/// How much is read to learn the rate.
const SAMPLE_BYTES: u64 = 24 << 20;
/// Of it, what is not counted: it makes our own buffers.
const WARM_BYTES: u64 = 4 << 20;
/// Taken for the rate where there is too little memory to learn it.
const BYTES_PER_S: u64 = 3 << 30;
/// Below this nothing is learned: what takes time then is the start.
const LEARN_BYTES_MIN: u64 = 4 << 20;
/// Walking from block to block takes its time beside searching.
const WALK_FACTOR: f64 = 1.5;
/// To stop and to let go of one thread.
const THREAD: Duration = Duration::from_micros(40);
/// To learn of memory that can be written whether it is there; for each 1024 pages.
const PAGES: Duration = Duration::from_micros(7);
/// To read of one mapping what it is and what it holds.
const MAPPING: Duration = Duration::from_micros(6);
/// Arenas, registers.
const START: Duration = Duration::from_millis(2);

/// # Errors
/// [`Refusal::PauseTooLong`].
pub fn refuse_too_long<M: Memory + Sync + ?Sized>(
    opened: &Opened,
    memory: &M,
    mappings: &[Mapping],
    arenas: &Arenas,
    pause_max: Duration,
) -> Result<(), Refusal> {
    let status = &opened.status;
    let bytes = status.anon_bytes.unwrap_or(0) + status.shmem_bytes.unwrap_or(0);
    let rate = if bytes < LEARN_BYTES_MIN {
        None
    } else {
        let sample = sample(arenas);
        let residency = read::residency(opened, &sample);
        let stretches = sample.clone();
        reading_ahead(memory, residency.as_ref(), stretches, |window| searched(window, &sample)).0
    };
    let rate = rate.unwrap_or(BYTES_PER_S as f64);
    let writable = mappings.iter().filter(|mapping| mapping.writable);
    let reserved = writable.map(|mapping| mapping.end.saturating_sub(mapping.start)).sum();
    let of = Standing {
        threads: status.threads.unwrap_or(1),
        mappings: mappings.len() as u64,
        reserved,
    };
    let estimated = estimate(bytes, rate, of);
    if estimated <= pause_max {
        return Ok(());
    }
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Err(Refusal::PauseTooLong { estimated_ms: millis(estimated), max_ms: millis(pause_max) })
}

/// What takes time beside the bytes that are there.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    threads: u64,
    mappings: u64,
    /// Of memory that can be written, there or not. Units: bytes.
    reserved: u64,
}

fn estimate(bytes: u64, bytes_per_s: f64, of: Standing) -> Duration {
    let times = |one: Duration, count| one.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    let pieces = times(THREAD, of.threads) + times(MAPPING, of.mappings);
    let pieces = pieces + times(PAGES, of.reserved / (1024 * PAGE_BYTES));
    START + pieces + Duration::from_secs_f64(bytes as f64 * WALK_FACTOR / bytes_per_s)
}

/// The first of the heap, by address.
fn sample(arenas: &Arenas) -> Vec<Range<u64>> {
    let mut left = SAMPLE_BYTES;
    let mut sample = Vec::new();
    for segment in arenas.segments() {
        let end = segment.end.min(segment.start.saturating_add(left));
        if segment.start < end {
            left -= end - segment.start;
            sample.push(segment.start..end);
        }
    }
    sample.sort_by_key(|range| range.start);
    sample
}

/// In bytes a second; None where too little can be read.
fn searched<M: Memory + ?Sized>(mut window: Window<'_, M>, sample: &[Range<u64>]) -> Option<f64> {
    // Empty: searched in vain, as most words are.
    let space = Space::default();
    let (mut read, mut found, mut began) = (0, 0_u64, None);
    for range in sample {
        let mut at = range.start;
        while at < range.end {
            let piece = window.piece(at, range.end);
            space.pointers(at, piece, |_, _| found += 1);
            let count = piece.len() as u64;
            read += count;
            at = if count == 0 { window.behind(at, range.end) } else { at + count };
            if began.is_none() && read >= WARM_BYTES {
                began = Some((Instant::now(), read));
            }
        }
    }
    std::hint::black_box(found);
    let (began, warm) = began?;
    let counted = read - warm;
    (counted >= LEARN_BYTES_MIN).then(|| counted as f64 / began.elapsed().as_secs_f64().max(1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_grows_with_bytes_and_threads_and_falls_with_the_rate() {
        let rate = BYTES_PER_S as f64;
        let one = Standing { threads: 1, ..Standing::default() };
        let gib = estimate(1 << 30, rate, one);
        assert!((0.5..0.6).contains(&gib.as_secs_f64()), "{gib:?}");
        assert!(estimate(2 << 30, rate, one) > gib && estimate(1 << 30, rate / 2.0, one) > gib);
        let beside = |of| estimate(0, rate, of) - estimate(0, rate, Standing::default());
        assert_eq!(beside(Standing { threads: 1000, ..Standing::default() }), THREAD * 1000);
        assert_eq!(beside(Standing { mappings: 1000, ..Standing::default() }), MAPPING * 1000);
        assert_eq!(beside(Standing { reserved: 4 << 30, ..Standing::default() }), PAGES * 1024);
    }

    #[test]
    fn a_limit_below_the_estimate_is_refused_with_both() {
        let opened = Opened::open(std::process::id()).unwrap();
        let live = crate::memory::Live::new(opened.target());
        let refused =
            refuse_too_long(&opened, &live, &[], &Arenas::default(), Duration::from_millis(1));
        let Err(Refusal::PauseTooLong { estimated_ms, max_ms: 1 }) = refused else {
            panic!("{refused:?}")
        };
        assert!(estimated_ms >= 2);
        refuse_too_long(&opened, &live, &[], &Arenas::default(), Duration::from_secs(60)).unwrap();
    }
}
