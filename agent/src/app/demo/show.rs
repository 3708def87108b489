//! What the demo prints: where to look, a line when there is news, and what came of it.

use super::cage::Cages;
use super::program::Shape;
use super::{Actor, LIMIT};
use crate::verdict::State;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

pub fn opening(out: &mut impl Write, address: SocketAddr, cages: &Cages) -> io::Result<()> {
    writeln!(out, "Three programs of the demo's own are running under the agent's eyes:")?;
    writeln!(out, "  leak      takes 2 MiB more each second, for ever")?;
    writeln!(out, "  plateau   warms up to 60 MiB within 20 s and stays there")?;
    writeln!(out, "  sawtooth  takes 64 MiB in 8 s and gives it back, again and again")?;
    match &cages.why_not {
        None => writeln!(out, "each in a memory cgroup with a limit of {LIMIT}.")?,
        Some(why) => writeln!(out, "as plain processes, for a cgroup was not to be had: {why}")?,
    }
    writeln!(out, "The page: http://{address}/\n")?;
    writeln!(out, "{:>5}  {:<34}{:<34}{:<34}", "", "leak", "plateau", "sawtooth")
}

pub fn line(out: &mut impl Write, at: Duration, cast: &[Actor]) -> io::Result<()> {
    write!(out, "{:>4}s  ", at.as_secs())?;
    for actor in cast {
        write!(out, "{:<34}", cell(actor))?;
    }
    writeln!(out)?;
    out.flush()
}

fn cell(actor: &Actor) -> String {
    if actor.ended_after.is_some() {
        return "killed by the kernel".to_owned();
    }
    let Some((detail, rss)) = actor.last.as_ref().zip(actor.rss) else { return "…".to_owned() };
    let judgement = &detail.view.judgement;
    let left = judgement.eta_s.map(|eta| format!(", {:.0} s left", eta.p50)).unwrap_or_default();
    format!("{rss} {}{left}", word(judgement.state))
}

const fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::WarmingUp => "warming up",
        State::LeakSuspected => "leak suspected",
        State::OomPredicted => "OOM predicted",
        State::OomImminent => "OOM imminent",
    }
}

pub fn closing(out: &mut impl Write, cast: &[Actor]) -> io::Result<()> {
    writeln!(out)?;
    for actor in cast {
        let mark = if actor.told_right() { "right" } else { "WRONG" };
        writeln!(out, "{:<9} {mark}: {}", actor.shape.name(), story(actor))?;
    }
    Ok(())
}

fn story(actor: &Actor) -> String {
    let suspected = actor.seen.iter().find(|(_, state)| *state >= State::LeakSuspected);
    let Some((at, _)) = suspected else { return "never suspected of a leak".to_owned() };
    let mut story = format!("suspected in second {}", at.as_secs());
    if actor.shape != Shape::Leak {
        return story;
    }
    if let Some((told, end)) = actor.foretold {
        if told > *at {
            story += &format!("; in second {}", told.as_secs());
        }
        story += &format!(", its end foretold for second {}", end.as_secs());
    }
    if let Some(end) = actor.ended_after {
        story += &format!("; the kernel killed it in second {}", end.as_secs());
    }
    story
}
