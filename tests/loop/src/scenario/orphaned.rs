//! The agent goes away while the cache is squeezed: killed, stopped, or its socket removed. The
//! cache falls back to its own readings within three seconds, nobody dies, and it finds the agent
//! again.

use super::{Setting, Stage, mib};
use crate::agent::Agent;
use crate::gauge::Gauge;
use crate::judge::Report;
use crate::subject::{Kind, Subject};
use crate::traffic::Traffic;
use crate::wait::unix_ms;
use crate::{Fault, MIB};
use rustix::process::Signal;
use std::time::Duration;

const LIMIT: u64 = 300 * MIB;
const CACHE_MIB: u64 = 180;
const LEAK_MIB_PER_S: f64 = 15.0;
/// Less than the limit and the cache's floor leave.
const LEAK_MIB: f64 = 160.0;
const SQUEEZED_WITHIN: Duration = Duration::from_secs(30);
/// Until silence is noticed, which a slow machine does later.
const ALONE_WITHIN_MS: f64 = 3_000.0;
const SLOW_MS: f64 = 200.0;
const LOOKED_FOR: Duration = Duration::from_secs(8);
/// Until the leak has come to its end, after the agent went.
const LEAKS_FOR: Duration = Duration::from_secs(8);
const BACK_WITHIN: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Killed,
    Stopped,
    SocketRemoved,
}

pub fn killed(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    run(setting, subject, report, Fate::Killed, "agent-killed")
}

pub fn stopped(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    run(setting, subject, report, Fate::Stopped, "agent-stopped")
}

pub fn unreachable(setting: &Setting, subject: &Subject, report: &mut Report) -> Result<(), Fault> {
    run(setting, subject, report, Fate::SocketRemoved, "socket-removed")
}

fn run(
    setting: &Setting,
    subject: &Subject,
    report: &mut Report,
    fate: Fate,
    name: &str,
) -> Result<(), Fault> {
    let interrupt = &setting.interrupt;
    let mut stage = Stage::set(setting, subject, name, LIMIT, Some(CACHE_MIB))?;
    let keys = stage.fill(setting, CACHE_MIB * MIB * 11 / 10, report)?;
    let gauge = stage.gauge(setting)?;
    let traffic = Traffic::start(&stage.server, keys, setting.pace(2))?;
    let mut leak = stage.leak(LEAK_MIB_PER_S, LEAK_MIB)?;
    if let Some(gauge) = &gauge {
        interrupt.wait("the cache is squeezed", SQUEEZED_WITHIN, || {
            let look = gauge.last();
            let squeezed = look.given_bytes > 0 && look.agent_speaks;
            if squeezed { Ok(()) } else { Err(format!("{look:?}")) }
        })?;
    } else {
        interrupt.pause(LEAKS_FOR / 2)?;
    }
    let gone_ms = unix_ms();
    let given_before = gauge.as_ref().map_or(0, |gauge| gauge.last().given_bytes);
    befall(&mut stage.agent, fate)?;
    if let Some(gauge) = &gauge
        && fate != Fate::SocketRemoved
    {
        must_fall_back(setting, gauge, gone_ms, report)?;
    }
    interrupt.pause(LEAKS_FOR)?;
    let kills = stage.arena.oom_kills().unwrap_or(0);
    let ended = leak.ended().is_some() || stage.server.process.ended().is_some();
    let measured = format!("{kills} kills");
    report.must("nobody is killed", "0 kills", measured, kills == 0 && !ended);
    report.note(format!("at most {} of {} were held", mib(stage.meter.most()), mib(LIMIT)));
    let Some(gauge) = gauge.filter(|_| subject.kind == Kind::Ours) else { return Ok(()) };
    let given = gauge.last().given_bytes - given_before;
    let what = "the cache goes on making room";
    report.must(what, "more than 10 MiB after that", mib(given), given > 10 * MIB);
    let fault = traffic.finish().fault;
    let measured = format!("fault: {fault:?}");
    report.must("gets are answered throughout", "no fault", measured, fault.is_none());
    must_come_back(setting, &mut stage, &gauge, fate, report)
}

fn befall(agent: &mut Agent, fate: Fate) -> Result<(), Fault> {
    match fate {
        Fate::Killed => agent.process.kill(),
        Fate::Stopped => agent.process.signal(Signal::STOP),
        Fate::SocketRemoved => {
            return std::fs::remove_file(&agent.socket).map_err(|e| e.to_string());
        }
    }
    Ok(())
}

fn must_fall_back(
    setting: &Setting,
    gauge: &Gauge,
    gone_ms: i64,
    report: &mut Report,
) -> Result<(), Fault> {
    let alone = setting.interrupt.wait("the cache falls back", LOOKED_FOR, || {
        let alone = gauge.first(gone_ms, |look| !look.agent_speaks);
        alone.ok_or_else(|| format!("{:?}", gauge.last()))
    });
    if setting.interrupt.is_set() {
        return Err("interrupted".to_owned());
    }
    let took = alone.as_ref().ok().map(|at| at - gone_ms);
    let measured = took.map_or("never".to_owned(), |ms| format!("{ms} ms"));
    let within = ALONE_WITHIN_MS + SLOW_MS * (setting.slack - 1.0);
    let wanted = format!("≤ {within} ms");
    let in_time = took.is_some_and(|ms| ms as f64 <= within);
    report.must("the cache falls back by itself", wanted, measured, in_time);
    Ok(())
}

/// The agent is there again, or its socket is: the cache hears it, and a newcomer as well.
fn must_come_back(
    setting: &Setting,
    stage: &mut Stage,
    gauge: &Gauge,
    fate: Fate,
    report: &mut Report,
) -> Result<(), Fault> {
    let from_ms = unix_ms();
    match fate {
        Fate::Killed => {
            stage.agent = Agent::start(&setting.agent, &stage.scratch, &setting.interrupt)?;
        }
        Fate::Stopped => stage.agent.process.signal(Signal::CONT),
        Fate::SocketRemoved => {
            let socket = &stage.agent.socket;
            let made = setting.interrupt.wait("the socket is made anew", BACK_WITHIN, || {
                std::os::unix::net::UnixStream::connect(socket).map_err(|e| e.to_string())
            });
            let measured = made.as_ref().err().cloned().unwrap_or_else(|| "they can".to_owned());
            let what = "newcomers can subscribe again";
            report.must(what, "a socket in its place", measured, made.is_ok());
        }
    }
    let heard = setting.interrupt.wait("the cache hears the agent", BACK_WITHIN, || {
        let heard = gauge.first(from_ms, |look| look.agent_speaks);
        heard.ok_or_else(|| format!("{:?}", gauge.last()))
    });
    let measured = heard.as_ref().map_or_else(Clone::clone, |at| format!("{} ms", at - from_ms));
    let what = "the cache hears the agent again";
    report.must(what, format!("within {BACK_WITHIN:?}"), measured, heard.is_ok());
    Ok(())
}
