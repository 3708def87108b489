//! 100 MiB in one second beside a full cache: how long until the agent says critical, and how long
//! until the cache gives the first bytes back.
//!
//! The crossing is the instant at which the kernel's own figures, read every 5 ms, first meet what
//! the documentation says `critical` is; see [`crate::meter::critical_from`].

use super::{Setting, Stage, mib};
use crate::agent::{in_short, time_ms};
use crate::judge::Report;
use crate::meter::critical_from;
use crate::subject::{Kind, Subject};
use crate::wait::unix_ms;
use crate::{Fault, MIB};
use std::time::Duration;

const LIMIT: u64 = 380 * MIB;
const CACHE_MIB: u64 = 270;
const BURST_MIB: f64 = 100.0;
const LASTS: Duration = Duration::from_secs(5);
const SAID_WITHIN_MS: f64 = 100.0;
const GIVEN_WITHIN_MS: f64 = 50.0;

pub fn run(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    let mut stage = Stage::set(setting, subject, "burst", LIMIT, Some(CACHE_MIB))?;
    stage.fill(setting, CACHE_MIB * MIB * 11 / 10, report)?;
    let gauge = stage.gauge(setting)?;
    let begun_ms = unix_ms();
    let _leak = stage.leak(BURST_MIB, BURST_MIB)?;
    setting.interrupt.pause(LASTS)?;
    let kills = stage.arena.oom_kills().unwrap_or(0);
    let has_ended = stage.server.process.ended().is_some();
    let measured = format!("{kills} kills");
    report.must("nobody is killed", "0 kills", measured, kills == 0 && !has_ended);
    let words = stage.agent.words(&stage.scope())?;
    report.note(in_short(&words, begun_ms));
    let crossed = critical_from(&stage.meter.readings(), LIMIT, begun_ms);
    let Some(crossed) = crossed else { return Err("the burst was never critical".to_owned()) };
    report.note(format!("critical {} ms after the burst began", crossed - begun_ms));
    report.note(format!("at most {} of {} were held", mib(stage.meter.most()), mib(LIMIT)));
    let Some(gauge) = gauge.filter(|_| subject.kind == Kind::Ours) else { return Ok(()) };

    let said = words.iter().filter(|word| word["level"] == "critical");
    let said = said.filter_map(|word| time_ms(&word["at"])).find(|at| *at >= begun_ms);
    let measured = said.map_or("never".to_owned(), |at| format!("{} ms", at - crossed));
    let within = SAID_WITHIN_MS * setting.slack;
    let in_time = said.is_some_and(|at| (at - crossed) as f64 <= within);
    let what = "level critical after the crossing";
    report.must(what, format!("≤ {within} ms"), measured, in_time);

    let given_by = |at: i64| {
        let looks = gauge.looks();
        looks.iter().take_while(|look| look.at_ms <= at).last().map_or(0, |look| look.given_bytes)
    };
    let since = said.unwrap_or(crossed);
    let before = given_by(since);
    let given = gauge.first(since, |look| look.given_bytes > before);
    let measured = given.map_or("never".to_owned(), |at| format!("{} ms", at - since));
    let within = GIVEN_WITHIN_MS * setting.slack;
    let in_time = given.is_some_and(|at| (at - since) as f64 <= within);
    let what = "first bytes returned after that word";
    report.must(what, format!("≤ {within} ms"), measured, in_time);
    let early = before - given_by(begun_ms).min(before);
    report.note(format!("{} had been given before it was critical", mib(early)));
    Ok(())
}
