//! A collector that is dead for a while: all that was measured meanwhile has to arrive.
//!
//! Programs are killed by the kernel during the outage, so that there are log records to lose too.

use super::{Plan, agent, exporting, watch};
use crate::bench::cost;
use crate::bench::flock::mortal;
use crate::bench::heap::table::Row;
use plimsoll_tests::otlp::{Receiver, strict};
use plimsoll_tests::{Agent, Alertmanager, Cgroup};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

const INTERVAL_S: u64 = 5;
const MIB: f64 = 1024.0 * 1024.0;
const KILLS: usize = 3;
/// Between two attempts there is at most a minute; what waited is sent at once then.
const RECOVERY: Duration = Duration::from_secs(150);

pub fn measure(plan: &Plan) -> Result<Vec<Row>, String> {
    let address = Alertmanager::free_address();
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let collector = Receiver::start(&address);
    collector.be_brief();
    let agent = agent(dir.path(), &exporting(&address, INTERVAL_S, ""))?;
    watch(Duration::from_secs(60), || {
        (!collector.times().is_empty(), "until the collector has something".to_owned())
    });
    let mut times = collector.times();
    drop(collector);
    let (rss_before, peak, killed) = dead(plan, &agent);
    let waited = agent.metric("plimsoll_export_queued_bytes{signal=\"metrics\"}");
    let queued = agent.metric("plimsoll_export_queued{signal=\"metrics\"}");
    let collector = Receiver::start(&address);
    collector.be_brief();
    let begun = Instant::now();
    let recovered = watch(RECOVERY, || {
        let waits = |signal| agent.metric(&format!("plimsoll_export_queued{{signal={signal:?}}}"));
        let left = waits("metrics") + waits("logs") + waits("traces");
        (left == 0.0, format!("the collector is back; {left} requests wait"))
    });
    let recovery = begun.elapsed().as_secs_f64();
    if !recovered {
        return Err(format!("what waited did not arrive: {}", agent.log()));
    }
    times.extend(collector.times());
    let made = agent.metric("plimsoll_exports_total");
    let lost = made - times.iter().collect::<BTreeSet<_>>().len() as f64;
    let seconds = plan.outage.as_secs();
    let rows = vec![
        Row::new(format!("collector dead for {seconds} s: exports lost"), "exports", lost)
            .at_most(0.0)
            .against(format!("{made} made, {queued} waited in {:.1} MiB", waited / MIB)),
        Row::new("  longest time without a point", "s", widest(&times))
            .at_most(INTERVAL_S as f64 + 3.0)
            .against(format!("an interval of {INTERVAL_S} s")),
        Row::new("  incidents that did not arrive", "incidents", missing(&agent, &collector))
            .at_most(0.0)
            .against(format!("{killed} kills meanwhile, and the agent's list")),
        Row::new("  requests dropped", "requests", dropped(&agent)).at_most(0.0),
        Row::new("  memory of the agent above before", "MiB", (peak - rss_before) / MIB)
            .at_most(8.0),
        Row::new("  until all had arrived", "s", recovery).at_most(RECOVERY.as_secs_f64()),
    ];
    Ok(rows)
}

/// The outage. Memory before and at most, and how many programs the kernel killed.
fn dead(plan: &Plan, agent: &Agent) -> (f64, f64, usize) {
    let rss = || cost::rss(agent.pid()).unwrap_or(0) as f64;
    let (before, mut peak, mut killed) = (rss(), 0.0_f64, 0);
    let begun = Instant::now();
    watch(plan.outage, || {
        peak = peak.max(rss());
        let due = plan.outage.mul_f64((killed + 1) as f64 / (KILLS + 1) as f64);
        if killed < KILLS && begun.elapsed() >= due {
            killed += usize::from(kill_one(killed));
        }
        let mib = (peak - before) / MIB;
        (false, format!("the collector is dead; {killed} kills, {mib:.1} MiB more"))
    });
    (before, peak, killed)
}

/// Has the kernel kill a program for want of memory.
fn kill_one(n: usize) -> bool {
    let Ok(cgroup) = Cgroup::named(&format!("outage-{n}"), 24) else { return false };
    let enters =
        format!("echo $$ > {}/cgroup.procs && exec tail /dev/zero", cgroup.dir().display());
    let mut greedy = mortal("sh");
    greedy.args(["-c", &enters]).stdout(Stdio::null()).stderr(Stdio::null());
    greedy.status().is_ok_and(|status| !status.success())
}

/// The longest time between two exports. Units: seconds.
fn widest(times: &[u64]) -> f64 {
    let sorted: BTreeSet<u64> = times.iter().copied().collect();
    let gaps = sorted.iter().zip(sorted.iter().skip(1)).map(|(a, b)| b - a);
    gaps.max().unwrap_or(0) as f64 / 1e9
}

/// Incidents that the agent has and the collector was not told of.
fn missing(agent: &Agent, collector: &Receiver) -> f64 {
    let told: String =
        collector.records().iter().map(|one| strict::shown(&one.attributes)).collect();
    let incidents = agent.json("/api/v1/incidents");
    let ids = incidents.as_array().into_iter().flatten().filter_map(|one| one["id"].as_str());
    ids.filter(|id| !told.contains(*id)).count() as f64
}

fn dropped(agent: &Agent) -> f64 {
    let text = agent.get("/metrics").body;
    let lines = text.lines().filter(|line| line.starts_with("plimsoll_export_dropped_total{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
