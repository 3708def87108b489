//! The kernel wakes the agent: by a change of `memory.events`, and by a stall of the cgroup. What
//! the agent says of its own senses is true, and `doctor` sees them too.
//!
//! A leak runs into `memory.high`, which counts an event and holds the leak up; the limit itself is
//! far away, so nothing but a sense makes the agent look before its usual time.

use super::{SOON, require, row, start};
use crate::agent::time_ms;
use crate::http;
use crate::judge::Report;
use crate::process::Process;
use crate::scenario::{Bare, Setting};
use crate::subject::Subject;
use crate::wait::unix_ms;
use crate::{Fault, MIB};
use serde_json::Value;
use std::ffi::OsStr;
use std::time::Duration;

const LIMIT: u64 = 400 * MIB;
const HIGH: u64 = 24 * MIB;
const READ_WITHIN_MS: f64 = 100.0;
const STEP: Duration = Duration::from_millis(1);

pub fn run(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    require(setting)?;
    let bare = Bare::set(setting, subject, "senses", Some(LIMIT))?;
    bare.agent.await_acquainted(&bare.arena, None, &setting.interrupt)?;
    let ready = http::get(bare.agent.address, "/readyz?verbose")?;
    for (source, wanted) in [
        ("senses", "memory.events and stalls of"),
        ("senses", "the node's stalls within 1 s"),
        ("oom_log", "[+]"),
        ("psi", "[+]"),
    ] {
        let line = ready.lines().find(|line| line.get(4..).is_some_and(|l| l.starts_with(source)));
        let line = line.unwrap_or("no such source");
        let what = format!("/readyz says of {source}");
        report.must(&what, wanted, line, line.starts_with("[+]") && line.contains(wanted));
    }
    doctor(setting, &bare, report)?;
    bare.arena.set("memory.high", &HIGH.to_string())?;
    let _leak = start(&["leak", "20", "40"], &bare.arena, &bare.scratch)?;
    // A millisecond's look: what is measured is how late the agent is after the kernel.
    let told = setting.interrupt.wait("memory.high is passed", SOON, || {
        let events = bare.arena.read("memory.events")?;
        let is_told = events.lines().any(|line| line.starts_with("high ") && line != "high 0");
        if is_told { Ok(unix_ms()) } else { Err(events) }
    })?;
    let read = setting.interrupt.wait_every(STEP, "the agent reads it", SOON, || {
        let row = row(&bare, &bare.arena)?;
        time_ms(&row["at"]).filter(|at| *at >= told - 20).ok_or_else(|| row.to_string())
    })?;
    let within = READ_WITHIN_MS * setting.slack;
    let measured = format!("{} ms", read - told);
    let in_time = (read - told) as f64 <= within;
    report.must("the agent reads after an event", format!("≤ {within} ms"), measured, in_time);
    for sense in ["cgroup_events", "cgroup_pressure"] {
        let woken = setting.interrupt.wait("the sense wakes the agent", SOON, || {
            let woken = wakes(&bare, sense)?;
            if woken > 0.0 { Ok(woken) } else { Err("not yet".to_owned()) }
        });
        let what = format!("woken by {sense}");
        let measured = woken.as_ref().map_or_else(Clone::clone, |times| format!("{times} times"));
        report.must(&what, "at least once", measured, woken.is_ok());
    }
    let row = row(&bare, &bare.arena)?;
    let high = &row["high_bytes"];
    report.must("memory.high is known", HIGH.to_string(), high.to_string(), *high == HIGH);
    let limit = &row["limit_bytes"];
    let what = "what kills is the limit all the same";
    report.must(what, LIMIT.to_string(), limit.to_string(), *limit == LIMIT);
    Ok(())
}

/// How often that sense has woken the agent.
fn wakes(bare: &Bare, sense: &str) -> Result<f64, Fault> {
    let text = http::get(bare.agent.address, "/metrics")?;
    let series = format!("plimsoll_senses_wakes_total{{sense=\"{sense}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&series));
    Ok(line.and_then(|number| number.parse().ok()).unwrap_or(0.0))
}

/// What `plimsoll doctor` finds on a machine where everything is to be had.
fn doctor(setting: &Setting, bare: &Bare, report: &mut Report) -> Result<(), Fault> {
    let args = ["doctor", "--json"].map(OsStr::new);
    let log = bare.scratch.file("doctor.log");
    let mut doctor = Process::start(&setting.agent, &args, &[], None, &log)?;
    setting
        .interrupt
        .wait("doctor ends", SOON, || doctor.ended().map(drop).ok_or_else(|| doctor.log()))?;
    let said = doctor.log();
    let found: Value = serde_json::from_str(&said).map_err(|e| format!("doctor: {e} in {said}"))?;
    for name in ["cgroups", "pressure (PSI)", "early senses", "OOM log", "process events"] {
        let mut checks = found["checks"].as_array().into_iter().flatten();
        let check = checks.find(|check| check["name"] == name).cloned().unwrap_or_default();
        let what = format!("doctor finds {name}");
        report.must(&what, "ok", check["what"].to_string(), check["level"] == "ok");
    }
    Ok(())
}
