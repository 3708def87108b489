//! A real containerd: a pod, a container in it, the kernel's kill, the incident that names both.

use plimsoll_tests::{Agent, Containerd, skipped, wait_for};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// A container takes a second to start, and longer where others are started too.
const SOON: Duration = Duration::from_secs(60);
/// Grows until it is killed.
const GREEDY: &str = "exec /bin/busybox tail /dev/zero";

fn start(dir: &Path, runtime: &Containerd) -> Agent {
    let config = dir.join("plimsoll.toml");
    let text = format!(
        "[kubernetes]\nsource = \"cri\"\ncri_socket = {:?}\nrefresh_interval = \"60s\"\n",
        runtime.socket()
    );
    std::fs::write(&config, text).expect("it is written");
    let config = config.to_str().expect("the path is text");
    Agent::start_in(&dir.join("state"), &["--config", config])
}

/// An id that no other test's pod has.
fn uid(n: u32) -> String {
    format!("{:08x}-2c66-4a7a-9e2d-2c5a1f0d9b{n:02x}", std::process::id())
}

/// The incident in the container, once it holds its name.
fn incident(agent: &Agent, container_id: &str) -> Value {
    wait_for("the incident names its container", SOON, || {
        let list = agent.json("/api/v1/incidents");
        let list = list.as_array().expect("a list");
        let own = |one: &&Value| one["labels"]["container.id"] == container_id;
        let own = list.iter().find(own).ok_or_else(|| format!("{list:#?}"))?;
        let id = own["id"].as_str().expect("it has an id");
        let whole = agent.json(&format!("/api/v1/incidents/{id}"));
        let labels = &whole["victims"][0]["labels"];
        if labels["k8s.container.name"].is_string() { Ok(whole) } else { Err(labels.to_string()) }
    })
}

#[test]
fn a_kill_in_a_container_is_an_incident_that_names_pod_and_container() {
    let mut runtime = match Containerd::start("cri") {
        Ok(runtime) => runtime,
        Err(why) => return assert!(skipped(&why)),
    };
    let dir = tempfile::tempdir().expect("a directory");
    let agent = start(dir.path(), &runtime);
    if !agent.source("oom_log").starts_with("[+]") {
        return assert!(skipped(&agent.source("oom_log")));
    }
    let hash = [("app", "web"), ("pod-template-hash", "5d4f7c9b8d")];
    let pod = runtime.run_pod("web-5d4f7c9b8d-x2x4z", &uid(1), &hash);

    // Known before it is killed: the name is there from the alert on.
    let script = format!("while [ ! -e /go ]; do /bin/busybox usleep 100000; done; {GREEDY}");
    let held = runtime.run(&pod, "app", 32, &script);
    let path = wait_for("the container is known by name", SOON, || {
        let all = agent.json("/api/v1/cgroups");
        let all = all.as_array().expect("a list");
        let own = all.iter().find(|row| row["labels"]["container.id"] == held.as_str());
        let own = own.ok_or("not there")?;
        let names = &own["kubernetes"];
        if names["container"] != "app" || names["memory_limit_bytes"].is_null() {
            return Err(format!("{names} {}", agent.source("kubernetes")));
        }
        assert_eq!(names["pod"], "web-5d4f7c9b8d-x2x4z");
        assert_eq!(
            (&names["namespace"], &names["owner"]),
            (&"shop".into(), &"deployment/web".into())
        );
        assert_eq!(names["memory_limit_bytes"], 32 << 20);
        Ok(own["path"].as_str().expect("a path").to_owned())
    });
    assert!(path.ends_with(&format!("/kubepods/burstable/pod{}/{held}", pod.uid)), "{path}");
    runtime.touch(&held, "go");
    let alert = agent.event(SOON, |event| {
        event["event"] == "alert" && event["data"]["labels"]["container.id"] == held.as_str()
    });
    assert_eq!(alert["data"]["labels"]["k8s.container.name"], "app");
    assert_eq!(alert["data"]["labels"]["k8s.deployment.name"], "web");
    let whole = incident(&agent, &held);
    let summary = whole["summary"].as_str().expect("text");
    assert!(summary.contains(" in shop/web-5d4f7c9b8d-x2x4z/app: "), "{summary}");
    assert_eq!(whole["kind"], "main_process");
    wait_for("containerd says the same", SOON, || {
        let end = runtime.end_of(&held);
        if end == (137, "OOMKilled".to_owned()) { Ok(()) } else { Err(format!("{end:?}")) }
    });

    // Killed before anybody could be asked: the incident gets its names after that.
    let hasty = runtime.run(&pod, "job", 16, GREEDY);
    let whole = incident(&agent, &hasty);
    assert_eq!(whole["victims"][0]["labels"]["k8s.container.name"], "job");
    assert_eq!(whole["memcg"]["labels"]["k8s.pod.name"], "web-5d4f7c9b8d-x2x4z");
    assert!(agent.source("kubernetes").starts_with("[+]"), "{}", agent.source("kubernetes"));
}

#[test]
fn a_socket_that_is_not_there_costs_names_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("plimsoll.toml");
    let socket = dir.path().join("none.sock");
    let text = format!("[kubernetes]\nsource = \"cri\"\ncri_socket = {socket:?}\n");
    std::fs::write(&config, text).expect("it is written");
    let agent = Agent::start(&["--config", config.to_str().expect("text")]);
    let source = wait_for("it is told", SOON, || {
        let source = agent.source("kubernetes");
        if source.contains("none.sock") { Ok(source) } else { Err(source) }
    });
    assert!(source.contains("ids, no names"), "{source}");
    assert_eq!(agent.get("/readyz").status, 200);
}
