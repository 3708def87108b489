//! A cache of 300 MiB, and a neighbour that leaks to 200 MiB and stops, below a limit of 512 MiB:
//! room for neither more nor less than both. Nobody may be killed, and the cache gives what it is
//! asked for. What knows no agent is killed in its place, or the leak is: there is too little room.

use super::{Setting, Stage, mib};
use crate::agent::{in_short, time_ms};
use crate::gauge::Gauge;
use crate::judge::Report;
use crate::subject::{Kind, Subject};
use crate::traffic::{Asked, Traffic};
use crate::wait::unix_ms;
use crate::{Fault, MIB};
use serde_json::Value;
use std::time::Duration;

const LIMIT: u64 = 512 * MIB;
const CACHE_MIB: u64 = 300;
const LEAK_MIB_PER_S: f64 = 20.0;
const LEAK_MIB: f64 = 200.0;
/// It takes ten seconds, and longer where the machine has other things to do.
const LEAKED_WITHIN: Duration = Duration::from_secs(60);
const AFTERWARDS: Duration = Duration::from_secs(4);
/// What the cache gives back at once.
const SEGMENT: u64 = MIB;

pub fn run(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    let mut stage = Stage::set(setting, subject, "leak-stops", LIMIT, Some(CACHE_MIB))?;
    let keys = stage.fill(setting, CACHE_MIB * MIB * 11 / 10, report)?;
    let gauge = stage.gauge(setting)?;
    let (begun_ms, before) = (unix_ms(), given(gauge.as_ref()));
    let traffic = Traffic::start(&stage.server, keys, setting.pace(2))?;
    let mut leak = stage.leak(LEAK_MIB_PER_S, LEAK_MIB)?;
    let whole = (LEAK_MIB * MIB as f64) as u64;
    setting.interrupt.wait("the leak has come to its end", LEAKED_WITHIN, || {
        let has_ended = leak.ended().is_some() || stage.server.process.ended().is_some();
        let resident = leak.resident().unwrap_or(0);
        if has_ended || resident >= whole { Ok(()) } else { Err(mib(resident)) }
    })?;
    setting.interrupt.pause(AFTERWARDS)?;
    let (cache_ended, leak_ended) = (stage.server.process.ended(), leak.ended());
    let kills = stage.arena.oom_kills().unwrap_or(0);
    let tally = traffic.finish();
    report.note(format!("at most {} of {} were held", mib(stage.meter.most()), mib(LIMIT)));
    let ended = [("cache", cache_ended), ("neighbour", leak_ended)];
    let ended: Vec<&str> = ended.iter().filter(|(_, e)| e.is_some()).map(|(who, _)| *who).collect();
    let measured = format!("{kills} kills, ended: {ended:?}");
    report.must("neither is killed", "0 kills", measured, kills == 0 && ended.is_empty());
    if subject.kind != Kind::Ours {
        return Ok(());
    }

    let mut words = stage.agent.words(&stage.scope())?;
    words.retain(|word| time_ms(&word["at"]).is_some_and(|at| at >= begun_ms));
    report.note(in_short(&words, begun_ms));
    let (asked, given) = (asked(&words), given(gauge.as_ref()) - before);
    let off = given.abs_diff(asked);
    report.must(
        "the cache shrank by what was asked",
        format!("{} ± 2 segments", mib(asked)),
        mib(given),
        asked > 0 && off <= 2 * SEGMENT,
    );
    let is_get = |asked| matches!(asked, Asked::Hit | Asked::Miss);
    let slowest = tally.took_ms(1.0, is_get).unwrap_or(f64::INFINITY);
    let gets = tally.count(is_get);
    let measured = format!("{gets} gets, slowest {slowest:.1} ms, fault: {:?}", tally.fault);
    report.must("gets are answered throughout", "no fault", measured, tally.fault.is_none());
    Ok(())
}

fn given(gauge: Option<&Gauge>) -> u64 {
    gauge.map_or(0, |gauge| gauge.last().given_bytes)
}

/// What was asked for in all: an ask that was repeated more urgently before it was answered counts
/// with what was given of it.
fn asked(words: &[Value]) -> u64 {
    let bytes = |word: &Value, key: &str| word[key].as_u64().unwrap_or(0);
    let counts = |word: &Value| match word["outcome"].as_str() {
        Some("open") => bytes(word, "freed_bytes"),
        _ => bytes(word, "asked_bytes"),
    };
    words.iter().map(counts).sum()
}
