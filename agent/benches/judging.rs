//! What the judgement of one target costs: `cargo xtask bench judging`.
//!
//! Each shape of memory is read and judged once a second for three hours of its own time; the
//! figure is the time for one reading and one judgement, the median of rounds. The history is there
//! and is pushed to as on a node, outside the time.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use plimsoll::clock::Stamp;
use plimsoll::history::{History, HistoryParams, Split};
use plimsoll::target::{Target, TargetKind};
use plimsoll::units::{Bytes, Limit};
use plimsoll::verdict::{Facts, Judged, Params, Scratch, judge};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;
const SECONDS: u32 = 3 * 3600;

fn main() {
    println!("| one reading and one judgement | µs, median of {ROUNDS} |\n|---|---|");
    let noise = |i: u32| f64::from(i.wrapping_mul(2_654_435_761) >> 20) / 4096.0;
    time("a target that does not move", |_| 200.0);
    time("noise of 8 MiB", |i| 200.0 + 8.0 * noise(i));
    time("a sawtooth of 40 s and 100 MiB", |i| 200.0 + 2.5 * f64::from(i % 40) + noise(i));
    time("a leak that set in after an hour, to its end", |i| {
        200.0 + 0.1 * f64::from(i.saturating_sub(3600)) + 2.0 * noise(i)
    });
    println!("\nkept for a target that does not move: {} bytes", size_of::<Judged>());
}

fn time(what: &str, mib: impl Fn(u32) -> f64) {
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(&mib)).collect();
    rounds.sort_by(f64::total_cmp);
    println!("| {what} | {:.3} |", rounds[ROUNDS / 2]);
}

/// Microseconds for one reading and judgement.
fn round(mib: &impl Fn(u32) -> f64) -> f64 {
    let mut history = History::new(HistoryParams { ram_budget: Bytes::mib(1) });
    let series = history.open(&Target::Node, Stamp(0));
    let (params, mut scratch) = (Params::default(), Scratch::default());
    let (mut memory, mut spent) = (Judged::default(), Duration::ZERO);
    let limit = Bytes::mib(1024);
    for second in 0..SECONDS {
        let now = Stamp(i64::from(second) * 1000);
        let used = Bytes((mib(second) * 1_048_576.0) as u64);
        let split = Split { used, anon: used, ..Split::default() };
        history.push(series, now, split);
        let facts = facts(limit, used, now);
        let window = history.window(series);
        let begun = Instant::now();
        memory.see(now, &split, params.growth_min);
        let judged = judge(&params, Some(window), &split, now, &facts, &mut memory, &mut scratch);
        spent += begun.elapsed();
        black_box(judged);
    }
    spent.as_secs_f64() * 1e6 / f64::from(SECONDS)
}

fn facts(limit: Bytes, used: Bytes, now: Stamp) -> Facts {
    Facts {
        kind: TargetKind::Process,
        limit: Limit::At(limit),
        headroom: Some(limit - used),
        unreclaimable: None,
        threads: Some(8),
        open_fds: Some(20),
        restarts: 0,
        age: now.since(Stamp(0)),
        kernel: None,
        heap_in_use: None,
        inside: None,
        psi_full_avg10: None,
    }
}
