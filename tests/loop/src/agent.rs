//! The agent, outside the cgroup, on a free port and with a socket and a state of its own.

use crate::Fault;
use crate::arena::Arena;
use crate::http;
use crate::process::{Process, Scratch};
use crate::wait::Interrupt;
use serde_json::Value;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Agent {
    pub process: Process,
    pub address: SocketAddr,
    pub socket: PathBuf,
}

impl Agent {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready, with what it said.
    pub fn start(program: &Path, scratch: &Scratch, interrupt: &Interrupt) -> Result<Self, Fault> {
        let (socket, state) = (scratch.file("pressure.sock"), scratch.file("state"));
        std::fs::create_dir_all(&state).map_err(|e| format!("{}: {e}", state.display()))?;
        let args = ["run", "--listen", "127.0.0.1:0", "--state-dir"].map(OsStr::new);
        let args = [&args[..], &[state.as_os_str(), OsStr::new("--pressure-socket")]].concat();
        let args = [&args[..], &[socket.as_os_str()]].concat();
        let log = scratch.file("agent.log");
        let mut process = Process::start(program, &args, &[], None, &log)?;
        let address = interrupt.wait("the agent announces its address", SOON, || {
            let said = process.log();
            if let Some(status) = process.ended() {
                return Err(format!("it ended ({status}): {said}"));
            }
            address_in(&said).ok_or(said)
        })?;
        let own = Self { process, address, socket };
        interrupt.wait("the agent is ready", SOON, || http::get(address, "/readyz"))?;
        Ok(own)
    }

    /// # Errors
    /// When the answer is not as it should be.
    pub fn json(&self, path: &str) -> Result<Value, Fault> {
        http::json(self.address, path)
    }

    /// Waits until it knows the cgroup, listens to its events if it has a limit, and `pid` has
    /// subscribed if one is given.
    ///
    /// # Errors
    /// When that does not happen.
    pub fn await_acquainted(
        &self,
        arena: &Arena,
        pid: Option<u32>,
        interrupt: &Interrupt,
    ) -> Result<(), Fault> {
        interrupt.wait("the agent listens to the cgroup", SOON, || {
            let rows = self.json("/api/v1/cgroups")?;
            let path = arena.path();
            let row = rows.as_array().and_then(|rows| rows.iter().find(|row| row["path"] == path));
            let row = row.ok_or("it is not known")?;
            if row["listened_to"] == arena.is_limited { Ok(()) } else { Err(row.to_string()) }
        })?;
        let Some(pid) = pid else { return Ok(()) };
        interrupt.wait("the cache has subscribed", SOON, || {
            let pressure = self.json("/api/v1/pressure")?;
            let is_there = pressure["subscribers"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["pid"] == pid));
            if is_there { Ok(()) } else { Err(pressure.to_string()) }
        })
    }

    /// Words that it said about a scope, oldest first, of the last 128 to anybody.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn words(&self, scope: &str) -> Result<Vec<Value>, Fault> {
        let pressure = self.json("/api/v1/pressure")?;
        let all = pressure["signals"].as_array().cloned().unwrap_or_default();
        Ok(all.into_iter().rev().filter(|word| word["scope"] == scope).collect())
    }
}

/// Words in short, for people: milliseconds since `from_ms`, level, asked, freed, outcome.
#[must_use]
pub fn in_short(words: &[Value], from_ms: i64) -> String {
    let mib = |value: &Value| value.as_f64().map_or(-1.0, |bytes| bytes / 1_048_576.0);
    let short = |word: &Value| {
        let at = time_ms(&word["at"]).map_or(0, |at| at - from_ms);
        let text = |key: &str| word[key].as_str().unwrap_or("?").to_owned();
        let (asked, freed) = (mib(&word["asked_bytes"]), mib(&word["freed_bytes"]));
        let ended = time_ms(&word["ended_at"]).map_or(-1, |at| at - from_ms);
        format!("{at} {} {asked:.1}→{freed:.1} {} at {ended}", text("level"), text("outcome"))
    };
    words.iter().map(short).collect::<Vec<_>>().join("; ")
}

fn address_in(said: &str) -> Option<SocketAddr> {
    let rest = &said[said.find("http://")? + "http://".len()..];
    let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == ':';
    let end = rest.find(|c| !is_part(c))?;
    rest[..end].parse().ok()
}

/// The wall time of a field of a document. Units: milliseconds since 1970.
#[must_use]
pub fn time_ms(value: &Value) -> Option<i64> {
    Some(value.as_str()?.parse::<jiff::Timestamp>().ok()?.as_millisecond())
}
