//! Alerts on their way out: to a real Alertmanager, to servers of the test's own, over outages of
//! both ends.

mod commands;

use plimsoll_tests::{Agent, Alertmanager, Cgroup, Hook, Load, Posted, skipped, wait_for};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// What a test of kills needs; None, and the reason is said, where it cannot be had.
struct Ground {
    cgroups: Vec<Cgroup>,
    dir: tempfile::TempDir,
    address: String,
}

impl Ground {
    fn prepare(name: &str, cgroups: usize) -> Option<Self> {
        let make = |n| Cgroup::named(&format!("{name}-{n}"), 24);
        match (0..cgroups).map(make).collect() {
            Ok(cgroups) => Some(Self {
                cgroups,
                dir: tempfile::tempdir().expect("a directory"),
                address: Alertmanager::free_address(),
            }),
            Err(why) => {
                assert!(skipped(&why));
                None
            }
        }
    }

    fn path(&self, n: usize) -> String {
        self.cgroups[n].path()
    }

    /// Writes a configuration, and gives its path.
    fn config(&self, text: &str) -> PathBuf {
        let file = self.dir.path().join("plimsoll.toml");
        std::fs::write(&file, text).expect("the file can be written");
        file
    }

    fn agent(&self, config: &Path) -> Agent {
        let config = config.to_str().expect("the path is text");
        Agent::start_in(&self.dir.path().join("state"), &["--config", config])
    }

    fn alertmanager(&self) -> Option<Alertmanager> {
        match Alertmanager::start(&self.address, self.dir.path()) {
            Ok(alertmanager) => Some(alertmanager),
            Err(why) => {
                assert!(skipped(&why));
                None
            }
        }
    }

    /// Has the kernel kill a program in one of the cgroups.
    fn kill_in(&self, n: usize) {
        let mut victim = Load::named(Some("greedy"), &["leak", "200"], Some(&self.cgroups[n]));
        wait_for("the kernel kills it", SOON, || {
            if victim.ended() { Ok(()) } else { Err("it lives".to_owned()) }
        });
    }
}

/// Whether this agent hears which cgroup a kill was in.
fn hears_kills(agent: &Agent) -> bool {
    let source = agent.source("oom_log");
    source.starts_with("[+]") || !skipped(&source)
}

fn kills_told(hook: &Hook, cgroup: &str) -> Vec<Value> {
    let of = |posted: Posted| posted.body["alerts"].as_array().cloned().unwrap_or_default();
    let alerts = hook.posted().into_iter().flat_map(of);
    alerts.filter(|alert| alert["labels"]["cgroup"] == cgroup).collect()
}

#[test]
fn an_oom_kill_reaches_a_real_alertmanager_and_is_told_again_and_again() {
    let Some(ground) = Ground::prepare("am", 1) else { return };
    let Some(alertmanager) = ground.alertmanager() else { return };
    let config = ground.config(&format!(
        r#"
        alerts.labels = ["cluster=test"]
        [[destinations]]
        name = "am"
        type = "alertmanager"
        urls = ["http://{}"]
        resend_interval = "1s"
        "#,
        ground.address
    ));
    let agent = ground.agent(&config);
    if !hears_kills(&agent) {
        return;
    }
    ground.kill_in(0);
    let alert = wait_for("Alertmanager has the alert", SOON, || {
        let alerts = alertmanager.alerts("cgroup", &ground.path(0));
        alerts
            .first()
            .cloned()
            .ok_or_else(|| format!("{}\n{}", agent.source("destination:am"), agent.log()))
    });
    assert_eq!(alert["labels"]["alertname"], "OomKill");
    assert_eq!(alert["labels"]["severity"], "critical");
    assert_eq!(alert["labels"]["cluster"], "test");
    assert!(alert["annotations"]["summary"].as_str().is_some_and(|s| s.contains("greedy")));
    assert_eq!(alert["status"]["state"], "active");
    let ends = |alert: &Value| alert["endsAt"].as_str().map(str::to_owned);
    wait_for("its end moves on with each resend", SOON, || {
        let now = alertmanager.alerts("cgroup", &ground.path(0));
        if now.first().and_then(ends) > ends(&alert) { Ok(()) } else { Err(format!("{now:?}")) }
    });
    assert_eq!(alertmanager.counted("alertmanager_alerts_invalid_total"), 0.0);
    let sent = agent.metric("plimsoll_notices_sent_total{destination=\"am\"}");
    assert!(sent >= 2.0, "{sent}");
    assert!(agent.source("destination:am").starts_with("[+]"));
    assert!(agent.log().contains("OomKill"), "the log is told too");
}

#[test]
fn oom_kills_that_alertmanager_missed_while_the_agent_was_killed_too_are_all_told() {
    let Some(ground) = Ground::prepare("lost", 3) else { return };
    let config = ground.config(&format!(
        r#"
        [[destinations]]
        name = "am"
        type = "alertmanager"
        urls = ["http://{}"]
        resend_interval = "1m"
        "#,
        ground.address
    ));
    let mut agent = ground.agent(&config);
    if !hears_kills(&agent) {
        return;
    }
    for n in 0..3 {
        ground.kill_in(n);
        wait_for("its alert waits", SOON, || {
            let queued = agent.metric("plimsoll_notices_queued{destination=\"am\"}");
            if queued >= (n + 1) as f64 { Ok(()) } else { Err(format!("{queued}")) }
        });
    }
    wait_for("an attempt failed", SOON, || {
        let source = agent.source("destination:am");
        if source.starts_with("[-]") { Ok(()) } else { Err(source) }
    });
    assert_eq!(agent.get("/readyz").status, 200, "a dead destination does not make it unready");
    agent.kill();
    let Some(alertmanager) = ground.alertmanager() else { return };
    let agent = ground.agent(&config);
    for n in 0..3 {
        wait_for("Alertmanager has it", SOON, || {
            let alerts = alertmanager.alerts("cgroup", &ground.path(n));
            if alerts.len() == 1 { Ok(()) } else { Err(format!("{alerts:?}\n{}", agent.log())) }
        });
    }
    wait_for("nothing waits", SOON, || {
        let queued = agent.metric("plimsoll_notices_queued{destination=\"am\"}");
        if queued == 0.0 { Ok(()) } else { Err(format!("{queued}")) }
    });
    for reason in ["full", "age", "refused", "damaged"] {
        let series =
            format!("plimsoll_notices_dropped_total{{destination=\"am\",reason=\"{reason}\"}}");
        assert_eq!(agent.metric(&series), 0.0, "{reason}");
    }
}

#[test]
fn the_alert_of_a_leak_ends_in_alertmanager_when_oom_is_averted() {
    let Some(mut ground) = Ground::prepare("leak", 0) else { return };
    let Some(alertmanager) = ground.alertmanager() else { return };
    match Cgroup::named("leak-big", 192) {
        Ok(cgroup) => ground.cgroups.push(cgroup),
        Err(why) => return assert!(skipped(&why)),
    }
    let config = ground.config(&format!(
        r#"
        [[rules]]
        for = "0s"
        [[destinations]]
        name = "am"
        type = "alertmanager"
        urls = ["http://{}"]
        resend_interval = "10s"
        "#,
        ground.address
    ));
    let agent = ground.agent(&config);
    let leak = Load::start(&["leak", "3"], Some(&ground.cgroups[0]));
    let active = || {
        let alerts = alertmanager.alerts("cgroup", &ground.path(0));
        let names: Vec<String> =
            alerts.iter().map(|alert| alert["labels"]["alertname"].to_string()).collect();
        names
    };
    wait_for("the leak is told", Duration::from_secs(90), || {
        let names = active();
        if names.is_empty() { Err(agent.log()) } else { Ok(()) }
    });
    wait_for("only its present name is active", SOON, || {
        let names = active();
        if names.len() == 1 { Ok(()) } else { Err(format!("{names:?}")) }
    });
    drop(leak);
    wait_for("it is over", SOON, || {
        let names = active();
        if names.is_empty() { Ok(()) } else { Err(format!("{names:?}\n{}", agent.log())) }
    });
}

#[test]
fn a_silence_keeps_an_oom_kill_from_the_webhook_also_after_a_restart() {
    let Some(ground) = Ground::prepare("quiet", 3) else { return };
    let hook = Hook::start();
    let config = ground.config(&format!(
        r#"
        [[routes]]
        match = ["cgroup=/plimsoll-test-*quiet*"]
        destinations = ["hook"]
        group_wait = "0s"
        [[destinations]]
        name = "hook"
        type = "webhook"
        url = "{}"
        token = "s3same"
        "#,
        hook.url
    ));
    let mut agent = ground.agent(&config);
    if !hears_kills(&agent) {
        return;
    }
    let silence = format!(r#"{{"matchers":["cgroup={}"],"until":"1h"}}"#, ground.path(0));
    let made = agent.send_json("POST", "/api/v1/silences", &silence);
    assert_eq!(made.status, 201, "{}", made.body);
    agent.kill();
    let agent = ground.agent(&config);
    assert_eq!(agent.json("/api/v1/silences")[0]["id"], made.json()["id"]);
    ground.kill_in(0);
    ground.kill_in(1);
    let told = wait_for("the other kill is told", SOON, || {
        kills_told(&hook, &ground.path(1)).first().cloned().ok_or_else(|| agent.log())
    });
    assert_eq!((&told["name"], &told["change"]), (&"OomKill".into(), &"new".into()));
    assert!(kills_told(&hook, &ground.path(0)).is_empty(), "it was silenced");
    let posted = hook.posted().remove(0);
    assert_eq!(posted.body["schema"], "plimsoll.notice/1");
    assert!(posted.head.to_lowercase().contains("authorization: bearer s3same"));
    assert!(!agent.log().contains("s3same"));

    let id = made.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(agent.send_json("DELETE", &format!("/api/v1/silences/{id}"), "").status, 204);
    wait_for("what was silenced is told", SOON, || {
        let told = kills_told(&hook, &ground.path(0));
        if told.is_empty() { Err(agent.log()) } else { Ok(()) }
    });
}

#[test]
fn a_dead_destination_holds_up_neither_the_others_nor_the_agent_on_an_oom_kill() {
    let Some(ground) = Ground::prepare("dead", 1) else { return };
    let hook = Hook::start();
    // It takes connections and never answers.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let config = ground.config(&format!(
        r#"
        destinations = [
            {{ name = "mute", type = "webhook", url = "http://{}/", timeout = "60s" }},
            {{ name = "hook", type = "webhook", url = "{}" }},
        ]
        [[routes]]
        destinations = ["mute", "hook"]
        group_wait = "0s"
        "#,
        mute.local_addr().expect("it has an address"),
        hook.url
    ));
    let mut agent = ground.agent(&config);
    if !hears_kills(&agent) {
        return;
    }
    ground.kill_in(0);
    wait_for("the one that answers is told", SOON, || {
        let told = kills_told(&hook, &ground.path(0));
        if told.is_empty() { Err(agent.log()) } else { Ok(()) }
    });
    // Kills by other tests wait there too.
    assert!(agent.metric("plimsoll_notices_queued{destination=\"mute\"}") >= 1.0);
    assert_eq!(agent.terminate(), Some(0), "it ends although an answer is still awaited");
}
