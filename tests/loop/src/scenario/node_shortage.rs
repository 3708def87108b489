//! The node itself runs short: no cgroup's limit, only as much memory as there is. The agent says
//! so of the node, the cache gives way, nobody is killed.
//!
//! Only where the machine is small (a virtual machine made for it): elsewhere it would take all
//! memory from whoever else works there. How much cache and leak take follows from what is
//! available at the start; together it is a tenth more than there is.

use super::{Bare, Setting, mib};
use crate::judge::Report;
use crate::subject::{Kind, Subject};
use crate::traffic::Traffic;
use crate::{Fault, MIB};
use std::time::Duration;

/// A larger machine is somebody's.
const SMALL: u64 = 1024 * MIB;
/// Of what is available at the start.
const CACHE_SHARE: f64 = 0.6;
const LEAK_SHARE: f64 = 0.5;
const LEAK_S: f64 = 10.0;
const LASTS: Duration = Duration::from_secs(16);

/// Whether it may be run here.
#[must_use]
pub fn is_small() -> bool {
    meminfo("MemTotal").is_some_and(|bytes| bytes <= SMALL)
}

pub fn run(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    if !is_small() {
        return Err(format!("only on a machine of at most {}", mib(SMALL)));
    }
    let bare = Bare::set(setting, subject, "node-shortage", None)?;
    // With the agent running: what is left now is what the two can have.
    let available = meminfo("MemAvailable").ok_or("MemAvailable cannot be read")?;
    let mib_of = |share: f64| available as f64 * share / MIB as f64;
    let mut stage = bare.serve(setting, subject, Some(mib_of(CACHE_SHARE) as u64))?;
    let keys = stage.fill(setting, (mib_of(CACHE_SHARE) * 1.1) as u64 * MIB, report)?;
    let gauge = stage.gauge(setting)?;
    let traffic = Traffic::start(&stage.server, keys, setting.pace(10))?;
    let before = kills();
    let mut leak = stage.leak(mib_of(LEAK_SHARE) / LEAK_S, mib_of(LEAK_SHARE))?;
    setting.interrupt.pause(LASTS)?;
    let kills = kills().saturating_sub(before);
    let ended = leak.ended().is_some() || stage.server.process.ended().is_some();
    let left = mib(meminfo("MemAvailable").unwrap_or(0));
    report.note(format!("{} available before, {left} in the end", mib(available)));
    let measured = format!("{kills} kills");
    report.must("nobody is killed", "0 kills", measured, kills == 0 && !ended);
    if subject.kind != Kind::Ours {
        return Ok(());
    }
    let words = stage.agent.words("node")?;
    let loud: Vec<&str> = words.iter().filter_map(|word| word["level"].as_str()).collect();
    let asked: u64 = words.iter().filter_map(|word| word["asked_bytes"].as_u64()).sum();
    let measured = format!("{loud:?}, {} asked", mib(asked));
    let good = loud.iter().any(|level| *level != "none") && asked > 0;
    report.must("the agent says so of the node", "a level, and bytes asked for", measured, good);
    let given = gauge.map_or(0, |gauge| gauge.last().given_bytes);
    report.must("the cache gives way", "more than 5 MiB", mib(given), given > 5 * MIB);
    let fault = traffic.finish().fault;
    let measured = format!("fault: {fault:?}");
    report.must("gets are answered throughout", "no fault", measured, fault.is_none());
    Ok(())
}

/// Units: bytes.
fn meminfo(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Kills for want of memory on the node, as the kernel counts them.
fn kills() -> u64 {
    let text = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let found = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok());
    found.unwrap_or(0)
}
