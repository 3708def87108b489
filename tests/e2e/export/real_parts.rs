//! Receivers that others wrote: VictoriaMetrics and rotel, as `cargo xtask test` fetches them.

use super::{SOON, agent, start};
use plimsoll_tests::{Alertmanager, exchange, skipped, wait_for};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const STARTS: Duration = Duration::from_secs(60);

/// A program that ends with the test.
struct Part(Child);

impl Drop for Part {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A file below `target/collectors`; None, and the reason is said, if it was not fetched.
fn fetched(path: &str) -> Option<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let file = top.join("target/collectors").join(path);
    if file.exists() {
        return Some(file);
    }
    assert!(skipped(&format!("{} is not there: run cargo xtask test", file.display())));
    None
}

fn get(address: &str, path: &str) -> Result<String, String> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    exchange(address, &head).map(|answer| answer.body)
}

#[test]
fn victoria_metrics_has_series_under_the_names_that_prometheus_has_for_them() {
    let Some(program) = fetched("victoria-metrics/usr/bin/victoria-metrics") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let address = Alertmanager::free_address();
    let child = Command::new(program)
        .arg(format!("-storageDataPath={}", dir.path().join("vm").display()))
        .arg(format!("-httpListenAddr={address}"))
        .args(["-opentelemetry.usePrometheusNaming", "-memory.allowedBytes=64MB"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let _part = Part(child);
    wait_for("VictoriaMetrics answers", STARTS, || get(&address, "/health"));
    let text = format!(
        "[export.otlp]\nenabled = true\ninterval = \"1s\"\nprotocol = \"http/protobuf\"\n\
         signals = [\"metrics\"]\n\
         metrics_endpoint = \"http://{address}/opentelemetry/v1/metrics\"\n"
    );
    let agent = start(dir.path(), &text);
    let found = |query: &str| -> Result<String, String> {
        get(&address, "/internal/force_flush")?;
        let body = get(&address, &format!("/api/v1/export?match[]={query}"))?;
        let source = agent.source("export:metrics");
        if body.contains("\"__name__\"") { Ok(body) } else { Err(format!("{query}: {source}")) }
    };
    let pid = agent.pid();
    for query in [
        "system_memory_usage_bytes".to_owned(),
        "system_memory_limit_bytes".to_owned(),
        "plimsoll_agent_cpu_time_seconds_total".to_owned(),
        format!("process_memory_usage_bytes%7B%22process.pid%22=%22{pid}%22%7D"),
        format!("plimsoll_leak_state%7B%22process.pid%22=%22{pid}%22%7D"),
    ] {
        // Some releases write the labels of resources with underscores.
        let other = query.replace("%22process.pid%22", "process_pid");
        wait_for("the series is there", SOON, || found(&query).or_else(|_| found(&other)));
    }
    assert!(agent.source("export:metrics").starts_with("[+]"));
}

#[test]
fn rotel_takes_metrics_over_grpc_and_http() {
    let Some(program) = fetched("rotel/rotel/rotel-agent") else { return };
    for protocol in ["grpc", "http/protobuf"] {
        let dir = tempfile::tempdir().expect("a directory");
        let (grpc, http) = (Alertmanager::free_address(), Alertmanager::free_address());
        let log = std::fs::File::create(dir.path().join("rotel.log")).expect("a log");
        let child = Command::new(&program)
            .args(["start", "--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http])
            .args(["--exporter", "blackhole", "--debug-log", "metrics"])
            .args(["--debug-log-verbosity", "detailed", "--pid-file"])
            .arg(dir.path().join("rotel.pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("it starts");
        let _part = Part(child);
        let address = if protocol == "grpc" { &grpc } else { &http };
        wait_for("rotel listens", STARTS, || {
            std::net::TcpStream::connect(address).map(drop).map_err(|e| e.to_string())
        });
        let agent = agent(dir.path(), address, protocol, "processes_max = 3");
        wait_for("rotel shows what it was sent", SOON, || {
            let said = std::fs::read_to_string(dir.path().join("rotel.log"));
            let said = said.map_err(|e| e.to_string())?;
            let names = ["process.memory.usage", "system.memory.usage", "plimsoll.leak.state"];
            let missing: Vec<_> = names.iter().filter(|name| !said.contains(**name)).collect();
            let source = agent.source("export:metrics");
            if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}; {source}")) }
        });
        assert!(agent.source("export:metrics").starts_with("[+]"));
    }
}
