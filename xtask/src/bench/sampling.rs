//! `cargo xtask bench sampling`: what watching costs, and what it does to those who are watched.
//!
//! Everything in the table is measured in this run: the floor (bare preads), the agent, the peers.
//! Shares are of one core, medians of several stretches; the machine may be shared and noisy.

use super::flock::{Cages, Flock};
use super::peers;
use super::stall::Target;
use super::subject::Agent;
use super::{cost, floor};
use crate::Outcome;
use crate::run::{command, run};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::{Duration, Instant};

/// Every target once a second, whatever its urgency and whatever it costs.
const AT_ONE_HERTZ: &[(&str, &str)] =
    &[("PLIMSOLL_INTERVAL", "1s"), ("PLIMSOLL_SAMPLING_CPU_BUDGET", "100%")];
const MIB: f64 = 1024.0 * 1024.0;

/// How much of everything.
struct Plan {
    many: usize,
    few: usize,
    cgroups: usize,
    target_gib: u32,
    /// Until the cadence has followed the urgency of a quiet flock.
    settle: Duration,
    minutes: usize,
    stretch: Duration,
}

const FULL: Plan = Plan {
    many: 10_000,
    few: 2_000,
    cgroups: 1_000,
    target_gib: 4,
    settle: Duration::from_secs(200),
    minutes: 3,
    stretch: Duration::from_secs(10),
};
const QUICK: Plan = Plan {
    many: 1_000,
    few: 500,
    cgroups: 100,
    target_gib: 1,
    settle: Duration::from_secs(20),
    minutes: 1,
    stretch: Duration::from_secs(3),
};

/// One line of the table; `goal` is met if `value` is at most (or at least) that.
struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    goal: Option<Goal>,
}

enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

pub fn bench(quick: bool) -> Outcome {
    let plan = if quick { QUICK } else { FULL };
    run(command(&["cargo", "build", "--release", "--package", "plimsoll"]))?;
    raise_descriptors();
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    let mut flock = Flock::default();
    println!("starting {} sleeping processes", plan.few);
    flock.grow_to(plan.few)?;
    let outcome = beside_peers(&plan, &mut rows, &mut notes)
        .and_then(|()| {
            println!("starting {} sleeping processes", plan.many);
            flock.grow_to(plan.many)
        })
        .and_then(|()| at_one_hertz(&plan, &flock, &mut rows))
        .and_then(|()| at_own_cadence(&plan, &mut rows));
    drop(flock);
    let outcome = outcome
        .and_then(|()| with_cgroups(&plan, &mut rows))
        .and_then(|()| stalls(&plan, &mut rows));
    // What was measured before something failed is worth seeing all the same.
    print(&rows, &notes);
    outcome
}

fn beside_peers(plan: &Plan, rows: &mut Vec<Row>, notes: &mut Vec<String>) -> Outcome {
    println!("agent and peers at 1 Hz over {} processes", plan.few);
    let agent = Agent::start(AT_ONE_HERTZ)?;
    std::thread::park_timeout(plan.stretch);
    let own = agent.share(5, plan.stretch);
    let n = plan.few;
    rows.push(Row::shown(format!("agent, {n} processes at 1 Hz"), own * 100.0, "% of a core"));
    rows.push(Row::shown(
        format!("agent, RSS with {n} processes"),
        agent.rss() as f64 / MIB,
        "MiB",
    ));
    drop(agent);
    for (peer, goal) in peers::measure(15).into_iter().zip([50.0, 10.0]) {
        match peer {
            Err(why) => notes.push(why),
            Ok(peer) => {
                let name = &peer.name;
                rows.push(Row::shown(name.clone(), peer.share * 100.0, "% of a core"));
                rows.push(Row::shown(format!("{name}, RSS"), peer.rss as f64 / MIB, "MiB"));
                rows.push(Row {
                    what: format!("{name} ÷ agent, CPU"),
                    value: peer.share / own,
                    unit: "×",
                    goal: Some(Goal::AtLeast(goal)),
                });
            }
        }
    }
    Ok(())
}

fn at_one_hertz(plan: &Plan, flock: &Flock, rows: &mut Vec<Row>) -> Outcome {
    let n = plan.many;
    println!("floor and agent at 1 Hz over {n} processes");
    let pids: Vec<u32> = flock.pids().collect();
    let before = floor::statm_pass(&pids, 15)?;
    let agent = Agent::start(AT_ONE_HERTZ)?;
    let ready = agent.ready_after.as_secs_f64();
    std::thread::park_timeout(plan.stretch * 3);
    let (begun, read_before) = (Instant::now(), agent.readings());
    let share = agent.share(7, plan.stretch);
    let readings = (agent.readings() - read_before) / begun.elapsed().as_secs_f64();
    let rss = agent.rss() as f64 / MIB;
    let disk = disk_usage(agent.state_dir()) as f64 / MIB;
    drop(agent);
    let after = floor::statm_pass(&pids, 15)?;
    let floor = cost::median(vec![before.as_secs_f64(), after.as_secs_f64()]);
    rows.push(Row::shown(format!("bare pread(statm), {n} a second"), floor * 100.0, "% of a core"));
    rows.push(Row::shown(format!("agent, {n} processes at 1 Hz"), share * 100.0, "% of a core"));
    rows.push(Row::shown("  process readings it took".to_owned(), readings, "a second"));
    rows.push(Row::most("  agent ÷ bare pread".to_owned(), share / floor, "×", 1.3));
    rows.push(Row::most(format!("agent, RSS with {n} processes"), rss, "MiB", 30.0));
    rows.push(Row::shown("agent, history on disk by then".to_owned(), disk, "MiB"));
    rows.push(Row::most("start to the first complete sweep".to_owned(), ready, "s", 1.0));
    Ok(())
}

/// `cargo xtask bench sampling --bpf`: one pass over all processes, by the task iterator and by
/// bare preads. The agent reads by the latter (decision 0009).
pub fn bench_bpf() -> Outcome {
    raise_descriptors();
    let mut flock = Flock::default();
    println!("starting {} sleeping processes", FULL.many);
    flock.grow_to(FULL.many)?;
    let pids: Vec<u32> = flock.pids().collect();
    let bare = floor::statm_pass(&pids, 15)?.as_secs_f64() * 1000.0;
    let look = floor::task_iterator_pass(15)?.as_secs_f64() * 1000.0;
    drop(flock);
    let what = format!("bare pread(statm) of {}, a pass", FULL.many);
    let rows = [
        Row::shown(what, bare, "ms of CPU"),
        Row::shown("BPF task iterator, a pass".to_owned(), look, "ms of CPU"),
        Row::shown("  pread ÷ iterator".to_owned(), bare / look, "×"),
    ];
    print(&rows, &[]);
    Ok(())
}

fn at_own_cadence(plan: &Plan, rows: &mut Vec<Row>) -> Outcome {
    let n = plan.many;
    println!("agent at its own cadence, settling for {} s", plan.settle.as_secs());
    let agent = Agent::start(&[])?;
    std::thread::park_timeout(plan.settle);
    // The longest interval is a minute: only whole minutes hold all that is done.
    let share = agent.share(plan.minutes, Duration::from_secs(60));
    let what = format!("agent, {n} processes, cadence by urgency");
    rows.push(Row::most(what, share * 100.0, "% of a core", 0.2));
    rows.push(Row::most("  RSS then".to_owned(), agent.rss() as f64 / MIB, "MiB", 30.0));
    Ok(())
}

fn with_cgroups(plan: &Plan, rows: &mut Vec<Row>) -> Outcome {
    println!("{} memory cgroups at 1 Hz", plan.cgroups);
    let base = {
        let agent = Agent::start(AT_ONE_HERTZ)?;
        std::thread::park_timeout(plan.stretch);
        agent.share(3, plan.stretch)
    };
    let cages = match Cages::make(plan.cgroups) {
        Ok(cages) => cages,
        Err(why) => return Err(format!("memory cgroups: {why}")),
    };
    let floor = floor::pass(&cages.usage_files(), 15)?.as_secs_f64();
    let agent = Agent::start(AT_ONE_HERTZ)?;
    std::thread::park_timeout(plan.stretch);
    let share = agent.share(5, plan.stretch);
    drop(agent);
    drop(cages);
    let n = plan.cgroups;
    let what = format!("bare pread(usage, memory.stat), {n} a second");
    rows.push(Row::shown(what, floor * 100.0, "% of a core"));
    let what = format!("{n} cgroups at 1 Hz, with a process in each");
    rows.push(Row::most(what, (share - base) * 100.0, "% of a core", 0.5));
    let what = "  (agent + that process's pread) ÷ bare preads".to_owned();
    rows.push(Row::shown(what, (share - base) / floor, "×"));
    Ok(())
}

fn stalls(plan: &Plan, rows: &mut Vec<Row>) -> Outcome {
    println!("a target of {} GiB times its own mmap", plan.target_gib);
    let mut target = Target::start(plan.target_gib)?;
    let alone = target.measure(20)?;
    let agent = Agent::start(&[("PLIMSOLL_SAMPLING_PSS_INTERVAL", "10s")])?;
    let watched = target.measure(40)?;
    drop(agent);
    let ms = |d: Duration| d.as_secs_f64() * 1000.0;
    let gib = plan.target_gib;
    rows.push(Row::shown(format!("mmap p99.9 of a {gib} GiB target, alone"), ms(alone.p999), "ms"));
    let what = format!("mmap p99.9 of a {gib} GiB target, PSS on");
    rows.push(Row::most(what, ms(watched.p999), "ms", 1.0));
    rows.push(Row::shown("  p50, PSS on".to_owned(), ms(watched.p50), "ms"));
    rows.push(Row::shown("  longest, alone".to_owned(), ms(alone.max), "ms"));
    rows.push(Row::shown("  longest, PSS on".to_owned(), ms(watched.max), "ms"));
    Ok(())
}

impl Row {
    const fn shown(what: String, value: f64, unit: &'static str) -> Self {
        Self { what, value, unit, goal: None }
    }

    const fn most(what: String, value: f64, unit: &'static str, most: f64) -> Self {
        Self { what, value, unit, goal: Some(Goal::AtMost(most)) }
    }

    fn goal(&self) -> String {
        match self.goal {
            None => String::new(),
            Some(Goal::AtMost(most)) => met(self.value <= most, "≤", most),
            Some(Goal::AtLeast(least)) => met(self.value >= least, "≥", least),
        }
    }
}

fn met(met: bool, sign: &str, goal: f64) -> String {
    format!("{sign} {goal} {}", if met { "met" } else { "MISSED" })
}

fn print(rows: &[Row], notes: &[String]) {
    println!("\n{}", machine());
    println!("| what | measured | goal |\n|---|---|---|");
    for row in rows {
        println!("| {} | {:.3} {} | {} |", row.what, row.value, row.unit, row.goal());
    }
    for note in notes {
        println!("not measured: {note}");
    }
}

pub fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find(|l| l.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("?", |(_, model)| model);
    let cpus = cpuinfo.lines().filter(|l| l.starts_with("processor")).count();
    format!("{cpus} × {model}, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}

fn disk_usage(dir: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum()
}

fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // What is not raised shows as an error when the floor's files are opened.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
