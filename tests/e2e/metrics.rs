//! `/metrics` as Prometheus meets it.

mod reference;

use plimsoll_tests::{Agent, Load, skipped, wait_for};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Values by name and labels.
fn scrape(agent: &Agent) -> BTreeMap<String, f64> {
    let text = agent.get("/metrics").body;
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let (series, value) = line.rsplit_once(' ').expect("a name and a value");
        (series.to_owned(), value.parse().expect("a number"))
    })
    .collect()
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let agent = Agent::start(&[]);
    let _hostile = Load::named(Some("a\"b\\c\nd"), &["hold", "1"], None);
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    promtool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = promtool.spawn() else {
        assert!(skipped("promtool is not installed: apt-get install prometheus"));
        return;
    };
    let metrics = agent.get("/metrics").body;
    let mut stdin = promtool.stdin.take().expect("stdin is piped");
    stdin.write_all(metrics.as_bytes()).expect("promtool reads");
    drop(stdin);
    let checked = promtool.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && said.is_empty(), "{said}\nin\n{metrics}");
    assert!(checked.stdout.is_empty());
}

#[test]
fn the_agent_counts_its_own_cost_and_no_counter_falls() {
    let agent = Agent::start(&["--interval", "100ms"]);
    // On a node with many processes it is still growing now.
    let before = wait_for("its RSS agrees with the kernel", Duration::from_secs(30), || {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", agent.pid()));
        let statm = statm.map_err(|e| e.to_string())?;
        let pages: f64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).ok_or("no pages")?;
        let real = pages * rustix::param::page_size() as f64;
        let scraped = scrape(&agent);
        let said = scraped["plimsoll_agent_rss_bytes"];
        let apart = (said - real).abs();
        if apart < 4e6 { Ok(scraped) } else { Err(format!("{said} is not {real}")) }
    });
    let rss = before["plimsoll_agent_rss_bytes"];
    let allocated = before["plimsoll_agent_allocator_bytes{kind=\"allocated\"}"];
    assert!(allocated > 100_000.0 && allocated < rss, "{allocated}");
    assert!(before["plimsoll_first_sweep_seconds"] > 0.0);
    assert!(before["plimsoll_first_sweep_seconds"] < 5.0);
    let later = wait_for("its cost moves", Duration::from_secs(30), || {
        let later = scrape(&agent);
        let grown = |name: &str| later[name] > before[name];
        let moved = grown("plimsoll_agent_cpu_seconds_total")
            && grown("plimsoll_agent_sampler_cpu_seconds_total")
            && grown("plimsoll_agent_uptime_seconds")
            && later["plimsoll_samples_total{source=\"process\"}"]
                > before["plimsoll_samples_total{source=\"process\"}"] + 100.0;
        if moved { Ok(later) } else { Err("not yet".to_owned()) }
    });
    let counters = before.iter().filter(|(series, _)| {
        series.split('{').next().is_some_and(|name| name.ends_with("_total"))
    });
    let mut compared = 0;
    for (series, value) in counters {
        if let Some(now) = later.get(series) {
            assert!(now >= value, "{series} fell from {value} to {now}");
            compared += 1;
        }
    }
    assert!(compared >= 12, "only {compared} counters");
}
