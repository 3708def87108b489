//! Why it grows, as far as the split of its memory shows it.
//!
//! Off-heap memory, fragmentation and caches cannot be told from a heap leak by looking from
//! outside; they are not claimed here.

use super::{Cause, Facts};
use crate::detect::Finding;
use crate::units::Bytes;

/// A part must hold this share of the growth to be its cause.
const MAIN_SHARE: f64 = 0.5;
/// Kendall's tau from which growth counts as monotone.
const MONOTONE: f64 = 0.8;
/// What one more thread or descriptor can plausibly cost. Units: bytes.
const THREAD_BYTES: std::ops::Range<f64> = 4_096.0..16_777_216.0;
const FD_BYTES: std::ops::Range<f64> = 128.0..1_048_576.0;

/// Threads and descriptors when the growth was first seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) threads: u32,
    pub(super) open_fds: u32,
}

impl Counts {
    pub(super) fn of(facts: &Facts) -> Self {
        let open_fds = facts.open_fds.map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX));
        Self { threads: facts.threads.unwrap_or(0), open_fds }
    }
}

/// The cause of `finding`. `at_onset` and `grown` span the same time: counts when the growth was
/// first seen, and how much demand grew since.
pub(super) fn cause(finding: &Finding, facts: &Facts, at_onset: Counts, grown: Bytes) -> Cause {
    let growth = finding.trend.growth;
    let parts = finding.parts;
    let now = Counts::of(facts);
    if multiplied(at_onset.threads, now.threads, 8, grown, &THREAD_BYTES) {
        return Cause::Threads;
    }
    if multiplied(at_onset.open_fds, now.open_fds, 32, grown, &FD_BYTES) {
        return Cause::Fds;
    }
    if parts.shmem >= MAIN_SHARE * growth {
        return Cause::Shmem;
    }
    if facts.kernel.is_some() && parts.other >= MAIN_SHARE * growth {
        return Cause::Kernel;
    }
    if parts.anon < MAIN_SHARE * growth {
        return Cause::Unknown;
    }
    if finding.trend.tau >= MONOTONE { Cause::HeapLeak } else { Cause::RetainedGrowth }
}

/// Whether a count grew by a quarter and `least`, at a plausible price for each.
fn multiplied(then: u32, now: u32, least: u32, grown: Bytes, price: &std::ops::Range<f64>) -> bool {
    let more = now.saturating_sub(then);
    then > 0
        && more >= least
        && u64::from(more) * 4 >= u64::from(then)
        && price.contains(&(grown.as_f64() / f64::from(more)))
}

/// How sure the finding is, 0…1: how monotone, how straight, how free of one jump, how many cells.
/// An ordering of findings, not a calibrated probability.
pub(super) fn confidence(finding: &Finding) -> f64 {
    let trend = &finding.trend;
    let straight = trend.steady.min(1.0).sqrt();
    let smooth = 1.0 - trend.jump_share.clamp(0.0, 1.0) / 2.0;
    let seen = (trend.cells as f64 / 24.0).min(1.0).sqrt();
    (trend.tau * straight * smooth * seen).clamp(0.05, 0.99)
}
