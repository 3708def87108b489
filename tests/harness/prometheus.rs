//! A real Prometheus on the loopback, which scrapes what a test starts, each second.

use crate::{Answer, exchange, wait_for};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: String,
}

impl Prometheus {
    /// Starts one that scrapes `targets` under the job `plimsoll` and evaluates the rule files of
    /// `rules`; `dir` is its own.
    ///
    /// # Errors
    /// When it is not installed.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(targets: &[&str], rules: &Path, dir: &Path) -> Result<Self, String> {
        let address = crate::Alertmanager::free_address();
        let quoted: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [ '{}/*ing.yml', '{}/alerts.yml' ]\n\
             scrape_configs:\n- job_name: plimsoll\n  static_configs: [ {{ targets: [{}] }} ]\n",
            rules.display(),
            rules.display(),
            quoted.join(", ")
        );
        let file = dir.join("prometheus.yml");
        std::fs::write(&file, config).map_err(|e| e.to_string())?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("prometheus: {e}"))?;
        let own = Self { child, address };
        wait_for("Prometheus is ready", Duration::from_secs(60), || match own.get("/-/ready") {
            Ok(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        });
        Ok(own)
    }

    /// The series that `expr` finds now.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub fn query(&self, expr: &str) -> Result<Vec<Value>, String> {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(expr)))?;
        let body = answer.json();
        if body["status"] != "success" {
            return Err(format!("{expr}: {}", body["error"]));
        }
        body["data"]["result"].as_array().cloned().ok_or_else(|| format!("{expr}: no vector"))
    }

    /// # Errors
    /// When no answer comes.
    pub fn get(&self, path: &str) -> Result<Answer, String> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        exchange(&self.address, &format!("{head}Connection: close\r\n\r\n"))
    }
}

fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    let each = text.bytes();
    each.map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
