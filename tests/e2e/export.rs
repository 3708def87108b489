//! Export by OTLP: to a strict receiver, over outages of both ends, to real parts of others.

mod answers;
mod outages;
mod pods;
mod real_parts;
mod tls;

use plimsoll_tests::otlp::{Answer, Held, Receiver, Taken, strict};
use plimsoll_tests::{Agent, Cgroup, Load, skipped, wait_for};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// Starts an agent that exports to `address` every second, with more lines of configuration.
fn agent(dir: &Path, address: &str, protocol: &str, more: &str) -> Agent {
    let text = format!(
        "[export.otlp]\nenabled = true\ninterval = \"1s\"\ntimeout = \"3s\"\n\
         endpoint = \"http://{address}\"\nprotocol = \"{protocol}\"\n{more}\n"
    );
    start(dir, &text)
}

fn start(dir: &Path, text: &str) -> Agent {
    let config = dir.join("plimsoll.toml");
    std::fs::write(&config, text).expect("the file can be written");
    let config = config.to_str().expect("the path is text");
    Agent::start_in(&dir.join("state"), &["--config", config])
}

fn until_metrics(receiver: &Receiver, agent: &Agent, count: usize) {
    wait_for("metrics arrive", SOON, || {
        let taken = receiver.metrics().len();
        if taken >= count { Ok(()) } else { Err(format!("{taken}\n{}", agent.log())) }
    });
}

/// The resources of the last request, as `key=value,…`.
fn resources(receiver: &Receiver) -> Vec<String> {
    let metrics = receiver.metrics();
    let last = metrics.last().expect("there are metrics");
    last.resource_metrics
        .iter()
        .filter_map(|one| one.resource.as_ref())
        .map(|resource| strict::shown(&resource.attributes))
        .collect()
}

fn assert_strict(receiver: &Receiver, delta: bool) {
    for request in receiver.metrics() {
        let faults = strict::faults(&request, delta);
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

#[test]
fn over_grpc_node_agent_and_processes_are_resources_as_documented() {
    let receiver = Receiver::start("127.0.0.1:0");
    let dir = tempfile::tempdir().expect("a directory");
    let more = "headers = \"x-key=a%20b\"\nprocesses_max = 5\n\
                resource_attributes = [\"k8s.cluster.name=test\"]";
    let agent = agent(dir.path(), &receiver.address, "grpc", more);
    until_metrics(&receiver, &agent, 2);
    assert_strict(&receiver, false);
    let all = resources(&receiver);
    assert!(all.iter().all(|one| one.contains("k8s.cluster.name=test")), "{all:#?}");
    assert!(all.iter().any(|one| one.contains("service.name=plimsoll")));
    assert!(all.iter().any(|one| one.contains("os.type=linux")));
    let processes = all.iter().filter(|one| one.contains("process.creation.time=")).count();
    assert!((1..=5).contains(&processes), "{all:#?}");
    let first = &receiver.requests()[0];
    assert!(first.http2 && first.gzip, "{:?}", first.headers);
    assert_eq!(first.headers["x-key"], "a b");
    assert_eq!(first.headers["te"], "trailers");
    assert!(agent.source("export:metrics").starts_with("[+]"));
    assert!(agent.metric("plimsoll_export_sent_total{signal=\"metrics\"}") >= 1.0);
    assert!(agent.metric("plimsoll_export_omitted{entity=\"process\"}") >= 1.0);
    assert!(!agent.get("/readyz?verbose").body.contains("a b"));
}

#[test]
fn over_http_with_deltas_what_is_taken_in_part_is_counted() {
    let receiver = Receiver::start("127.0.0.1:0");
    receiver.answer(Answer { rejected: 2, ..Answer::default() });
    let dir = tempfile::tempdir().expect("a directory");
    let more = "temporality = \"delta\"\ncompression = \"none\"";
    let agent = agent(dir.path(), &receiver.address, "http/protobuf", more);
    until_metrics(&receiver, &agent, 3);
    assert_strict(&receiver, true);
    let first = &receiver.requests()[0];
    assert!(!first.http2 && !first.gzip);
    assert_eq!(first.headers["content-type"], "application/x-protobuf");
    assert!(receiver.requests().iter().any(|taken| taken.path == "/v1/metrics"));
    assert!(agent.metric("plimsoll_export_rejected_total{signal=\"metrics\"}") >= 2.0);
}

#[test]
fn the_standard_variables_are_enough() {
    let receiver = Receiver::start("127.0.0.1:0");
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(plimsoll_tests::binary("plimsoll"));
    command
        .args(["run", "--listen", "127.0.0.1:0", "--state-dir"])
        .arg(dir.path())
        .env("PLIMSOLL_PRESSURE_SOCKET", dir.path().join("pressure.sock"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", receiver.address))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "1000")
        .env("OTEL_SERVICE_NAME", "mine");
    let agent = Agent::spawn(command, dir.path());
    until_metrics(&receiver, &agent, 1);
    assert!(resources(&receiver).iter().any(|one| one.contains("service.name=mine")));
}

#[test]
fn a_standard_variable_that_makes_no_sense_is_warned_of_and_the_agent_runs_without_it() {
    let receiver = Receiver::start("127.0.0.1:0");
    let dir = tempfile::tempdir().expect("a directory");
    let bad = [("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"), ("OTEL_LOGS_EXPORTER", "carrier-pigeon")];
    let mut command = plimsoll_tests::plimsoll(&["run", "--listen", "127.0.0.1:0"]);
    command
        .arg("--state-dir")
        .arg(dir.path())
        .env("PLIMSOLL_PRESSURE_SOCKET", dir.path().join("pressure.sock"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", receiver.address))
        .envs(bad);
    let agent = Agent::spawn(command, dir.path());
    until_metrics(&receiver, &agent, 1);
    for (name, _) in bad {
        let told = format!("ignored: environment {name}");
        assert!(agent.log().contains(&told), "{}", agent.log());
    }
    let doctor = plimsoll_tests::plimsoll(&["doctor"]).envs(bad).output().expect("it runs");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    let line = said.lines().find(|line| line.contains("configuration:")).unwrap_or_default();
    assert!(line.starts_with("[warn]"), "{said}");
    assert!(said.contains("OTEL_EXPORTER_OTLP_TIMEOUT"), "{said}");
}

#[test]
fn a_kill_arrives_as_an_alert_and_an_incident_among_the_logs() {
    let cgroup = match Cgroup::named("exported", 24) {
        Ok(cgroup) => cgroup,
        Err(why) => {
            assert!(skipped(&why));
            return;
        }
    };
    let receiver = Receiver::start("127.0.0.1:0");
    let dir = tempfile::tempdir().expect("a directory");
    let agent = agent(dir.path(), &receiver.address, "grpc", "");
    let mut victim = Load::named(Some("greedy"), &["leak", "200"], Some(&cgroup));
    wait_for("the kernel kills it", SOON, || {
        if victim.ended() { Ok(()) } else { Err("it lives".to_owned()) }
    });
    let names = wait_for("the log records arrive", SOON, || {
        let names: Vec<String> = receiver.requests().iter().flat_map(logged).collect();
        let has = |name: &str| names.iter().any(|own| own.starts_with(name));
        if has("plimsoll.alert FATAL OomKill") && has("plimsoll.incident FATAL") {
            return Ok(names);
        }
        Err(format!("{names:?}\n{}", agent.log()))
    });
    assert!(names.iter().any(|name| name.contains("greedy")), "{names:?}");
}

/// `event severity alert body` of each log record.
fn logged(taken: &Taken) -> Vec<String> {
    let Held::Logs(logs) = &taken.held else { return Vec::new() };
    let scopes = logs.resource_logs.iter().flat_map(|one| &one.scope_logs);
    let records = scopes.flat_map(|scope| &scope.log_records);
    records
        .map(|record| {
            let all = strict::shown(&record.attributes);
            let alert = all.split(',').find_map(|one| one.strip_prefix("plimsoll.alert.name="));
            let body = format!("{:?}", record.body);
            let (name, severity) = (&record.event_name, &record.severity_text);
            format!("{name} {severity} {} {body}", alert.unwrap_or_default())
        })
        .collect()
}
