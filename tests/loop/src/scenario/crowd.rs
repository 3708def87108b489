//! A hundred subscribers beside the cache, one of which never reads: what the agent says comes to
//! all others at once, heartbeats go on, and what it asks of the cache is answered in time.

use super::{Setting, Stage, mib};
use crate::judge::Report;
use crate::load;
use crate::process::Process;
use crate::subject::{Kind, Subject};
use crate::traffic::Traffic;
use crate::{Fault, MIB};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::Duration;

/// With the cache there are a hundred and one.
const CROWD: usize = 100;
const LIMIT: u64 = 420 * MIB;
const CACHE_MIB: u64 = 270;
const LEAK_MIB_PER_S: f64 = 20.0;
const LEAK_MIB: f64 = 150.0;
const LASTS: Duration = Duration::from_secs(11);
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(30);
const SPREAD_MS: i64 = 100;
/// Heartbeats come each second.
const SILENCE_MS: i64 = 1_800;

pub fn run(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    let mut stage = Stage::set(setting, subject, "crowd", LIMIT, Some(CACHE_MIB))?;
    let keys = stage.fill(setting, CACHE_MIB * MIB * 11 / 10, report)?;
    let gauge = stage.gauge(setting)?;
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let (socket, count) = (stage.agent.socket.as_os_str(), CROWD.to_string());
    let args = [OsStr::new(load::LOAD), OsStr::new("crowd"), socket, OsStr::new(&count)];
    let log = stage.scratch.file("crowd.log");
    let crowd = Process::start(&own, &args, &[], Some(&stage.arena), &log)?;
    setting.interrupt.wait("the crowd subscribes", SUBSCRIBED_WITHIN, || {
        let pressure = stage.agent.json("/api/v1/pressure")?;
        let all = pressure["subscribers"].as_array().map_or(0, Vec::len);
        if all >= CROWD { Ok(()) } else { Err(format!("{all} subscribers")) }
    })?;
    let before = stage.agent.json("/api/v1/pressure")?["totals"]["late"].as_u64();
    let traffic = Traffic::start(&stage.server, keys, setting.pace(2))?;
    let mut leak = stage.leak(LEAK_MIB_PER_S, LEAK_MIB)?;
    setting.interrupt.pause(LASTS)?;
    let kills = stage.arena.oom_kills().unwrap_or(0);
    let ended = leak.ended().is_some() || stage.server.process.ended().is_some();
    report.must("nobody is killed", "0 kills", format!("{kills} kills"), kills == 0 && !ended);
    let pressure = stage.agent.json("/api/v1/pressure")?;
    let log = crowd.log();
    drop(crowd);
    let lines: Vec<Line> = log.lines().filter_map(Line::parse).collect();
    judge(&lines, &stage.scope(), report);
    if subject.kind != Kind::Ours {
        return Ok(());
    }
    let late = pressure["totals"]["late"].as_u64();
    let measured = format!("{late:?} late, {before:?} before");
    report.must("asks are answered by their deadline", "none late", measured, late == before);
    let given = gauge.map_or(0, |gauge| gauge.last().given_bytes);
    let what = "the cache gives way all the same";
    report.must(what, "more than 10 MiB", mib(given), given > 10 * MIB);
    let fault = traffic.finish().fault;
    let measured = format!("fault: {fault:?}");
    report.must("gets are answered throughout", "no fault", measured, fault.is_none());
    Ok(())
}

/// A line that one of the crowd was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    at_ms: i64,
    who: usize,
    seq: u64,
    scope: String,
    level: String,
}

impl Line {
    /// As [`load`] writes it.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            at_ms: words.next()?.parse().ok()?,
            who: words.next()?.parse().ok()?,
            seq: words.next()?.parse().ok()?,
            level: words.next()?.to_owned(),
            scope: words.next()?.to_owned(),
        })
    }
}

fn judge(lines: &[Line], scope: &str, report: &mut Report) {
    let mut of: BTreeMap<usize, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        of.entry(line.who).or_default().push(line);
    }
    let gap = |lines: &Vec<&Line>| lines.windows(2).map(|two| two[1].at_ms - two[0].at_ms).max();
    let longest = of.values().filter_map(gap).max().unwrap_or(i64::MAX);
    let measured = format!("{longest} ms, of {} subscribers that read", of.len());
    let good = longest <= SILENCE_MS && of.len() == CROWD - 1;
    let what = "the longest pause between two lines to anybody";
    report.must(what, format!("≤ {SILENCE_MS} ms"), measured, good);

    // The same change of level comes to all under different numbers but in the same order.
    let mut changes: Vec<Vec<i64>> = Vec::new();
    for lines in of.values() {
        let mut level = "none";
        let own = lines.iter().filter(|line| line.scope == scope);
        let changed = own.filter(|line| {
            let is_new = line.level != level;
            level = line.level.as_str();
            is_new
        });
        for (n, line) in changed.enumerate() {
            changes.resize_with(changes.len().max(n + 1), Vec::new);
            changes[n].push(line.at_ms);
        }
    }
    let spread = |times: &Vec<i64>| Some(times.iter().max()? - times.iter().min()?);
    let whole = changes.iter().all(|times| times.len() == of.len());
    let widest = changes.iter().filter_map(spread).max();
    let measured = format!("{widest:?} ms over {} changes, told to all: {whole}", changes.len());
    let good = whole && widest.is_some_and(|ms| ms <= SPREAD_MS);
    let what = "a change of level comes to all of them together";
    report.must(what, format!("≤ {SPREAD_MS} ms apart"), measured, good);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_is_written_and_anything_else_is_none() {
        let line = Line::parse("1700 3 12 low cgroup:/a b").unwrap();
        assert_eq!((line.at_ms, line.who, line.seq), (1700, 3, 12));
        assert_eq!((line.level.as_str(), line.scope.as_str()), ("low", "cgroup:/a"));
        assert_eq!(Line::parse("plimsoll-loop: oops"), None);
    }
}
