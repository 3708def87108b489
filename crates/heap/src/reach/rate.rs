//! How long the pause will be, before it is taken.
//!
//! Estimate: what the target has resident and can hold pointers (anonymous and shared memory, as
//! the kernel counts it), at the rate at which a sample of it is read and searched now, on this
//! machine and under its load; and a little for each thread and mapping. The sample is taken of
//! the running target and thrown away.

use std::time::{Duration, Instant};

use crate::Refusal;
use crate::glibc::Arenas;
use crate::memory::Memory;
use crate::target::Opened;

use super::space::Space;

/// How much is read to learn the rate.
const SAMPLE_BYTES: u64 = 24 << 20;
const WINDOW_BYTES: usize = 8 << 20;
/// Taken for the rate where there is too little memory to learn it.
const BYTES_PER_S: u64 = 3 << 30;
/// Below this nothing is learned: what takes time then is the start.
const LEARN_BYTES_MIN: u64 = 4 << 20;
/// Walking from block to block takes its time beside reading.
const WALK_FACTOR: f64 = 1.3;
/// To stop and to let go of one thread.
const THREAD: Duration = Duration::from_micros(40);
/// To read of one mapping what it is and what it holds.
const MAPPING: Duration = Duration::from_micros(6);
/// Arenas, registers.
const START: Duration = Duration::from_millis(2);

/// # Errors
/// [`Refusal::PauseTooLong`].
pub fn refuse_too_long<M: Memory + ?Sized>(
    opened: &Opened,
    memory: &M,
    mappings: usize,
    arenas: &Arenas,
    pause_max: Duration,
) -> Result<(), Refusal> {
    let status = &opened.status;
    let bytes = status.anon_bytes.unwrap_or(0) + status.shmem_bytes.unwrap_or(0);
    let rate = rate(memory, arenas, bytes);
    let estimated = estimate(bytes, rate, status.threads.unwrap_or(1), mappings as u64);
    if estimated <= pause_max {
        return Ok(());
    }
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Err(Refusal::PauseTooLong { estimated_ms: millis(estimated), max_ms: millis(pause_max) })
}

fn estimate(bytes: u64, bytes_per_s: f64, threads: u64, mappings: u64) -> Duration {
    let times = |one: Duration, count| one.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    let pieces = times(THREAD, threads) + times(MAPPING, mappings);
    START + pieces + Duration::from_secs_f64(bytes as f64 * WALK_FACTOR / bytes_per_s)
}

/// In bytes a second.
fn rate<M: Memory + ?Sized>(memory: &M, arenas: &Arenas, resident: u64) -> f64 {
    let known = BYTES_PER_S as f64;
    if resident < LEARN_BYTES_MIN {
        return known;
    }
    // Empty: searched in vain, as most words are.
    let space = Space::default();
    let mut window = vec![0; WINDOW_BYTES];
    let segments = arenas.list.iter().flat_map(|arena| &arena.segments);
    // The first read makes our own window: it is not counted.
    let (mut read, mut spent) = (0, Duration::ZERO);
    let (mut warm, mut found) = (false, 0_u64);
    for segment in segments {
        let mut at = segment.start;
        while at < segment.end && read < SAMPLE_BYTES {
            let began = Instant::now();
            let wanted =
                usize::try_from(segment.end - at).unwrap_or(WINDOW_BYTES).min(WINDOW_BYTES);
            let count = memory.read(at, &mut window[..wanted]);
            space.pointers(at, &window[..count], |_, _| found += 1);
            if warm {
                spent += began.elapsed();
                read += count as u64;
            }
            warm = true;
            if count < wanted {
                break;
            }
            at += count as u64;
        }
    }
    std::hint::black_box(found);
    if read < LEARN_BYTES_MIN || spent.is_zero() {
        return known;
    }
    read as f64 / spent.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_grows_with_bytes_and_threads_and_falls_with_the_rate() {
        let rate = BYTES_PER_S as f64;
        let gib = estimate(1 << 30, rate, 1, 0);
        assert!((0.4..0.5).contains(&gib.as_secs_f64()), "{gib:?}");
        assert!(estimate(2 << 30, rate, 1, 0) > gib && estimate(1 << 30, rate / 2.0, 1, 0) > gib);
        assert_eq!(estimate(0, rate, 1000, 0) - estimate(0, rate, 0, 0), THREAD * 1000);
        assert_eq!(estimate(0, rate, 0, 1000) - estimate(0, rate, 0, 0), MAPPING * 1000);
    }

    #[test]
    fn a_limit_below_the_estimate_is_refused_with_both() {
        let opened = Opened::open(std::process::id()).unwrap();
        let live = crate::memory::Live::new(opened.target());
        let refused =
            refuse_too_long(&opened, &live, 0, &Arenas::default(), Duration::from_millis(1));
        let Err(Refusal::PauseTooLong { estimated_ms, max_ms: 1 }) = refused else {
            panic!("{refused:?}")
        };
        assert!(estimated_ms >= 2);
        refuse_too_long(&opened, &live, 0, &Arenas::default(), Duration::from_secs(60)).unwrap();
    }
}
