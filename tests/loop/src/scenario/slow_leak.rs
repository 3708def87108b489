//! 1 MiB/s to a limit that is ten minutes away: when the end is foretold, how well at half-time.
//!
//! It leaks from its very first second: there is no quiet past to hold the growth against.
//!
//! Shortened by `--time-scale N`, the leak is N times as fast and all times are an Nth: the same
//! shape, but fewer readings, and less time for the detector to be sure in.

use super::{Setting, mib};
use crate::agent::Agent;
use crate::arena::Arena;
use crate::judge::Report;
use crate::process::{Process, Scratch};
use crate::subject::Subject;
use crate::wait::unix_ms;
use crate::{Fault, MIB, load};
use serde_json::Value;
use std::ffi::OsStr;
use std::time::{Duration, Instant};

const MIB_PER_S: f64 = 1.0;
const LASTS_S: f64 = 600.0;
const LIMIT: u64 = 600 * MIB;
/// More than there is.
const MOST_MIB: &str = "1000000";
const AHEAD_S: f64 = 300.0;
const ERROR_MOST: f64 = 0.10;
const LOOK_EVERY: Duration = Duration::from_millis(500);
const ACQUAINTED_WITHIN: Duration = Duration::from_secs(60);

/// What was foretold at an instant.
#[derive(Clone, Debug)]
struct Said {
    at_ms: i64,
    state: String,
    p50_s: Option<f64>,
}

pub fn run(setting: &Setting, _: &Subject, report: &mut Report) -> Result<(), Fault> {
    let (interrupt, scale) = (&setting.interrupt, setting.time_scale);
    if scale > 1.0 {
        report.note(format!("shortened: {scale} times as fast as 1 MiB/s, ahead times likewise"));
    }
    report.note("no cache: nothing may give way, or the end would move");
    let scratch = Scratch::make("slow-leak")?;
    let arena = Arena::make(&setting.ground, "slow-leak", Some(LIMIT))?;
    let agent = Agent::start(&setting.agent, &scratch, interrupt)?;
    interrupt.wait("the agent knows the cgroup", ACQUAINTED_WITHIN, || {
        let rows = agent.json("/api/v1/cgroups")?;
        let is_ours = |row: &Value| row["path"] == arena.path();
        let known = rows.as_array().is_some_and(|rows| rows.iter().any(is_ours));
        if known { Ok(()) } else { Err("it is not known".to_owned()) }
    })?;
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let rate = (MIB_PER_S * scale).to_string();
    let args = [load::LOAD, "leak", &rate, MOST_MIB].map(OsStr::new);
    let mut leak = Process::start(&own, &args, &[], Some(&arena), &scratch.file("leak.log"))?;
    let (begun, pid) = (Instant::now(), leak.pid());
    let mut said: Vec<Said> = Vec::new();
    while leak.ended().is_none() {
        if begun.elapsed().as_secs_f64() > 2.0 * LASTS_S / scale + 60.0 {
            return Err(format!("the kernel does not kill at {}", mib(LIMIT)));
        }
        said.extend(verdict(&agent, pid));
        interrupt.pause(LOOK_EVERY)?;
    }
    let end_ms = unix_ms();
    let lasted = begun.elapsed().as_secs_f64();
    report.note(format!("the leak was killed after {lasted:.0} s"));
    judge(&said, end_ms, scale, report);
    Ok(())
}

fn verdict(agent: &Agent, pid: u32) -> Option<Said> {
    let verdicts = agent.json("/api/v1/verdicts").ok()?;
    let own = verdicts.as_array()?.iter().find(|verdict| verdict["target"]["pid"] == pid)?.clone();
    Some(Said {
        at_ms: unix_ms(),
        state: own["state"].as_str()?.to_owned(),
        p50_s: own["eta_s"]["p50"].as_f64(),
    })
}

fn judge(said: &[Said], end_ms: i64, scale: f64, report: &mut Report) {
    let left_s = |at_ms: i64| (end_ms - at_ms) as f64 / 1000.0;
    let predicted = said.iter().find(|one| one.state.starts_with("oom_"));
    let ahead = predicted.map(|one| left_s(one.at_ms));
    let wanted = AHEAD_S / scale;
    report.must(
        "the end is predicted ahead",
        format!("≥ {wanted:.0} s"),
        ahead.map_or("never".to_owned(), |s| format!("{s:.0} s")),
        ahead.is_some_and(|s| s >= wanted),
    );
    let half = said.iter().rfind(|one| left_s(one.at_ms) >= LASTS_S / scale / 2.0);
    let off = half.and_then(|one| {
        let left = left_s(one.at_ms);
        Some((one.p50_s? - left).abs() / left)
    });
    report.must(
        "p50 at half-time is right",
        format!("± {:.0} %", ERROR_MOST * 100.0),
        off.map_or("nothing was foretold".to_owned(), |off| format!("off by {:.1} %", off * 100.0)),
        off.is_some_and(|off| off <= ERROR_MOST),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(p50_s: f64) -> Vec<Said> {
        let at = |s: u32, p50_s| Said {
            at_ms: i64::from(s) * 1000,
            state: "oom_predicted".to_owned(),
            p50_s,
        };
        vec![at(100, None), at(300, Some(p50_s)), at(500, Some(9.0))]
    }

    #[test]
    fn half_time_is_the_last_word_before_half_of_the_time_is_left() {
        let judged = |p50_s| {
            let mut report = Report::default();
            judge(&said(p50_s), 600_000, 1.0, &mut report);
            report.passed()
        };
        assert!(judged(290.0) && judged(330.0));
        assert!(!judged(260.0) && !judged(340.0));
    }
}
