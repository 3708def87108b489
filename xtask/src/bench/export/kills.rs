//! SIGKILL between two exports: what of the time before it never arrives.

use super::{Plan, agent, exporting, watch};
use crate::bench::heap::table::Row;
use plimsoll_tests::Alertmanager;
use plimsoll_tests::otlp::Receiver;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const INTERVAL_S: u64 = 5;
/// The agent looks at its clock once a second, and making an export takes a moment.
const SLACK_S: f64 = 1.5;

/// The collector is dead whenever the agent is killed, so that all it had is what is on disk.
pub fn measure(plan: &Plan) -> Result<Vec<Row>, String> {
    let address = Alertmanager::free_address();
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut ends = Vec::new();
    let mut stale = 0.0;
    for n in 0..plan.kills {
        let mut agent = agent(dir.path(), &exporting(&address, INTERVAL_S, ""))?;
        let wanted = stale + 2.0;
        let queued = "plimsoll_export_queued{signal=\"metrics\"}";
        let went = watch(Duration::from_secs(60), || {
            stale = agent.metric(queued);
            (stale >= wanted, format!("kill {} of {}: {stale} requests wait", n + 1, plan.kills))
        });
        if !went {
            return Err(format!("nothing is queued: {}", agent.log()));
        }
        // Each at another moment of the interval.
        let later = Duration::from_secs(INTERVAL_S).mul_f64((n as f64 + 0.5) / plan.kills as f64);
        std::thread::park_timeout(later);
        agent.kill();
        ends.push(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
    }
    let collector = Receiver::start(&address);
    collector.be_brief();
    let agent = agent(dir.path(), &exporting(&address, INTERVAL_S, ""))?;
    watch(Duration::from_secs(90), || {
        let left = agent.metric("plimsoll_export_queued{signal=\"metrics\"}");
        (left == 0.0, format!("the collector is back; {left} requests wait"))
    });
    let times: Vec<f64> = collector.times().iter().map(|ns| *ns as f64 / 1e9).collect();
    let loss = ends.iter().map(|end| {
        let last = times.iter().copied().filter(|at| at <= end).fold(0.0, f64::max);
        end - last
    });
    let longest = loss.fold(0.0, f64::max);
    let what = format!("kill -9, {} times: longest time before it that is lost", ends.len());
    Ok(vec![
        Row::new(what, "s", longest)
            .at_most(INTERVAL_S as f64 + SLACK_S)
            .against(format!("one flush: an interval of {INTERVAL_S} s")),
    ])
}
