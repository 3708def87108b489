//! Giving back: a full cache is told to hold half; when has the kernel it, and who noticed?

use super::load::{self, Load, Mix, Outcome, Pace};
use super::servers::{Kind, Program, Server, Wish};
use super::table::{Goal, Row};
use super::{Extent, Figures};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const VALUE_LEN: usize = 1024;

/// Requests per second while memory is given back.
const WATCHED_PER_S: f64 = 5000.0;

/// How near the target counts as there.
const NEAR: f64 = 0.02;

/// How far the resident size may sink below the target: two segments.
const OVERSHOOT_BYTES: f64 = 2.0 * 1024.0 * 1024.0;

/// Who has not given back by then will not. Units: seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long gets are watched before the word.
const CALM: Duration = Duration::from_secs(2);

/// What was seen of one server.
#[derive(Debug)]
struct Seen {
    /// None: it never came near.
    took: Option<Duration>,
    share_given: f64,
    overshoot: f64,
    /// Of gets while it gave back, and in a stretch before that, which tells the machine's part.
    p999: Duration,
    p999_before: Duration,
}

pub fn measure(programs: &[Program], extent: &Extent) -> Result<Figures, String> {
    let n = programs.len();
    let half = extent.full_mib / 2;
    let goal_ms = 250.0 * half as f64 / 1024.0;
    let mut rows = [
        Row::new(
            format!("{half} MiB given back: until within 2 %"),
            "ms",
            Goal::AtMost(goal_ms),
            n,
        ),
        Row::new("… share of it that was given back in the end", "%", Goal::None, n)
            .more_is_better(),
        Row::new("… p99.9 of gets meanwhile", "ms", Goal::AtMost(5.0), n),
        Row::new("… p99.9 of gets before that", "ms", Goal::None, n),
        Row::new("… below the target", "MiB", Goal::AtMost(OVERSHOOT_BYTES / 1048576.0), n),
    ];
    for _ in 0..extent.runs.min(3) {
        for (at, program) in programs.iter().enumerate() {
            let seen = watch(program, extent)?;
            match seen.took {
                Some(took) => rows[0].add(at, took.as_secs_f64() * 1e3),
                None => rows[0].notes[at] = format!("not within {} s", PATIENCE.as_secs()),
            }
            rows[1].add(at, seen.share_given * 100.0);
            rows[2].add(at, seen.p999.as_secs_f64() * 1e3);
            rows[3].add(at, seen.p999_before.as_secs_f64() * 1e3);
            if seen.took.is_some() {
                rows[4].add(at, seen.overshoot / 1048576.0);
            }
        }
    }
    Ok(rows.into())
}

fn watch(program: &Program, extent: &Extent) -> Result<Seen, String> {
    let memory_mib = Some(extent.full_mib);
    let server = program.start(&Wish { memory_mib, threads: 2, ..Wish::default() })?;
    // A little more than fits: it is full.
    let keys = extent.full_mib * 1024 * 1024 / VALUE_LEN as u64;
    super::fill(program, &server, keys, VALUE_LEN)?;
    std::thread::park_timeout(Duration::from_millis(500));
    let full = server.rss() as f64;
    let target = full - (extent.full_mib / 2 * 1024 * 1024) as f64;
    let stops = AtomicBool::new(false);
    let load = Load {
        address: server.address,
        dialect: program.dialect(),
        connections: 10,
        threads: 1,
        pace: Pace::Fixed { per_s: WATCHED_PER_S },
        mix: Mix::Gets { for_each_set: u64::MAX - 1 },
        keys,
        value_len: VALUE_LEN,
        lasts: PATIENCE * 2,
        seed: 3,
    };
    let calm = load::run_whole(&Load { lasts: CALM, ..load })?;
    let (watched, outcome) = std::thread::scope(|scope| {
        let gets = scope.spawn(|| load::run(&load, &stops));
        let watched = shrink(&server, extent, full, target);
        stops.store(true, Ordering::Relaxed);
        let ended = gets.join().unwrap_or_else(|_| Err("the generator fell".to_owned()));
        (watched, ended)
    });
    let (took, lowest) = watched?;
    let outcome: Outcome = outcome?;
    Ok(Seen {
        took,
        share_given: (full - server.rss() as f64) / (full - target),
        overshoot: (target - lowest).max(0.0),
        p999: outcome.latencies.quantile(0.999),
        p999_before: calm.latencies.quantile(0.999),
    })
}

/// Gives the word and reads the resident size until it is near, and two seconds beyond.
fn shrink(
    server: &Server,
    extent: &Extent,
    full: f64,
    target: f64,
) -> Result<(Option<Duration>, f64), String> {
    std::thread::park_timeout(Duration::from_millis(300));
    let begun = Instant::now();
    let said = server.set_limit(extent.full_mib / 2)?;
    if !said.contains("OK") {
        return Err(format!("the new limit was answered {said:?}"));
    }
    let (mut took, mut lowest) = (None, full);
    let mut until = begun + PATIENCE;
    while Instant::now() < until {
        let rss = server.rss() as f64;
        lowest = lowest.min(rss);
        if took.is_none() && (rss - target).abs() <= NEAR * target {
            let now = Instant::now();
            took = Some(now - begun);
            // So soon, only ours is there; what it does afterwards counts too.
            until = now + Duration::from_secs(if server.kind == Kind::Ours { 2 } else { 1 });
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    Ok((took, lowest))
}
