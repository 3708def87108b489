//! The cache as a subscriber of the node agent: asked, it gives and says so; alone, it forgets.

use super::{MIB, rss, start_in, store};
use plimsoll_tests::{Agent, Cache, Cgroup, skipped, wait_for};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// On an emulated machine that has other things to do, too.
const SOON: Duration = Duration::from_secs(90);

/// Calls for room long before the cache would by itself: at 45 % of the limit.
const EARLY: &str =
    "[pressure]\nheadroom_low = 0.5\nheadroom_medium = 0.45\nheadroom_critical = 0.1\n";

fn start_agent(state: &Path) -> Agent {
    let config = state.join("early.toml");
    std::fs::write(&config, EARLY).expect("it is written");
    Agent::start_in(state, &["--config", config.to_str().expect("plain")])
}

/// A cache that subscribes where the agent of that directory will listen.
fn start_cache(state: &Path, cgroup: &Cgroup) -> Cache {
    let socket = state.join("pressure.sock");
    start_in(cgroup, &["-m", "115", "--pressure-socket", socket.to_str().expect("plain")])
}

/// The subscriber of that process as the agent shows it.
fn subscriber(agent: &Agent, cache: &Cache) -> Result<Value, String> {
    let pressure = agent.json("/api/v1/pressure");
    let all = pressure["subscribers"].as_array().expect("a list");
    let own = all.iter().find(|one| one["pid"] == cache.pid());
    own.cloned().ok_or_else(|| format!("{pressure:#}"))
}

#[test]
fn asked_by_the_agent_it_gives_memory_back_and_says_how_much() {
    let cgroup = match Cgroup::named("cache-asked", 200) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    let state = tempfile::tempdir().expect("a directory");
    let cache = start_cache(state.path(), &cgroup);
    // Full before anybody asks: what is asked for early keeps it from filling.
    store(&mut cache.client(), 0..120_000);
    let agent = start_agent(state.path());
    let one = wait_for("the cache subscribes", SOON, || subscriber(&agent, &cache));
    assert_eq!(one["name"], "plimsoll-cache");
    assert_eq!(one["cgroup"], cgroup.path());

    let answered = wait_for("it was asked and has answered", SOON, || {
        let pressure = agent.json("/api/v1/pressure");
        let signals = pressure["signals"].as_array().expect("a list");
        let freed = |s: &&Value| s["freed_bytes"].as_u64().is_some_and(|freed| freed >= MIB);
        signals.iter().find(freed).cloned().ok_or_else(|| format!("{pressure:#}"))
    });
    assert_eq!(answered["subscriber"], "plimsoll-cache");
    wait_for("there is as much room as the agent wants", SOON, || {
        let usage = cgroup.usage().expect("it can be read");
        if usage <= 105 * MIB { Ok(()) } else { Err(format!("{usage}; log:\n{}", cache.log())) }
    });
    assert!(rss(&cache) <= 110 * MIB, "{}", rss(&cache));
    let given = cache.count("plimsoll given_back_on_demand_bytes");
    assert!((10 * MIB..70 * MIB).contains(&given), "{given}: not much more than was asked for");
    let said = agent.metric("plimsoll_pressure_freed_bytes_total");
    assert!(said <= given as f64 + 1.0, "it said {said} and gave {given}");
    assert!(said >= 0.8 * given as f64, "it said {said} and gave {given}");
}

#[test]
fn without_the_agent_it_forgets_what_the_agent_said_and_it_finds_the_next_one() {
    let cgroup = match Cgroup::named("cache-orphan", 200) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    let state = tempfile::tempdir().expect("a directory");
    let mut agent = start_agent(state.path());
    let cache = start_cache(state.path(), &cgroup);
    wait_for("the cache subscribes", SOON, || subscriber(&agent, &cache));
    // Something that is not the cache's keeps the room short for as long as there is an agent.
    let hold = plimsoll_tests::Load::start(&["hold", "115"], Some(&cgroup));
    wait_for("the agent's word is heard", SOON, || {
        let level = cache.stat("plimsoll pressure_level");
        if level == "none" { Err(cache.log()) } else { Ok(()) }
    });
    wait_for("no buffers lie ready in idle threads", SOON, || {
        // The thread that answers lends its own to the asker.
        let ready = cache.count("read_buf_bytes_free");
        if ready == 0 { Ok(()) } else { Err(ready.to_string()) }
    });
    agent.kill();
    wait_for("the cache goes by its own cgroup, which has room", SOON, || {
        let level = cache.stat("plimsoll pressure_level");
        if level == "none" { Ok(()) } else { Err(level) }
    });
    let next = start_agent(state.path());
    wait_for("the cache subscribes to the next agent", SOON, || subscriber(&next, &cache));
    drop(hold);
}
