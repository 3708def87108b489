//! Values of `/metrics` beside those that node_exporter and process-exporter read in the same run.
//!
//! Tolerance: the readings are up to some seconds apart on a node that is busy with other tests.
//! What cannot change must be equal; the node's available memory within 5 % of the total; a process
//! that holds still within 1 MiB; counters may not be further than both readings of the other.

use plimsoll_tests::{Agent, Alertmanager, Load, exchange, skipped, wait_for};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const MIB: f64 = 1024.0 * 1024.0;

/// An exporter of another house. Dropped, it ends.
struct Exporter {
    child: Child,
    address: String,
}

impl Exporter {
    fn start(program: &str, more: &[&str]) -> Option<Self> {
        let address = Alertmanager::free_address();
        let mut command = Command::new(program);
        command.arg(format!("--web.listen-address={address}")).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            assert!(skipped(&format!("{program} is not installed: apt-get install {program}")));
            return None;
        };
        let exporter = Self { child, address };
        wait_for("the exporter answers", SOON, || exporter.text().map(|_| ()));
        Some(exporter)
    }

    fn text(&self) -> Result<String, String> {
        let head = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n", self.address);
        exchange(&self.address, &format!("{head}Connection: close\r\n\r\n")).map(|a| a.body)
    }

    #[track_caller]
    fn value(&self, series: &str) -> f64 {
        value(&self.text().expect("it answers"), series).unwrap_or_else(|| panic!("no {series}"))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value of the first line that begins with `series`.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(series))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn the_node_is_as_node_exporter_reads_it() {
    let Some(other) = Exporter::start("prometheus-node-exporter", &[]) else { return };
    let agent = Agent::start(&[]);
    let total = agent.metric("plimsoll_node_mem_total_bytes");
    assert!((total - other.value("node_memory_MemTotal_bytes ")).abs() < 0.5);
    wait_for("both read the same", SOON, || {
        let apart = [
            ("plimsoll_node_mem_available_bytes", "node_memory_MemAvailable_bytes ", total * 0.05),
            ("plimsoll_node_swap_total_bytes", "node_memory_SwapTotal_bytes ", 0.5),
            ("plimsoll_node_swap_free_bytes", "node_memory_SwapFree_bytes ", total * 0.05),
        ]
        .map(|(own, theirs, most)| ((agent.metric(own) - other.value(theirs)).abs(), most, own));
        let far = apart.into_iter().find(|(apart, most, _)| apart > most);
        far.map_or(Ok(()), |far| Err(format!("{far:?}")))
    });
    // Counters: theirs, ours, theirs, and ours between; ours may be a reading old.
    for (own, theirs, lag) in [
        ("plimsoll_node_oom_kills_total", "node_vmstat_oom_kill ", 0.0),
        (
            "plimsoll_node_psi_memory_seconds_total{kind=\"some\"}",
            "node_pressure_memory_waiting_seconds_total ",
            1.0,
        ),
        (
            "plimsoll_node_psi_memory_seconds_total{kind=\"full\"}",
            "node_pressure_memory_stalled_seconds_total ",
            1.0,
        ),
    ] {
        let known = value(&other.text().expect("it answers"), theirs).is_some();
        if !known {
            assert!(value(&agent.get("/metrics").body, own).is_none_or(|own| own >= 0.0));
            continue;
        }
        wait_for("the counter lies between two readings of theirs", SOON, || {
            let before = other.value(theirs);
            let ours = agent.metric(own);
            let after = other.value(theirs);
            let fits = ours >= before - lag && ours <= after + lag;
            if fits { Ok(()) } else { Err(format!("{own}: {before} {ours} {after}")) }
        });
    }
}

#[test]
fn a_process_is_as_process_exporter_reads_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("process.yml");
    let names = "process_names:\n  - name: \"{{.Comm}}\"\n    comm: [steady-oracle]\n";
    std::fs::write(&config, names).expect("it can be written");
    let config = format!("--config.path={}", config.display());
    let _held = Load::named(Some("steady-oracle"), &["hold", "48"], None);
    let Some(other) = Exporter::start("prometheus-process-exporter", &[&config]) else { return };
    let agent = Agent::start(&[]);
    wait_for("both read the same", SOON, || {
        let text = agent.get("/metrics").body;
        let own = |name: &str| {
            let line = text
                .lines()
                .find(|line| line.starts_with(name) && line.contains("comm=\"steady-oracle\""));
            let value = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            value.ok_or_else(|| format!("no {name}"))
        };
        let rss = own("plimsoll_process_rss_bytes{")?;
        let swap = own("plimsoll_process_swap_bytes{")?;
        let theirs = |kind: &str| {
            let series = "namedprocess_namegroup_memory_bytes{groupname=\"steady-oracle\",";
            let series = format!("{series}memtype=\"{kind}\"");
            value(&other.text()?, &series).ok_or_else(|| format!("no {series}"))
        };
        let apart = (rss - theirs("resident")?).abs().max((swap - theirs("swapped")?).abs());
        let held = rss >= 48.0 * MIB;
        if held && apart <= MIB { Ok(()) } else { Err(format!("{rss}, {apart} apart")) }
    });
}
