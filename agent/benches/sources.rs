//! What one reading of each source costs on this machine: `cargo xtask bench sources`.
//!
//! Each figure is the median of rounds, in the same run as the bare system call it is held against.
//! The targets are this process, its cgroup and the node as they are.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use plimsoll::clock::Stamp;
use plimsoll::history::{History, HistoryParams, Split};
use plimsoll::sources::Roots;
use plimsoll::sources::cgroup::{self, Layout};
use plimsoll::sources::node::{meminfo, read_quick, read_slow, vmstat};
use plimsoll::sources::oom::OomLog;
use plimsoll::sources::process::{
    Kept, list_pids, read_details, read_identity, read_smaps_rollup, read_stat_rss, read_statm_at,
    statm,
};
use plimsoll::target::{ProcessId, Target};
use plimsoll::units::Bytes;
use std::fs::File;
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 31;

/// Prints the median time of one call, in microseconds.
fn time<T>(what: &str, calls: u32, mut call: impl FnMut() -> T) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            (0..calls).for_each(|_| drop(black_box(call())));
            begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("| {what} | {:.3} |", rounds[ROUNDS / 2]);
}

fn main() {
    let roots = Roots::default();
    println!("| one reading | µs, median of {ROUNDS} |\n|---|---|");
    processes(&roots);
    cgroups(&roots);
    time("node: meminfo, vmstat and pressure", 20, || read_quick(&roots));
    time("node: meminfo", 20, || meminfo::read(&roots));
    time("node: vmstat", 20, || vmstat::read(&roots));
    time("node: zones, slabs, NUMA, huge pages", 5, || read_slow(&roots));
    if let Ok(mut log) = OomLog::open(&roots) {
        let mut kills = Vec::new();
        let what = format!("kernel log by {}, nothing new", log.how());
        time(&what, 100, || log.drain(&mut kills));
    }
    histories();
}

fn processes(roots: &Roots) {
    let pid = std::process::id();
    let id = read_identity(roots, pid).expect("this process is there").id;
    let file = File::open("/proc/self/statm").expect("proc is mounted");
    let mut buffer = [0; 128];
    let bare = || rustix::io::pread(&file, &mut buffer, 0).expect("it can be read");
    time("bare pread of statm, kept descriptor", 1000, bare);
    let kept = Kept::open(roots, id).expect("it can be kept");
    time("process: statm, kept descriptor", 1000, || kept.read());
    let text = b"4423 1281 1024 201 0 520 0\n";
    time("process: statm, parsing alone", 1000, || statm::parse(black_box(text)));
    time("process: statm, opened", 200, || read_statm_at(roots, id));
    time("process: RSS of stat, opened", 200, || read_stat_rss(roots, id));
    time("process: identity", 200, || read_identity(roots, pid));
    time("process: status, stat, descriptors", 200, || read_details(roots, id));
    time("process: smaps_rollup", 50, || read_smaps_rollup(roots, id));
    let mut pids = Vec::new();
    time("list of all processes", 20, || list_pids(roots, &mut pids));
    println!("|   of which there were | {} |", pids.len());
}

fn cgroups(roots: &Roots) {
    let Ok(layout) = Layout::detect(roots) else { return };
    let mut paths = Vec::new();
    time("walk over all cgroups", 5, || layout.walk(100_000, &mut paths));
    println!("|   of which there were | {} |", paths.len());
    let Some(path) = paths.last() else { return };
    let Ok(kept) = cgroup::Kept::open(&layout, path) else { return };
    let mut buffer = Vec::new();
    time("cgroup: usage, kept descriptors", 500, || kept.read(&mut buffer));
    let opened = || cgroup::read_usage_at(&layout, path, &mut buffer);
    time("cgroup: usage, opened", 200, opened);
    time("cgroup: limits, events, pressure", 50, || cgroup::read_details(&layout, path));
}

fn histories() {
    const SERIES: u32 = 10_000;
    let mut history = History::new(HistoryParams { ram_budget: Bytes::mib(16) });
    let ids: Vec<_> = (0..SERIES)
        .map(|pid| history.open(&Target::Process(ProcessId { pid, start_time: 1 }), Stamp(0)))
        .collect();
    let mut second = 0_u64;
    let mut pass = |what: &str, grown: u64| {
        time(what, 1, || {
            second += 1;
            let at = Stamp(i64::try_from(second).unwrap_or(i64::MAX) * 1000);
            let used = Bytes::mib(100 + second * grown);
            let split = Split { used, anon: used, ..Split::default() };
            ids.iter().for_each(|&id| history.push(id, at, split));
        });
    };
    pass("history: 10,000 unchanged readings", 0);
    pass("history: 10,000 changed readings", 1);
}
