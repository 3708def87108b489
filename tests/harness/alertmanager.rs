//! A real Alertmanager on the loopback, with a directory of its own.

use crate::{exchange, wait_for};
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[derive(Debug)]
pub struct Alertmanager {
    child: Child,
    address: String,
}

impl Alertmanager {
    /// An address on which nothing listens now.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn free_address() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("it has an address").to_string()
    }

    /// Starts one on `address` and waits until it is ready.
    ///
    /// # Errors
    /// When it is not installed.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(address: &str, dir: &Path) -> Result<Self, String> {
        let config = dir.join("alertmanager.yml");
        std::fs::write(&config, "route: { receiver: none }\nreceivers: [{ name: none }]\n")
            .map_err(|e| e.to_string())?;
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", dir.join("am").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .arg("--log.level=error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("prometheus-alertmanager: {e}"))?;
        let own = Self { child, address: address.to_owned() };
        wait_for("Alertmanager is ready", Duration::from_secs(30), || match own.get("/-/ready") {
            Ok(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        });
        Ok(own)
    }

    /// The alerts that it holds active whose label `name` is `value`.
    ///
    /// # Panics
    /// When it does not answer as documented.
    #[must_use]
    pub fn alerts(&self, name: &str, value: &str) -> Vec<Value> {
        let answer = self.get("/api/v2/alerts").expect("Alertmanager answers");
        let all = answer.json();
        let own = |alert: &&Value| alert["labels"][name] == value;
        all.as_array().expect("a list").iter().filter(own).cloned().collect()
    }

    /// A counter of its metrics, added up over its labels.
    #[must_use]
    pub fn counted(&self, metric: &str) -> f64 {
        let text = self.get("/metrics").map(|answer| answer.body).unwrap_or_default();
        let lines = text.lines().filter(|line| line.starts_with(metric));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    fn get(&self, path: &str) -> Result<crate::Answer, String> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        exchange(&self.address, &format!("{head}Connection: close\r\n\r\n"))
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
