//! A node of real processes and containers: what exports and scrapes cost the agent there.
//!
//! Idle is an agent of the same age that exports nothing. CPU is that of the thread that makes
//! exports and of the one that sends them; memory is the highest of the process.

use super::{Plan, agent, exporting, watch};
use crate::bench::cost;
use crate::bench::flock::{Cages, Flock};
use crate::bench::heap::table::Row;
use plimsoll_tests::Agent;
use plimsoll_tests::otlp::Receiver;
use std::fs;
use std::time::{Duration, Instant};

/// How often metrics are exported here.
const INTERVAL_S: u64 = 5;
const MIB: f64 = 1024.0 * 1024.0;
/// The threads of an export, as the kernel names them: 15 characters of theirs.
const THREADS: [&str; 2] = ["plimsoll-export", "otlp-metrics"];

pub fn measure(plan: &Plan) -> Result<Vec<Row>, String> {
    let (processes, containers) = (plan.processes, plan.containers);
    println!("starting {processes} processes, {containers} of them in containers");
    let cages = Cages::containers(containers)?;
    let mut flock = Flock::default();
    flock.grow_to(processes.saturating_sub(containers))?;
    let size = format!("{processes} processes, {containers} containers");
    let idle = idle(plan)?;
    let mut rows = vec![Row::new(format!("{size}: agent that exports nothing"), "MiB", idle)];
    for (what, more, is_default) in
        [("as configured by default", "", true), ("every process", "processes_max = 32768", false)]
    {
        let found = exports(plan, more)?;
        let cpu = Row::new(format!("one export, {what}: CPU"), "ms", found.cpu_ms);
        let memory = Row::new("  its memory above idle", "MiB", found.peak_mib - idle);
        let truth = format!("{:.0} resources", found.entities);
        rows.push(cpu.at_most(50.0).against(truth));
        rows.push(memory.at_most(8.0).against("an agent of the same age without export"));
        if is_default {
            let scrape = Row::new("one scrape of /metrics: time", "ms", found.scrape_ms);
            rows.push(scrape.at_most(30.0).against(format!("{} KiB", found.scrape_kib)));
        }
    }
    drop((flock, cages));
    Ok(rows)
}

struct Found {
    cpu_ms: f64,
    peak_mib: f64,
    entities: f64,
    scrape_ms: f64,
    scrape_kib: usize,
}

/// The highest memory of an agent that exports nothing. Units: MiB.
fn idle(plan: &Plan) -> Result<f64, String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let agent = agent(dir.path(), "")?;
    watch(plan.settle, || (false, "an agent that exports nothing".to_owned()));
    // The other is scraped as well before its memory is looked at.
    agent.try_get("/metrics")?;
    Ok(peak_over(&agent, plan))
}

fn exports(plan: &Plan, more: &str) -> Result<Found, String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let receiver = Receiver::start("127.0.0.1:0");
    receiver.be_brief();
    let agent = agent(dir.path(), &exporting(&receiver.address, INTERVAL_S, more))?;
    watch(plan.settle, || (false, format!("{} requests taken", receiver.requests().len())));
    let (cpu, made) = (spent(&agent), agent.metric("plimsoll_exports_total"));
    let peak_mib = peak_over(&agent, plan);
    let (cpu, made) = (spent(&agent) - cpu, agent.metric("plimsoll_exports_total") - made);
    let mut scrapes = Vec::new();
    let mut scrape_kib = 0;
    for _ in 0..plan.rounds * 3 {
        let begun = Instant::now();
        scrape_kib = agent.try_get("/metrics")?.body.len() / 1024;
        scrapes.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    if made < 1.0 {
        return Err(format!("nothing was exported: {}", agent.log()));
    }
    Ok(Found {
        cpu_ms: cpu * 1000.0 / made,
        peak_mib,
        entities: agent.metric("plimsoll_export_entities"),
        scrape_ms: cost::median(scrapes),
        scrape_kib,
    })
}

/// The highest memory over as long as the exports take that are measured. Units: MiB.
fn peak_over(agent: &Agent, plan: &Plan) -> f64 {
    // The peak begins anew. Source: proc(5), clear_refs.
    let _ = fs::write(format!("/proc/{}/clear_refs", agent.pid()), "5");
    let rounds = u32::try_from(plan.rounds).unwrap_or(1);
    watch(Duration::from_secs(INTERVAL_S) * rounds, || (false, "measuring".to_owned()));
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1024.0 / MIB
}

/// CPU time of the threads of the export. Units: seconds.
fn spent(agent: &Agent) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid()));
    let own = |path: std::path::PathBuf| {
        let name = fs::read_to_string(path.join("comm")).ok()?;
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        let ns: u64 = text.split(' ').next()?.parse().ok()?;
        THREADS.contains(&name.trim()).then_some(ns as f64 / 1e9)
    };
    tasks.into_iter().flatten().flatten().filter_map(|task| own(task.path())).sum()
}
