//! The configuration read anew: by signal, by a swapped link, by request; bad ones change nothing.

use super::{ADMIN, READ, by, config, guarded, private, tokens};
use plimsoll_tests::{Agent, wait_for};
use serde_json::Value;
use std::os::unix::fs::symlink;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);

fn hang_up(agent: &Agent) {
    let pid = i32::try_from(agent.pid()).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::HUP)
        .expect("it is there");
}

fn until_logged(agent: &Agent, text: &str) {
    wait_for(text, SOON, || {
        let log = agent.log();
        if log.contains(text) { Ok(()) } else { Err(log) }
    });
}

#[test]
fn a_signal_takes_over_what_is_live_and_names_what_waits() {
    let scratch = tempfile::tempdir().expect("a directory");
    let agent = guarded(scratch.path());
    let http = format!("tokens_file = {:?}\nrate_limit = 0\n", tokens(scratch.path()));
    let more = "allowed_hosts = [\"a.example\"]\n[history]\nram_budget = \"8MiB\"";
    let file = config(scratch.path(), &format!("{http}{more}"));
    let answer = by(&agent, ADMIN, "POST", "/api/v1/reload");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let view = answer.json();
    let applied: Vec<&str> =
        view["applied"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    // The watch may have been faster.
    assert!(applied.is_empty() || applied == ["http.allowed_hosts"], "{view}");
    assert_eq!(view["needs_restart"], serde_json::json!(["history.ram_budget"]));
    let named = "GET /healthz HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    assert_eq!(agent.request(named).expect("an answer").status, 200);

    std::fs::write(&file, "[http]\nrate_limt = 3\n").expect("it is written");
    hang_up(&agent);
    until_logged(&agent, "the new configuration is bad");
    let refused = by(&agent, ADMIN, "POST", "/api/v1/reload");
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert!(refused.body.contains("rate_limit?"), "{}", refused.body);
    assert_eq!(by(&agent, READ, "GET", "/api/v1/node").status, 200, "the old one holds");
    let ready = by(&agent, READ, "GET", "/readyz?verbose").body;
    assert!(ready.contains("[-] config:") && ready.contains("rate_limit?"), "{ready}");
    let metrics = by(&agent, READ, "GET", "/metrics").body;
    assert!(metrics.contains("\nplimsoll_config_reload_success 0"), "{metrics}");
    assert!(metrics.contains("plimsoll_config_reloads_total{result=\"bad\"}"));

    config(scratch.path(), &http);
    hang_up(&agent);
    wait_for("it is good again", SOON, || {
        let ready = by(&agent, READ, "GET", "/readyz?verbose").body;
        if ready.contains("[+] config:") { Ok(()) } else { Err(ready) }
    });
}

#[test]
fn a_config_map_that_is_swapped_is_read_anew_with_its_tokens() {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = scratch.path();
    let version = |name: &str, token: &str| {
        let own = dir.join(name);
        std::fs::create_dir(&own).expect("a directory");
        private(&own.join("tokens"), &format!("admin ann {token}\n"));
        let path = dir.join("data/tokens");
        std::fs::write(own.join("agent.toml"), format!("[http]\ntokens_file = {path:?}\n"))
            .expect("it is written");
    };
    let other = "e2e-other-0123456789abcdef";
    version("v1", ADMIN);
    version("v2", other);
    symlink("v1", dir.join("data")).expect("a link");
    let file = dir.join("data/agent.toml");
    let agent = Agent::start_in(dir, &["--config", file.to_str().expect("text")]);
    assert_eq!(by(&agent, ADMIN, "GET", "/api/v1/node").status, 200);
    // As the kubelet does: a new link over the old, in one step.
    symlink("v2", dir.join("data.new")).expect("a link");
    std::fs::rename(dir.join("data.new"), dir.join("data")).expect("it is swapped");
    wait_for("the new token holds", SOON, || {
        match by(&agent, other, "GET", "/api/v1/node").status {
            200 => Ok(()),
            status => Err(format!("{status}\n{}", agent.log())),
        }
    });
    assert_eq!(by(&agent, ADMIN, "GET", "/api/v1/node").status, 401, "the old one is gone");
    until_logged(&agent, "trigger=\"file\"");
}
