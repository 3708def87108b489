//! What only cgroup v2 has: senses by `memory.events` and by stalls of a cgroup, `memory.high`,
//! `memory.oom.group`, limits that nest, page cache that reclaim drops. The cache has no part in
//! them, so they are the same whatever stands in its place.

pub mod kills;
pub mod limits;
pub mod page_cache;
pub mod senses;

use super::{Bare, Setting};
use crate::Fault;
use crate::arena::{Arena, Version};
use crate::load;
use crate::process::{Process, Scratch};
use serde_json::Value;
use std::ffi::OsStr;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// # Errors
/// When v2 is not what is mounted.
fn require(setting: &Setting) -> Result<(), Fault> {
    match setting.ground.version {
        Version::V2 => Ok(()),
        Version::V1 => Err("only on cgroup v2".to_owned()),
    }
}

/// Starts a load in a cgroup; see [`crate::load`].
fn start(words: &[&str], arena: &Arena, scratch: &Scratch) -> Result<Process, Fault> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let args: Vec<&OsStr> = [load::LOAD].iter().chain(words).map(OsStr::new).collect();
    let log = scratch.file(&format!("{}.log", words.join("-").replace('/', "_")));
    Process::start(&own, &args, &[], Some(arena), &log)
}

/// The agent's row of a cgroup.
fn row(bare: &Bare, arena: &Arena) -> Result<Value, Fault> {
    let (rows, path) = (bare.agent.json("/api/v1/cgroups")?, arena.path());
    let row = rows.as_array().and_then(|rows| rows.iter().find(|row| row["path"] == path));
    row.cloned().ok_or_else(|| format!("{path} is not known"))
}

/// The incident with `pid` among its victims, once it is `whole`.
fn incident_of(
    setting: &Setting,
    bare: &Bare,
    pid: u32,
    whole: impl Fn(&Value) -> bool,
) -> Result<Value, Fault> {
    setting.interrupt.wait("an incident of the kill", SOON, || {
        let list = bare.agent.json("/api/v1/incidents")?;
        for row in list.as_array().into_iter().flatten() {
            let id = row["id"].as_str().unwrap_or_default();
            let one = bare.agent.json(&format!("/api/v1/incidents/{id}"))?;
            let mut victims = one["victims"].as_array().into_iter().flatten();
            if victims.any(|victim| victim["pid"] == pid) && whole(&one) {
                return Ok(one);
            }
        }
        Err(format!("{list} {}", bare.agent.process.log()))
    })
}
