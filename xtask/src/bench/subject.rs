//! The program that is measured: started with a scratch state directory, stopped by its pid.

use super::cost;
use super::flock::mortal;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const ADDRESS: &str = "127.0.0.1:19977";

#[derive(Debug)]
pub struct Agent {
    child: Child,
    state_dir: tempfile::TempDir,
    /// From exec to the first complete sweep, as seen by /readyz.
    pub ready_after: Duration,
}

impl Agent {
    /// Starts the release binary with `settings` in its environment and waits until it is ready.
    pub fn start(settings: &[(&str, &str)]) -> Result<Self, String> {
        let state_dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut command = mortal(crate::run::top().join("target/release/plimsoll"));
        command.args(["run", "--listen", ADDRESS, "--log-level", "warn", "--state-dir"]);
        command.arg(state_dir.path()).envs(settings.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let begun = Instant::now();
        let child = command.spawn().map_err(|e| format!("plimsoll: {e}"))?;
        let mut agent = Self { child, state_dir, ready_after: Duration::ZERO };
        loop {
            // Whoever else listens there would be measured in its place.
            if let Ok(Some(status)) = agent.child.try_wait() {
                return Err(format!("the agent ended: {status}"));
            }
            if ready() {
                break;
            }
            if begun.elapsed() > Duration::from_secs(30) {
                return Err("the agent was not ready within 30 s".to_owned());
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        agent.ready_after = begun.elapsed();
        Ok(agent)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn state_dir(&self) -> &std::path::Path {
        self.state_dir.path()
    }

    pub fn rss(&self) -> u64 {
        cost::rss(self.pid()).unwrap_or(0)
    }

    /// Readings of processes taken since it started, as it counts them itself.
    pub fn readings(&self) -> f64 {
        samples("process").unwrap_or(f64::NAN)
    }

    /// Share of one core used: the median over stretches of `each`.
    pub fn share(&self, stretches: usize, each: Duration) -> f64 {
        share(self.pid(), stretches, each)
    }
}

/// One line of the agent's `plimsoll_samples_total`.
fn samples(source: &str) -> Option<f64> {
    let metrics = get(ADDRESS, "/metrics").unwrap_or_default();
    let own = format!("plimsoll_samples_total{{source=\"{source}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&own))?.trim().parse().ok()
}

impl Drop for Agent {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

pub fn share(pid: u32, stretches: usize, each: Duration) -> f64 {
    let mut shares = Vec::new();
    for _ in 0..stretches {
        let (begun, before) = (Instant::now(), cost::cpu(pid));
        std::thread::park_timeout(each);
        let wall = begun.elapsed().as_secs_f64();
        if let (Some(before), Some(after)) = (before, cost::cpu(pid)) {
            shares.push(after.saturating_sub(before).as_secs_f64() / wall);
        }
    }
    cost::median(shares)
}

/// SIGTERM, and SIGKILL for what does not go within five seconds.
pub fn stop(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Fails only for what has ended already.
        let _ = kill_process(pid, Signal::TERM);
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn ready() -> bool {
    get(ADDRESS, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// A bare HTTP GET; the whole answer as text.
pub fn get(address: &str, path: &str) -> Option<String> {
    let address: SocketAddr = address.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}
