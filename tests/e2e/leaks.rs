//! Real growth towards real limits: who is suspected, what is foretold, and who is left alone.

use plimsoll_tests::{Agent, Cgroup, Load, Version, cgroup_version, skipped, wait_for};
use serde_json::Value;
use std::time::{Duration, Instant};

const MIB: f64 = 1024.0 * 1024.0;
const RATE: f64 = MIB;
const LIMIT_MIB: u64 = 96;

/// A forecast as it was given, and when.
#[derive(Clone, Debug)]
struct Forecast {
    at: Instant,
    verdict: Value,
}

impl Forecast {
    fn eta(&self, end: &str) -> f64 {
        self.verdict["eta_s"][end].as_f64().expect("a forecast has an ETA")
    }
}

/// What `id` is thought of; None while it is not listed.
fn verdict(agent: &Agent, id: &str) -> Option<Value> {
    let all = agent.json("/api/v1/verdicts");
    let own = |verdict: &&Value| verdict["target"]["id"] == id;
    all.as_array().expect("a list").iter().find(own).cloned()
}

fn is_suspect(state: &Value) -> bool {
    matches!(state.as_str(), Some("leak_suspected" | "oom_predicted" | "oom_imminent"))
}

#[test]
fn a_leak_is_foretold_before_the_kernel_kills_for_it() {
    let cgroup = match Cgroup::make(LIMIT_MIB) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    let agent = Agent::start(&[]);
    let started = Instant::now();
    let mut leak = Load::start(&["leak", "1"], Some(&cgroup));
    let pid = leak.pid();
    let id = wait_for("the agent sees the leak", Duration::from_secs(10), || {
        let answer = agent.get(&format!("/api/v1/processes/{pid}"));
        let id = (answer.status == 200).then(|| answer.json()["id"].as_str().map(str::to_owned));
        id.flatten().ok_or(answer.body)
    });

    let mut told: Vec<Forecast> = Vec::new();
    let killed = wait_for("the kernel kills the leak", Duration::from_secs(200), || {
        if leak.ended() {
            return Ok(Instant::now());
        }
        let found = verdict(&agent, &id).filter(|v| is_suspect(&v["state"]));
        let seen = format!("{found:?}");
        told.extend(found.map(|verdict| Forecast { at: Instant::now(), verdict }));
        Err(seen)
    });

    let life = (killed - started).as_secs_f64();
    let first = told.first().unwrap_or_else(|| panic!("never suspected:\n{}", agent.log()));
    let warned = (killed - first.at).as_secs_f64();
    assert!(warned > 0.3 * life, "warned {warned} s before the end of {life} s");
    assert_eq!(told.last().map(|last| &last.verdict["state"]), Some(&"oom_imminent".into()));

    let half = told.iter().find(|f| (f.at - started).as_secs_f64() >= 0.5 * life);
    let half = half.expect("foretold until the end");
    let rate = half.verdict["rate_bytes_per_s"].as_f64().expect("a rate");
    assert!((rate / RATE - 1.0).abs() < 0.25, "{rate} bytes per second");
    assert_eq!(half.verdict["limit_bytes"], LIMIT_MIB * 1024 * 1024);
    assert_eq!(half.verdict["cause"], "heap_leak");
    assert_eq!(half.verdict["target"]["cgroup"], cgroup.path());
    let left = (killed - half.at).as_secs_f64();
    let (early, late) = (half.eta("p10") - 1.0, half.eta("p90") + 1.0);
    assert!((early..late).contains(&left), "it took {left} s: {}", half.verdict);

    let alerts = wait_for("its alert ends", Duration::from_secs(20), || {
        let alerts = agent.alerts_on(pid, Some(&cgroup.path()));
        let about: Vec<_> = alerts.into_iter().filter(|a| a["name"] != "OomKill").collect();
        let over = about.iter().all(|alert| alert["firing"] == false);
        if over { Ok(about) } else { Err(format!("{about:#?}")) }
    });
    assert_eq!(alerts.len(), 1, "one growth, one alert: {alerts:#?}");
    assert_eq!(alerts[0]["name"], "OomImminent");
    assert_eq!(alerts[0]["severity"], "critical");
}

#[test]
fn what_holds_saws_or_fills_the_page_cache_is_left_alone() {
    let made: Result<Vec<_>, _> = [48, 96, 64].into_iter().map(Cgroup::make).collect();
    let cgroups = match made {
        Ok(cgroups) => cgroups,
        Err(why) => return assert!(skipped(&why)),
    };
    // On a disk: what a tmpfs holds is no page cache that reclaim could drop.
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let file = scratch.path().join("written");
    let agent = Agent::start(&[]);
    let words: [&[&str]; 3] = [
        &["hold", "40"],
        &["sawtooth", "64", "6"],
        &["pagecache", "6", file.to_str().expect("the path is text")],
    ];
    let loads: Vec<_> = words
        .into_iter()
        .zip(&cgroups)
        .map(|(words, cgroup)| (Load::start(words, Some(cgroup)), cgroup))
        .collect();
    let full = Duration::from_secs(150);
    wait_for("all were watched for longer than a warm-up", full, || {
        let rows = agent.json("/api/v1/cgroups");
        let row = |path: String| {
            let found = rows.as_array().and_then(|rows| rows.iter().find(|r| r["path"] == path));
            found.cloned().unwrap_or_default()
        };
        for (load, cgroup) in &loads {
            let states = [
                agent.get(&format!("/api/v1/processes/{}", load.pid())).json()["judgement"]["state"]
                    .clone(),
                row(cgroup.path())["judgement"]["state"].clone(),
            ];
            assert!(!states.iter().any(is_suspect), "{words:?}: {states:?}\n{}", agent.log());
        }
        let filled = row(cgroups[2].path())["usage_bytes"].as_f64().unwrap_or(0.0);
        let watched = agent.metric("plimsoll_agent_uptime_seconds");
        let done = filled >= 0.9 * 64.0 * MIB && watched >= 60.0;
        if done { Ok(()) } else { Err(format!("{filled} bytes after {watched} s")) }
    });
    for (mut load, cgroup) in loads {
        assert!(!load.ended(), "it lives: nothing was near its end");
        let alerts = agent.alerts_on(load.pid(), Some(&cgroup.path()));
        assert!(alerts.is_empty(), "{alerts:#?}");
    }
}

#[test]
fn the_limit_of_a_new_cgroup_is_known_with_its_first_process() {
    let cgroup = match Cgroup::make(64) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    let agent = Agent::start(&[]);
    let below = Below::make(&cgroup, "inner");
    let mut hold = std::process::Command::new(plimsoll_tests::binary("plimsoll-load"));
    let load = Load::of(hold.args(["hold", "4"]).env("LOAD_CGROUP", &below.0));
    // The walk over all cgroups comes by every ten seconds only.
    wait_for("the limit of its parent is known", Duration::from_secs(6), || {
        let answer = agent.get(&format!("/api/v1/processes/{}", load.pid()));
        let known = answer.status == 200 && answer.json()["limit_bytes"] == 64 * 1024 * 1024;
        if known { Ok(()) } else { Err(answer.body) }
    });
    let rows = agent.json("/api/v1/cgroups");
    let path = format!("{}/inner", cgroup.path());
    let row = rows.as_array().and_then(|rows| rows.iter().find(|row| row["path"] == path));
    let row = row.expect("the cgroup is listed");
    assert_eq!(row["processes"], 1);
    assert_eq!(row["limit_from"], cgroup.path());
}

/// A cgroup within another one, removed first.
struct Below(std::path::PathBuf);

impl Below {
    fn make(around: &Cgroup, name: &str) -> Self {
        if cgroup_version().is_some_and(|(version, _)| version == Version::V2) {
            let delegate = around.dir().join("cgroup.subtree_control");
            std::fs::write(delegate, "+memory").expect("the controller can be handed on");
        }
        let dir = around.dir().join(name);
        std::fs::create_dir(&dir).expect("a cgroup in a cgroup");
        Self(dir)
    }
}

impl Drop for Below {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::fs::remove_dir(&self.0).is_err() && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}
