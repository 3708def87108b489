//! A kill by the kernel: whom it took, for whose limit, told where people look.

use plimsoll_tests::{Agent, Cgroup, Load, skipped, wait_for};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_kill_is_told_of_with_its_victim_and_the_cgroup_whose_limit_it_was() {
    let cgroup = match Cgroup::make(24) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    let mut agent = Agent::start(&[]);
    if !agent.source("oom_log").starts_with("[+]") {
        return assert!(skipped(&agent.source("oom_log")));
    }
    let before = agent.metric("plimsoll_oom_kills_seen_total");
    let mut victim = Load::named(Some("greedy"), &["leak", "200"], Some(&cgroup));
    let pid = victim.pid().to_string();
    wait_for("the kernel kills it", SOON, || {
        if victim.ended() { Ok(()) } else { Err("it lives".to_owned()) }
    });

    let told = agent.event(SOON, |event| {
        event["event"] == "alert" && event["data"]["labels"]["pid"] == pid.as_str()
    });
    assert_eq!(told["data"]["name"], "OomKill");
    let id = &told["data"]["labels"]["incident"];
    let incident =
        agent.event(SOON, |event| event["event"] == "incident" && event["data"]["id"] == *id);
    assert_eq!(incident["data"]["cgroup"], cgroup.path());
    let alert = wait_for("the alert is listed", SOON, || {
        let alerts = agent.alerts_on(victim.pid(), None);
        let kill = alerts.iter().find(|alert| alert["name"] == "OomKill").cloned();
        kill.ok_or_else(|| format!("{alerts:#?}"))
    });
    assert_eq!(alert["labels"]["comm"], "greedy");
    assert_eq!(alert["labels"]["cgroup"], cgroup.path());
    assert_eq!(alert["severity"], "critical");
    assert!(alert["summary"].as_str().is_some_and(|text| text.contains("greedy")), "{alert:#}");

    assert!(agent.metric("plimsoll_oom_kills_seen_total") > before);
    let counter = format!("plimsoll_cgroup_oom_kills_total{{cgroup=\"{}\"}}", cgroup.path());
    wait_for("the cgroup's own counter moves", SOON, || {
        let text = agent.get("/metrics").body;
        let line = text.lines().find(|line| line.starts_with(&counter)).unwrap_or("none");
        if line.ends_with(" 1.0") { Ok(()) } else { Err(line.to_owned()) }
    });
    assert_eq!(agent.get("/readyz").status, 200);
    assert_eq!(agent.terminate(), Some(0));
}
