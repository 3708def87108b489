//! An agent that asks a kubelet: names wherever people look, and no harm whatever the kubelet does.

use plimsoll_tests::otlp::{Receiver, strict};
use plimsoll_tests::{Agent, Cgroup, Kubelet, Load, Says, plimsoll, skipped, wait_for};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const NODE: &str = "8d3f5e0a917c42b6a1e0d94c7b25f863";

/// A pod's cgroup as a kubelet makes them, with a container in it. Dropped innermost first.
struct OnNode {
    container: Cgroup,
    _pod: Cgroup,
    _top: Cgroup,
    uid: String,
    id: String,
}

impl OnNode {
    fn make(name: &str, limit_mib: u64) -> Result<Self, String> {
        // Ids of this test's own, for others run on this machine.
        let own = format!("{:08x}", std::process::id());
        let uid = format!("{own}-2c66-4a7a-9e2d-{}", &NODE[..12]);
        let id = format!("{own}{}", format!("{:x<56}", "").replace('x', "a"));
        let top = Cgroup::named(name, 1024)?;
        let pod = top.below(&format!("pod{uid}"), 512)?;
        let container = pod.below(&id, limit_mib)?;
        Ok(Self { container, _pod: pod, _top: top, uid, id })
    }

    /// The pod as a kubelet tells of it: with the container, or before it has one.
    fn item(&self, has_container: bool) -> Value {
        let statuses = has_container.then(|| {
            json!([{
                "name": "app", "ready": true, "restartCount": 0, "lastState": {},
                "state": { "running": {} }, "containerID": format!("containerd://{}", self.id),
            }])
        });
        json!({
            "metadata": {
                "name": "web-5d4f7c9b8d-x2x4z", "namespace": "shop", "uid": self.uid,
                "labels": { "pod-template-hash": "5d4f7c9b8d" },
                "ownerReferences": [
                    { "kind": "ReplicaSet", "name": "web-5d4f7c9b8d", "controller": true }
                ],
            },
            "spec": {
                "containers": [{
                    "name": "app", "image": "registry.example/shop/web:1",
                    "resources": {
                        "limits": { "memory": "64Mi" }, "requests": { "memory": "16Mi" },
                    },
                }],
            },
            "status": { "containerStatuses": statuses },
        })
    }

    fn list(&self, has_container: bool) -> Says {
        let list = json!({ "kind": "PodList", "items": [self.item(has_container), {}] });
        Says::Body(list.to_string())
    }
}

fn start(dir: &Path, kubelet: &Kubelet, more: &str) -> Agent {
    let config = dir.join("plimsoll.toml");
    std::fs::write(&config, format!("{}{more}", kubelet.config())).expect("it is written");
    let config = config.to_str().expect("the path is text");
    Agent::start_in(&dir.join("state"), &["--config", config])
}

/// The agent's own row of the cgroup.
fn row(agent: &Agent, cgroup: &Cgroup) -> Value {
    let all = agent.json("/api/v1/cgroups");
    let path = cgroup.path();
    let own = all.as_array().expect("a list").iter().find(|row| row["path"] == path.as_str());
    own.cloned().unwrap_or_default()
}

fn until_named(agent: &Agent, node: &OnNode, container: &Value) {
    wait_for("it is known by name", SOON, || {
        let own = row(agent, &node.container)["kubernetes"].clone();
        if own["pod"].is_string() && own["container"] == *container {
            Ok(())
        } else {
            Err(format!("{own} {}", agent.source("kubernetes")))
        }
    });
}

#[test]
fn names_are_wherever_people_look_and_a_kill_is_told_by_them() {
    let node = match OnNode::make("kubelet-names", 32) {
        Ok(node) => node,
        Err(why) => return assert!(skipped(&why)),
    };
    let dir = tempfile::tempdir().expect("a directory");
    let kubelet = Kubelet::start(dir.path(), node.list(true));
    let receiver = Receiver::start("127.0.0.1:0");
    let otlp = format!(
        "[export.otlp]\nenabled = true\ninterval = \"1s\"\nendpoint = \"http://{}\"\n",
        receiver.address
    );
    let mut load = Load::named(Some("holder"), &["hold", "12"], Some(&node.container));
    let agent = start(dir.path(), &kubelet, &otlp);
    until_named(&agent, &node, &json!("app"));

    let own = row(&agent, &node.container);
    assert_eq!(
        own["kubernetes"],
        json!({
            "namespace": "shop", "pod": "web-5d4f7c9b8d-x2x4z", "container": "app",
            "owner": "deployment/web",
            "memory_limit_bytes": 64 << 20, "memory_request_bytes": 16 << 20,
        })
    );
    assert_eq!(own["labels"]["k8s.deployment.name"], "web");
    assert_eq!(own["labels"]["k8s.replicaset.name"], "web-5d4f7c9b8d");
    assert_eq!(own["labels"]["container.image.name"], "registry.example/shop/web:1");
    let process = wait_for("the process is listed", SOON, || {
        let answer = agent.get(&format!("/api/v1/processes/{}", load.pid()));
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.body) }
    });
    assert_eq!(process["kubernetes"]["container"], "app");
    assert_eq!(process["verdict"]["target"]["labels"]["k8s.pod.name"], "web-5d4f7c9b8d-x2x4z");
    let workload = format!("workload:{}", process["workload"].as_str().expect("it has one"));
    let verdicts = agent.json("/api/v1/verdicts?kind=workload");
    let verdict =
        verdicts.as_array().expect("a list").iter().find(|v| v["target"]["id"] == workload);
    let labels = &verdict.expect("the workload has a verdict")["target"]["labels"];
    assert_eq!(labels["k8s.namespace.name"], "shop");
    let names = "namespace=\"shop\",pod=\"web-5d4f7c9b8d-x2x4z\",container=\"app\"";
    let series =
        format!("plimsoll_cgroup_usage_bytes{{cgroup=\"{}\",{names}}}", node.container.path());
    assert!(agent.metric(&series) > 0.0);
    let series =
        format!("plimsoll_kubernetes_memory_request_bytes{{{names},owner=\"deployment/web\"}}");
    assert_eq!(agent.metric(&series), f64::from(16 << 20));
    let wanted = format!("k8s.pod.uid={}", node.uid);
    wait_for("the container is exported by name", SOON, || {
        let metrics = receiver.metrics();
        let resources = metrics.iter().flat_map(|one| &one.resource_metrics);
        let resources = resources.filter_map(|one| one.resource.as_ref());
        let shown = resources.map(|resource| strict::shown(&resource.attributes));
        let own: Vec<String> = shown.filter(|text| text.contains(&wanted)).collect();
        let names = ["k8s.pod.name=web-5d4f7c9b8d-x2x4z", "k8s.container.name=app"];
        let named = |text: &String| names.iter().all(|name| text.contains(name));
        if own.iter().any(named) { Ok(()) } else { Err(format!("{own:?}")) }
    });

    let mut victim = Load::named(Some("greedy"), &["leak", "200"], Some(&node.container));
    let pid = victim.pid().to_string();
    wait_for("the kernel kills it", SOON, || {
        if victim.ended() || load.ended() { Ok(()) } else { Err("both live".to_owned()) }
    });
    if !agent.source("oom_log").starts_with("[+]") {
        return assert!(skipped(&agent.source("oom_log")));
    }
    let told = agent.event(SOON, |event| {
        event["event"] == "alert" && event["data"]["labels"]["k8s.pod.uid"] == node.uid.as_str()
    });
    let labels = &told["data"]["labels"];
    assert_eq!(labels["k8s.container.name"], "app", "{labels} {pid}");
    assert_eq!(labels["k8s.deployment.name"], "web");
    let id = labels["incident"].as_str().expect("it has an incident");
    let incident = wait_for("the incident is written", SOON, || {
        let answer = agent.get(&format!("/api/v1/incidents/{id}"));
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.body) }
    });
    assert_eq!(incident["victims"][0]["labels"]["k8s.pod.name"], "web-5d4f7c9b8d-x2x4z");
    let summary = incident["summary"].as_str().expect("text");
    assert!(summary.contains(" in shop/web-5d4f7c9b8d-x2x4z/app: "), "{summary}");
}

#[test]
fn whatever_the_kubelet_does_names_that_are_known_stay_and_what_is_wrong_is_told() {
    let node = match OnNode::make("kubelet-wrongs", 64) {
        Ok(node) => node,
        Err(why) => return assert!(skipped(&why)),
    };
    let dir = tempfile::tempdir().expect("a directory");
    let kubelet = Kubelet::start(dir.path(), Says::Status(403));
    let _load = Load::start(&["hold", "8"], Some(&node.container));
    let agent = start(dir.path(), &kubelet, "");
    let told = |what: &str| {
        wait_for(what, SOON, || {
            let source = agent.source("kubernetes");
            if source.contains(what) { Ok(source) } else { Err(source) }
        })
    };
    let refused = told("needs `get` on nodes/pods");
    assert!(refused.contains("ids, no names"), "{refused}");
    assert_eq!(agent.get("/readyz").status, 200);
    wait_for("its cgroup is there with its id", SOON, || {
        let labels = row(&agent, &node.container)["labels"].clone();
        if labels["k8s.pod.uid"] == node.uid.as_str() { Ok(()) } else { Err(labels.to_string()) }
    });

    // The pod first, and the container once the kubelet knows it.
    kubelet.say(node.list(false));
    until_named(&agent, &node, &Value::Null);
    kubelet.say(node.list(true));
    until_named(&agent, &node, &json!("app"));

    for (says, what) in [
        (Says::Body("<html>".to_owned()), "no list of pods"),
        (Says::Status(500), "answered 500"),
        (Says::Endless, "longer than 16 MiB"),
        (Says::Nothing, "no answer in time"),
    ] {
        kubelet.say(says);
        let source = told(what);
        assert!(source.contains("2 pods") || source.contains("1 pods"), "{source}");
        assert_eq!(row(&agent, &node.container)["kubernetes"]["container"], "app", "{what}");
    }
    kubelet.say(node.list(true));
    wait_for("it is well again", SOON, || {
        let source = agent.source("kubernetes");
        if source.starts_with("[+]") { Ok(()) } else { Err(source) }
    });
    kubelet.rotate("the-second-token");
    let before = kubelet.answered().len();
    wait_for("the new token is shown", SOON, || {
        let answered = kubelet.answered();
        let new = answered.get(before..).unwrap_or_default();
        if new.contains(&200) { Ok(()) } else { Err(format!("{new:?}")) }
    });
    let failed = agent.metric("plimsoll_kubernetes_lookups_total{outcome=\"failed\"}");
    assert!(failed >= 5.0, "{failed}");
    assert!(!agent.log().contains("the-second-token"), "tokens are not logged");
}

#[test]
fn a_certificate_of_another_authority_is_refused_unless_that_is_said_to_be_good() {
    let dir = tempfile::tempdir().expect("a directory");
    let other = tempfile::tempdir().expect("a directory");
    let list = || Says::Body(json!({ "kind": "PodList", "items": null }).to_string());
    let kubelet = Kubelet::start(dir.path(), list());
    let stranger = Kubelet::start(other.path(), list());
    let doctor = |config: &str| {
        let file = dir.path().join("doctor.toml");
        std::fs::write(&file, config).expect("it is written");
        let mut command = plimsoll(&["doctor", "--config", file.to_str().expect("text")]);
        let output = command.output().expect("plimsoll starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let at = text.find("names of Kubernetes").unwrap_or_else(|| panic!("{text}"));
        text[at..].lines().next().expect("a line").to_owned()
    };
    assert!(doctor(&kubelet.config()).contains("0 pods, 0 containers by the kubelet"));
    let crossed = kubelet.config().replace(&kubelet.url, &stranger.url);
    let refused = doctor(&crossed);
    assert!(refused.contains("TLS: ") && refused.contains("ca_file"), "{refused}");
    assert!(stranger.answered().is_empty(), "and the token is not shown");
    let insecure = doctor(&format!("{crossed}insecure_skip_verify = true\n"));
    // Whose token that is is another matter.
    assert!(insecure.contains("0 pods") || insecure.contains("401"), "{insecure}");
    kubelet.rotate("another");
    std::fs::write(dir.path().join("token"), "wrong").expect("it is written");
    assert!(doctor(&kubelet.config()).contains("does not know the token (401)"));
    std::fs::remove_file(dir.path().join("token")).expect("it is there");
    assert!(doctor(&kubelet.config()).contains("token: "));
    let nobody = kubelet.config().replace(&kubelet.url, "https://127.0.0.1:1");
    std::fs::write(dir.path().join("token"), "x").expect("it is written");
    assert!(doctor(&nobody).contains("refused"), "{}", doctor(&nobody));
}
