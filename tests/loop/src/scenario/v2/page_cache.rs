//! A cgroup that is full of page cache: it is at its limit, the kernel tells of it again and again,
//! and still there is no pressure, for reclaim drops what is needed. Then it is told to
//! (`memory.reclaim`), and the agent sees that it did.
//!
//! The file is a block device in RAM, `/dev/ram0`: all that a machine without a disk has.

use super::{SOON, require, row, start};
use crate::judge::Report;
use crate::scenario::{Bare, Setting, mib};
use crate::subject::Subject;
use crate::{Fault, MIB};
use std::time::Duration;

const LIMIT: u64 = 48 * MIB;
const RECLAIMED: u64 = 16 * MIB;
const NEAR: u64 = 4 * MIB;
const LASTS: Duration = Duration::from_secs(5);

pub fn run(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    require(setting)?;
    let bare = Bare::set(setting, subject, "page-cache", Some(LIMIT))?;
    bare.agent.await_acquainted(&bare.arena, None, &setting.interrupt)?;
    let mut reader = start(&["read", "/dev/ram0", "96"], &bare.arena, &bare.scratch)?;
    let full = setting.interrupt.wait("the agent sees it full of page cache", SOON, || {
        let row = row(&bare, &bare.arena)?;
        let bytes = |key: &str| row[key].as_u64().unwrap_or(0);
        let is_full =
            bytes("usage_bytes") + NEAR >= LIMIT && bytes("file_bytes") + 2 * NEAR >= LIMIT;
        if is_full { Ok(row) } else { Err(format!("{row} {}", reader.log())) }
    })?;
    let held = full["unreclaimable_bytes"].as_u64().unwrap_or(u64::MAX);
    report.must("what cannot be reclaimed is little", "< 12 MiB", mib(held), held < 12 * MIB);
    setting.interrupt.pause(LASTS)?;
    let kills = bare.arena.oom_kills().unwrap_or(0);
    let is_well = kills == 0 && reader.ended().is_none();
    report.must("nobody is killed", "0 kills", format!("{kills} kills"), is_well);
    let alerts = bare.agent.json("/api/v1/alerts")?;
    let path = bare.arena.path();
    let own = |alert: &&serde_json::Value| alert["labels"]["cgroup"] == path;
    let said: Vec<String> =
        alerts.as_array().into_iter().flatten().filter(own).map(|a| a.to_string()).collect();
    report.must("no alert", "none", format!("{said:?}"), said.is_empty());
    if bare.arena.set("memory.reclaim", &RECLAIMED.to_string()).is_err() {
        report.note("this kernel has no memory.reclaim, or could not reclaim as much");
        return Ok(());
    }
    let seen = setting.interrupt.wait("the agent sees what was reclaimed", SOON, || {
        let row = row(&bare, &bare.arena)?;
        let usage = row["usage_bytes"].as_u64().unwrap_or(u64::MAX);
        if usage <= LIMIT - RECLAIMED + NEAR { Ok(usage) } else { Err(row.to_string()) }
    });
    let measured = seen.as_ref().map_or_else(Clone::clone, |bytes| mib(*bytes));
    let wanted = format!("≤ {}", mib(LIMIT - RECLAIMED + NEAR));
    report.must("usage after memory.reclaim", wanted, measured, seen.is_ok());
    Ok(())
}
