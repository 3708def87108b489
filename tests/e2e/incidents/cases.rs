//! Who else can be killed, and when: a child, several at once, the agent's neighbour, while the
//! agent is down, without a disk.

use super::*;
use std::process::Command;

#[test]
fn a_child_that_is_killed_while_its_container_lives_is_told_as_such() {
    let scratch = tempfile::tempdir().expect("a directory");
    let Some((cgroup, agent)) = stage(LIMIT_MIB, scratch.path()) else { return };
    let mut main = Load::named(Some("main"), &["hold", "8"], Some(&cgroup));
    wait_for("the main process is watched", SOON, || {
        let answer = agent.get(&format!("/api/v1/processes/{}", main.pid()));
        let placed = answer.status == 200 && answer.json()["cgroup"] == cgroup.path();
        if placed { Ok(()) } else { Err(answer.body) }
    });
    let mut child = Load::named(Some("child"), &["leak", "16"], Some(&cgroup));
    killed(&mut child, SOON);
    let incident = incident_of(&agent, child.pid(), |i| !i["aftermath"].is_null());
    assert_eq!(incident["kind"], "child_process", "{incident:#}");
    assert_eq!(incident["victims"][0]["is_main"], false);
    let after = &incident["aftermath"];
    assert_eq!((&after["cgroup_exists"], &after["processes"]), (&true.into(), &1.into()));
    assert!(!main.ended());
    let whats = strings(&incident["next"], "what");
    assert!(whats.iter().any(|what| what.contains("noticed the loss")), "{whats:?}");
}

#[test]
fn kills_at_once_are_one_incident_for_each_cgroup_with_all_victims() {
    let scratch = tempfile::tempdir().expect("a directory");
    let Some((cgroup, agent)) = stage(LIMIT_MIB, scratch.path()) else { return };
    let other = Cgroup::make(LIMIT_MIB).expect("another cgroup");
    let leak = |cgroup| Load::named(Some("leaker"), &["leak", "60"], Some(cgroup));
    let mut loads = [leak(&cgroup), leak(&cgroup), leak(&other)];
    for load in &mut loads {
        killed(load, SOON);
    }
    let pids = loads.each_ref().map(Load::pid);
    let both = |incident: &Value| incident["victims"].as_array().is_some_and(|v| v.len() == 2);
    let first = incident_of(&agent, pids[0], both);
    let victims: Vec<&Value> =
        first["victims"].as_array().expect("victims").iter().map(|v| &v["pid"]).collect();
    assert!(victims.contains(&&pids[0].into()) && victims.contains(&&pids[1].into()), "{first:#}");
    assert!(first["summary"].as_str().is_some_and(|text| text.contains("and 1 other")));
    let second = incident_of(&agent, pids[2], |_| true);
    assert_ne!(first["id"], second["id"]);
    assert_eq!(second["memcg"]["path"], other.path());
}

#[test]
fn a_kill_beside_the_agent_says_that_the_agent_is_next() {
    let scratch = tempfile::tempdir().expect("a directory");
    let cgroup = match Cgroup::make(192) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    let procs = cgroup.dir().join("cgroup.procs");
    let mut command = Command::new("sh");
    let script = "echo $$ > \"$1\" && shift && exec \"$@\"";
    command.args(["-c", script, "sh"]).arg(procs).arg(plimsoll_tests::binary("plimsoll"));
    command.args(["run", "--listen", "127.0.0.1:0", "--state-dir"]).arg(scratch.path());
    let agent = Agent::spawn(command, scratch.path());
    if !agent.source("oom_log").starts_with("[+]") {
        return assert!(skipped(&agent.source("oom_log")));
    }
    let mut neighbour = Load::named(Some("neighbour"), &["leak", "100"], Some(&cgroup));
    killed(&mut neighbour, SOON);
    let incident = incident_of(&agent, neighbour.pid(), |_| true);
    assert_eq!(incident["memcg"]["holds_agent"], true, "{incident:#}");
    let whats = strings(&incident["next"], "what");
    assert!(whats.iter().any(|what| what.contains("Move the agent")), "{whats:?}");
}

#[test]
fn a_kill_while_the_agent_is_down_is_found_with_what_had_been_foretold() {
    let scratch = tempfile::tempdir().expect("a directory");
    let Some((cgroup, mut agent)) = stage(LIMIT_MIB, scratch.path()) else { return };
    let mut leak = Load::named(Some("leaker"), &["leak", "1"], Some(&cgroup));
    let pid = leak.pid();
    wait_for("it is predicted", Duration::from_secs(60), || {
        let verdicts = agent.json("/api/v1/verdicts?kind=process&state=oom_imminent");
        let own = |verdict: &Value| verdict["target"]["pid"] == pid;
        let found = verdicts.as_array().is_some_and(|all| all.iter().any(own));
        if found { Ok(()) } else { Err(verdicts.to_string()) }
    });
    let noted = scratch.path().join("incidents/recorder.json");
    wait_for("what was said is on disk", SOON, || {
        let text = std::fs::read_to_string(&noted).unwrap_or_default();
        let noted: Value = serde_json::from_str(&text).unwrap_or_default();
        let is_own = |pin: &&Value| {
            pin["target"].as_str().is_some_and(|t| t.starts_with(&format!("process:{pid}@")))
        };
        // Other processes of this machine may be suspected too, and have evidence of their own.
        let own = noted["pins"].as_array().and_then(|pins| pins.iter().find(is_own));
        let has_evidence = own.is_some_and(|pin| pin["evidence"].to_string().contains("mappings"));
        if has_evidence { Ok(()) } else { Err(text) }
    });
    agent.kill();
    killed(&mut leak, Duration::from_secs(120));

    let agent = Agent::start_in(scratch.path(), &[]);
    let incident = incident_of(&agent, pid, |_| true);
    assert_eq!(incident["seen_by"], "kernel_log_later");
    assert_eq!(incident["foretold"]["predicted"], true, "{:#}", incident["foretold"]);
    assert!(incident["foretold"]["predicted_before_s"].as_f64() > Some(1.0));
    assert_eq!(incident["memcg"]["path"], cgroup.path());
    let victim =
        incident["series"].as_array().expect("series").iter().find(|s| s["role"] == "victim");
    let points = victim.expect("its history is on disk")["points"].as_array().map(Vec::len);
    assert!(points > Some(10), "{points:?}");
    assert!(!incident["evidence"].as_array().expect("evidence").is_empty());
    assert!(incident["notes"][0].as_str().is_some_and(|note| note.contains("was down")));
}

#[test]
fn without_a_disk_the_incident_is_in_memory() {
    let cgroup = match Cgroup::make(24) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    let agent = Agent::start(&["--no-persist"]);
    if !agent.source("oom_log").starts_with("[+]") {
        return assert!(skipped(&agent.source("oom_log")));
    }
    let mut victim = Load::named(Some("greedy"), &["leak", "200"], Some(&cgroup));
    killed(&mut victim, SOON);
    let incident = incident_of(&agent, victim.pid(), |_| true);
    assert_eq!(incident["memcg"]["limit_bytes"], 24 * 1024 * 1024);
    assert_eq!(agent.json("/api/v1/incidents")[0]["on_disk"], false);
    let socket = agent.pressure_socket();
    let entries = agent.state_dir().read_dir().expect("the directory").flatten();
    let written: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| !path.to_string_lossy().starts_with(&*socket.to_string_lossy()))
        .collect();
    assert!(written.is_empty(), "{written:?}");
}
