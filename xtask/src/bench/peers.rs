//! The peers on the same flock: process-exporter and netdata's apps.plugin, from Debian.

use super::flock::mortal;
use super::subject::{get, share, stop};
use crate::run::{command, exists, run};
use crate::tools::{Tool, install};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const EXPORTER: Tool = Tool {
    program: "prometheus-process-exporter",
    package: "prometheus-process-exporter",
    why: "a peer in the table",
};
const APPS_PLUGIN: &str = "/usr/lib/netdata/plugins.d/apps.plugin";
const EXPORTER_ADDRESS: &str = "127.0.0.1:19256";

/// A peer's cost. Units: share of one core at one reading a second; bytes.
#[derive(Clone, Debug)]
pub struct Peer {
    pub name: String,
    pub share: f64,
    pub rss: u64,
}

/// Both peers; one that cannot be had is named with the reason.
pub fn measure(seconds: u64) -> Vec<Result<Peer, String>> {
    vec![
        process_exporter(seconds).map_err(|e| format!("process-exporter: {e}")),
        apps_plugin(seconds).map_err(|e| format!("netdata apps.plugin: {e}")),
    ]
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        stop(&mut self.0);
    }
}

fn process_exporter(seconds: u64) -> Result<Peer, String> {
    install(&[EXPORTER])?;
    let config = tempfile::NamedTempFile::with_suffix(".yml").map_err(|e| e.to_string())?;
    let rules = "process_names:\n  - name: \"{{.Comm}}\"\n    cmdline: [\".+\"]\n";
    std::fs::write(config.path(), rules).map_err(|e| e.to_string())?;
    let mut peer = mortal(EXPORTER.program);
    peer.args(["--web.listen-address", EXPORTER_ADDRESS, "--gather-smaps=false"]);
    peer.args(["--threads=false", "--config.path"]).arg(config.path());
    peer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = Running(peer.spawn().map_err(|e| e.to_string())?);
    let begun = Instant::now();
    while get(EXPORTER_ADDRESS, "/metrics").is_none() {
        if begun.elapsed() > Duration::from_secs(20) {
            return Err("does not answer".to_owned());
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let pid = child.0.id();
    let before = super::cost::cpu(pid).ok_or("ended")?;
    for _ in 0..seconds {
        get(EXPORTER_ADDRESS, "/metrics").ok_or("stopped answering")?;
    }
    // It reads only when it is scraped: the cost of a scrape is the cost of a second at 1 Hz.
    let used = super::cost::cpu(pid).ok_or("ended")?.saturating_sub(before);
    Ok(Peer {
        name: "process-exporter, scraped at 1 Hz".to_owned(),
        share: used.as_secs_f64() / seconds as f64,
        rss: super::cost::rss(pid).unwrap_or(0),
    })
}

fn apps_plugin(seconds: u64) -> Result<Peer, String> {
    if !std::path::Path::new(APPS_PLUGIN).exists() {
        if !exists("apt-get") {
            return Err("no apt-get".to_owned());
        }
        let mut apt = command(&["apt-get", "install", "-qy", "--no-install-recommends"]);
        apt.arg("netdata-core").env("RUNLEVEL", "1");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        run(apt)?;
    }
    let mut peer = mortal(APPS_PLUGIN);
    // It ends with its standard input.
    peer.arg("1").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    peer.env("NETDATA_HOST_PREFIX", "").env("NETDATA_USER_CONFIG_DIR", "/etc/netdata");
    peer.env("NETDATA_STOCK_CONFIG_DIR", "/usr/lib/netdata/conf.d");
    let mut child = Running(peer.spawn().map_err(|e| format!("{APPS_PLUGIN}: {e}"))?);
    let pid = child.0.id();
    std::thread::park_timeout(Duration::from_secs(3));
    if let Ok(Some(status)) = child.0.try_wait() {
        return Err(format!("ended at once: {status}"));
    }
    let share = share(pid, 3, Duration::from_secs(seconds.div_ceil(3)));
    let rss = super::cost::rss(pid).unwrap_or(0);
    Ok(Peer { name: "netdata apps.plugin at 1 Hz".to_owned(), share, rss })
}
