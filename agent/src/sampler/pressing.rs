//! Hands what was read to the pressure signal, and tells the world what it said.

use super::state::State;
use crate::clock::Stamp;
use crate::pressure::engine::News;
use crate::pressure::ledger::End;
use crate::pressure::{Member, Reading};
use crate::sources::Roots;
use crate::sources::process::read_statm_at;
use crate::units::{Bytes, Limit, Pages};
use crate::verdict::Cause;
use crate::view::PressureNote;
use crate::view::pressure::PressureEvent;
use crate::view::{EventKind, SourceState};
use plimsoll_pressure::server::SubscriberId;
use plimsoll_pressure::{Level, Scope};
use std::time::Duration;

/// See [`Telling`].
const TOLD_APART: Duration = Duration::from_secs(1);
/// Subscribers of one scope whose processes are looked at with each reading of it: half a
/// millisecond.
const HOLDERS_MAX: usize = 64;

/// Who came, who left, what was answered; and tells of it.
pub fn hear(state: &mut State, now: Stamp) {
    state.pressure.hear(now);
    tell(state, now);
}

/// Once a second: tries the socket, and looks which cgroups have subscribers in them.
pub fn second(state: &mut State, now: Stamp) {
    match state.pressure.open(now) {
        None => {}
        Some(Ok(socket)) => {
            let sees = format!("subscribers at {}", socket.display());
            let dry =
                if state.pressure.engine().dry_run() { ", dry run: nobody is asked" } else { "" };
            state.health.ok("pressure", sees + dry);
        }
        // No reason to call the agent degraded: it watches as well as ever.
        Some(Err(why)) if state.health.state("pressure") != Some(SourceState::Unavailable) => {
            state.health.unavailable("pressure", why);
        }
        Some(Err(_)) => {}
    }
    hear(state, now);
    place(state);
}

/// Marks the cgroups whose limits bind a subscriber, and looks what the subscribers hold.
fn place(state: &mut State) {
    let engine = state.pressure.engine();
    let mut holdings = Vec::new();
    for (id, member) in &engine.members {
        let process = member.pid.and_then(|pid| state.processes.by_pid(pid));
        // Zero before its first reading, and of processes that are all in swap.
        let resident = process.map(|p| p.track.split.used).filter(|used| used.0 > 0);
        holdings.push((*id, resident));
    }
    let mut pressed = Vec::new();
    for place in engine.places() {
        let mut path = place.as_str();
        while !path.is_empty() {
            let index = state.cgroups.find(path);
            pressed.extend(index.filter(|index| !pressed.contains(index)));
            path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }
    for (id, resident) in holdings {
        state.pressure.engine_mut().holds(id, resident);
    }
    for index in std::mem::take(&mut state.pressed) {
        if let Some(cgroup) = state.cgroups.get_mut(index) {
            cgroup.pressed = false;
        }
    }
    for &index in &pressed {
        if let Some(cgroup) = state.cgroups.get_mut(index) {
            cgroup.pressed = matches!(cgroup.max(), Limit::At(_));
        }
    }
    state.pressed = pressed;
}

/// What the subscribers in a scope hold at this instant: the sampler's own figures are as old as
/// their cadence, and growth that is only half theirs would be taken for a neighbour's. A few
/// microseconds each; who cannot be read counts as holding nothing.
fn held_in(state: &mut State, roots: &Roots, scope: &Scope) -> Bytes {
    let page_size = Bytes(rustix::param::page_size() as u64);
    let engine = state.pressure.engine();
    let inside = engine.members.iter().filter(|(_, member)| member.is_in(scope));
    let read = |(id, member): (&SubscriberId, &Member)| {
        let process = state.processes.by_pid(member.pid?)?.facts.id;
        let (statm, _) = read_statm_at(roots, process).ok()?;
        let anon = Pages(statm.resident.0.saturating_sub(statm.shared.0));
        Some((*id, statm.resident.to_bytes(page_size), anon.to_bytes(page_size)))
    };
    let holdings: Vec<_> = inside.take(HOLDERS_MAX).filter_map(read).collect();
    for (id, resident, _) in &holdings {
        state.pressure.engine_mut().holds(*id, Some(*resident));
    }
    holdings.iter().map(|(_, _, anon)| *anon).sum()
}

/// A cgroup with subscribers inside was read.
pub fn cgroup(state: &mut State, roots: &Roots, index: u32, now: Stamp) {
    let Some(cgroup) = state.cgroups.get(index).filter(|cgroup| cgroup.pressed) else { return };
    let (Limit::At(limit), Ok(scope)) = (cgroup.max(), Scope::cgroup(&cgroup.path)) else { return };
    // Who is asked now is asked by what it said last.
    state.pressure.hear(now);
    let held = held_in(state, roots, &scope);
    let Some(cgroup) = state.cgroups.get(index) else { return };
    let psi = cgroup.details.as_ref().and_then(|d| d.psi);
    let reading = Reading {
        limit,
        headroom: limit - cgroup.held(),
        held,
        eta: cgroup.standing.eta(now),
        psi_some: psi.map(|p| p.some.avg10),
        psi_full: psi.and_then(|p| p.full).map(|line| line.avg10),
        cause: word(cgroup.standing.memory.cause),
    };
    state.pressure.observe(&scope, reading, now);
    tell(state, now);
}

/// The node was read.
pub fn node(state: &mut State, roots: &Roots, now: Stamp) {
    state.pressure.hear(now);
    let held = held_in(state, roots, &Scope::Node);
    let quick = state.node.quick.as_ref();
    let meminfo = quick.and_then(|q| q.meminfo.as_ref().ok());
    let (Some(meminfo), Some(headroom)) = (meminfo, state.node.headroom) else { return };
    let psi = quick.and_then(|q| q.psi.as_ref().ok());
    let reading = Reading {
        limit: meminfo.mem_total(),
        headroom,
        held,
        eta: state.node.standing.eta(now),
        psi_some: psi.map(|p| p.some.avg10),
        psi_full: psi.and_then(|p| p.full).map(|line| line.avg10),
        cause: word(state.node.standing.memory.cause),
    };
    state.pressure.observe(&Scope::Node, reading, now);
    tell(state, now);
}

/// How often a cgroup with subscribers inside should be read.
pub fn interval(state: &State, path: &str) -> Option<Duration> {
    let scope = Scope::cgroup(path).ok()?;
    Some(state.pressure.engine().interval(&scope))
}

/// When an ask and an end were last told of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Telling {
    asked: Option<Stamp>,
    ended: Option<Stamp>,
}

impl Telling {
    /// Levels and lapses are all told; of asks and good ends one a second, for the stream's ring is
    /// short and the figures are in the metrics.
    fn is_told(&mut self, news: &News, now: Stamp) -> bool {
        let last = match news {
            News::Level(..) | News::Ended(_, _, End::Late | End::Partly) => return true,
            News::Asked(_) => &mut self.asked,
            News::Ended(..) => &mut self.ended,
        };
        let due = last.is_none_or(|at| now.since(at) >= TOLD_APART);
        if due {
            *last = Some(now);
        }
        due
    }
}

/// Writes the news to the log, the black box and the stream of events.
fn tell(state: &mut State, now: Stamp) {
    let dry_run = state.pressure.engine().dry_run();
    for news in state.pressure.engine_mut().take_news() {
        record(state, &news, now);
        if !state.telling.is_told(&news, now) {
            continue;
        }
        log(&news, dry_run);
        let event = PressureEvent::of(&news, state.clock);
        state.events.emit(EventKind::Pressure, state.clock.rfc3339(now), &event);
    }
}

/// What was asked and answered before a kill belongs to its incident.
fn record(state: &mut State, news: &News, now: Stamp) {
    match news {
        News::Level(..) => {}
        News::Asked(record) => {
            let note = PressureNote {
                at: state.clock.rfc3339(record.at),
                scope: record.scope.to_string(),
                level: record.level.to_string(),
                reclaim_bytes: record.asked,
                deadline_ms: u64::try_from(record.deadline.as_millis()).ok(),
                subscriber: record.name.clone(),
                ..PressureNote::default()
            };
            state.recorder.signalled(record.at, note);
        }
        News::Ended(ask, name, _) => {
            if let Some(freed) = ask.freed {
                state.recorder.answered(&ask.scope.to_string(), name, freed, now);
            }
        }
    }
}

fn log(news: &News, dry_run: bool) {
    match news {
        News::Level(scope, standing) => {
            let (level, headroom) = (standing.demand.level, standing.strain.headroom.0);
            let want = standing.demand.want.0;
            if level == Level::None {
                tracing::info!(%scope, headroom, "memory pressure is over");
            } else {
                let cause = &standing.cause;
                tracing::warn!(%scope, %level, headroom, want, cause, "memory pressure");
            }
        }
        News::Asked(record) => {
            let (scope, level, bytes) = (&record.scope, record.level, record.asked.0);
            let name = &record.name;
            tracing::info!(name, %scope, %level, bytes, dry_run, "memory is asked for");
        }
        News::Ended(ask, name, end) => {
            let (scope, bytes) = (&ask.scope, ask.bytes.0);
            let freed = ask.freed.map_or(0, |freed| freed.0);
            match end {
                End::Late => tracing::warn!(name, %scope, bytes, "no answer by the deadline"),
                _ => tracing::info!(name, %scope, bytes, freed, ?end, "what was asked for is over"),
            }
        }
    }
}

/// A cause as documents name it.
fn word(cause: Cause) -> &'static str {
    match cause {
        Cause::HeapLeak => "heap_leak",
        Cause::RetainedGrowth => "retained_growth",
        Cause::Fragmentation => "fragmentation",
        Cause::CacheFill => "cache_fill",
        Cause::PageCache => "page_cache",
        Cause::Shmem => "shmem",
        Cause::OffHeap => "off_heap",
        Cause::Kernel => "kernel",
        Cause::Threads => "threads",
        Cause::Fds => "fds",
        Cause::RestartLoop => "restart_loop",
        Cause::Unknown => "unknown",
    }
}
