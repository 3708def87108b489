//! Throughput, CPU per operation and latency: two threads, 32 B keys, 100 B values, one set for ten
//! gets, 50 connections.

use super::load::{self, Load, Mix, Outcome, Pace};
use super::servers::{Program, Server, Wish};
use super::table::{Goal, Row};
use super::{Extent, Figures};
use std::time::Duration;

const MIX: Mix = Mix::Gets { for_each_set: 10 };
const CONNECTIONS: usize = 50;

/// The rate at which latency is compared. Units: requests per second.
const STEADY: f64 = 30_000.0;

/// What one run of one server came to.
#[derive(Debug)]
struct Run {
    outcome: Outcome,
    cpu_us: f64,
}

pub fn measure(programs: &[Program], extent: &Extent) -> Result<Figures, String> {
    let n = programs.len();
    let row = |what: &str, unit, goal| Row::new(what, unit, goal, n);
    let mut rows = [
        row("CPU per operation, pipeline of 16", "µs", Goal::AtMost(0.75)),
        row("CPU per operation, no pipeline", "µs", Goal::AtMost(4.3)),
        row("operations per second, pipeline of 16", "1/s", Goal::None).more_is_better(),
        row("operations per second, no pipeline", "1/s", Goal::None).more_is_better(),
        row("p99 at 30,000 requests per second", "µs", Goal::AsPeers { beside: 0.0 }),
        row("p99.9 at 30,000 requests per second", "µs", Goal::None),
    ];
    let wish = Wish { memory_mib: Some(1024), threads: 2, ..Wish::default() };
    let servers: Vec<Server> =
        programs.iter().map(|program| program.start(&wish)).collect::<Result<_, _>>()?;
    for (program, server) in programs.iter().zip(&servers) {
        super::fill(program, server, extent.keys, 100)?;
    }
    for turn in 0..extent.runs {
        for (at, (program, server)) in programs.iter().zip(&servers).enumerate() {
            let run = |pace| run(program, server, extent, pace, turn);
            let deep = run(Pace::Closed { depth: 16 })?;
            rows[0].add(at, deep.cpu_us);
            rows[2].add(at, deep.outcome.per_s());
            let flat = run(Pace::Closed { depth: 1 })?;
            rows[1].add(at, flat.cpu_us);
            rows[3].add(at, flat.outcome.per_s());
            let steady = run(Pace::Fixed { per_s: STEADY })?;
            let us = |share| steady.outcome.latencies.quantile(share).as_secs_f64() * 1e6;
            rows[4].add(at, us(0.99));
            rows[5].add(at, us(0.999));
            let kept = steady.outcome.per_s() / STEADY;
            if kept < 0.98 {
                rows[4].notes[at] = format!("{:.0} % of the rate", kept * 100.0);
            }
        }
    }
    Ok(rows.into())
}

fn run(
    program: &Program,
    server: &Server,
    extent: &Extent,
    pace: Pace,
    turn: usize,
) -> Result<Run, String> {
    let load = Load {
        address: server.address,
        dialect: program.dialect(),
        connections: CONNECTIONS,
        threads: if matches!(pace, Pace::Fixed { .. }) { 1 } else { 2 },
        pace,
        mix: MIX,
        keys: extent.keys,
        value_len: 100,
        lasts: extent.lasts,
        seed: turn as u64,
    };
    // Connections are opened and caches warmed before it counts.
    load::run_whole(&Load { lasts: Duration::from_millis(300), ..load })?;
    let before = server.cpu();
    let outcome = load::run_whole(&load)?;
    let cpu = server.cpu().saturating_sub(before);
    let cpu_us = cpu.as_secs_f64() * 1e6 / outcome.answered.max(1) as f64;
    Ok(Run { outcome, cpu_us })
}
