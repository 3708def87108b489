//! One batch of due readings: read, remember, judge if it is time, decide when to come back.

use super::cadence::{FIRST_INTERVAL, Pace, next_interval};
use super::cgroups::{self, Cgroup};
use super::descriptors::{KEPT_BELOW, keep_descriptor};
use super::discovery::retire;
use super::hurry::Hurry;
use super::processes::{Particulars, Process, Reading};
use super::schedule::Change;
use super::state::State;
use super::wheel::{Due, Tick};
use super::{arriving, ending, judging, kills, pressing};
use crate::clock::Stamp;
use crate::history::Split;
use crate::sources::cgroup::{self, read_details, read_usage_at};
use crate::sources::process::{self, Statm, read_stat_rss, read_statm_at};
use crate::sources::{ReadError, Roots};
use crate::units::Bytes;
use std::time::Duration;

/// `status` and friends are read again after this long, if the memory changed meanwhile.
const DETAILS_AGE: Duration = Duration::from_secs(10);
/// Until this age a process may be moved by whoever started it: its cgroup is looked up again.
const SETTLED_AGE: Duration = Duration::from_secs(60);
/// What makes up a cgroup's usage is read again after this long even if the sum is the same.
const PARTS_AGE: Duration = Duration::from_secs(10);
/// Limits and events of a cgroup are read again after this long.
const CGROUP_DETAILS_AGE: Duration = Duration::from_secs(10);

/// What is left under a limit is asked for by every process below it, so it must not be old.
const CGROUP_INTERVAL_MAX: Duration = Duration::from_secs(10);

/// What a sweep reads with.
#[derive(Debug)]
pub struct Readers {
    pub page_size: Bytes,
    pub buffer: Vec<u8>,
}

/// Reads everything in `due` and schedules each for its next time.
pub fn sweep(
    state: &mut State,
    roots: &Roots,
    readers: &mut Readers,
    due: &[(Tick, Due)],
    now: Stamp,
) {
    let mut processes = 0;
    for &(tick, what) in due {
        match what {
            Due::Process(index) => {
                processes += u64::from(visit_process(state, roots, readers, index, tick, now))
            }
            Due::Cgroup(index) => visit_cgroup(state, roots, readers, index, tick, now),
            Due::Workload(index) => visit_workload(state, index, tick, now),
        }
    }
    if processes > 0 {
        state.counters.sampled("process", processes);
    }
}

fn visit_process(
    state: &mut State,
    roots: &Roots,
    readers: &mut Readers,
    index: u32,
    tick: Tick,
    now: Stamp,
) -> bool {
    if state.processes.get(index).is_none_or(|process| process.track.due != tick) {
        return false;
    }
    arriving::look_again(state, index, now);
    let Some(process) = state.processes.get_mut(index) else { return false };
    let calm = process.calm.filter(|_| process.track.judge_due > tick && descriptor_fits(process));
    let (statm, reading) = match read(process, calm, roots) {
        Ok(None) => {
            pass_by(state, index, now);
            return true;
        }
        Ok(Some(read)) => read,
        Err(ReadError::Gone) => {
            retire(state, index, now);
            return false;
        }
        Err(_) => {
            state.counters.failed("process");
            reschedule_process(state, roots, index, Change::NONE, now);
            return false;
        }
    };
    let particulars = process.facts.particulars;
    if statm.is_without_memory() {
        ending::without_memory(state, index, tick, now);
        pass_by(state, index, now);
        return true;
    }
    let split = split_of(statm, &particulars, readers.page_size);
    let before = std::mem::replace(&mut process.track.split, split);
    state.history.push(process.track.series, now, split);
    process.facts.standing.see(now, &split, &state.params);
    process.facts.particulars_stale |= split.used != before.used || split.anon != before.anon;
    let details_due = process.facts.particulars_stale
        && particulars.read_at.is_none_or(|at| now.since(at) >= DETAILS_AGE);
    if split != before {
        let soon = now.plus(process.track.judged_within());
        process.track.hasten_judgement(state.wheel.tick_at(soon));
        if let Some(workload) = process.facts.workload.and_then(|i| state.workloads.get_mut(i)) {
            workload.changed(before, split);
        }
    }
    if details_due {
        refresh_details(state, roots, index, now);
    }
    let judge = state.processes.get(index).is_some_and(|p| p.track.judge_due <= tick);
    if judge {
        judging::judge_process(state, index, now);
    }
    reschedule_process(state, roots, index, Change::of(before, split), now);
    if let Some(process) = state.processes.get_mut(index) {
        let facts = &process.facts;
        let done = split == before && !facts.particulars_stale && !facts.standing.is_suspect();
        process.calm = done.then_some(reading);
    }
    true
}

/// Reads a process; None if what comes is what left nothing to do the last time.
fn read(
    process: &Process,
    calm: Option<Reading>,
    roots: &Roots,
) -> Result<Option<(Statm, Reading)>, ReadError> {
    if let Some(kept) = &process.kept {
        let statm = kept.read()?;
        let reading = Reading::Kept(statm);
        return Ok((calm != Some(reading)).then_some((statm, reading)));
    }
    let id = process.facts.id;
    if let Some(Reading::Opened(before)) = calm
        && read_stat_rss(roots, id)? == before
    {
        return Ok(None);
    }
    let (statm, rss) = read_statm_at(roots, id)?;
    Ok(Some((statm, Reading::Opened(rss))))
}

/// The visit to a process that stayed as it was: its run goes on, it is left alone for longer.
fn pass_by(state: &mut State, index: u32, now: Stamp) {
    let Some(process) = state.processes.get(index) else { return };
    let (series, split) = (process.track.series, process.track.split);
    if split.used > Bytes::ZERO {
        state.history.push(series, now, split);
    }
    let pace = Pace {
        previous: process.track.interval(),
        elapsed: now.since(process.track.read_at),
        grown: Bytes::ZERO,
        shrunk: false,
        headroom: None,
        eta_p10: None,
        suspect: false,
        shed_factor: state.counters.shed_factor,
        no_later: None,
    };
    let interval = next_interval(&state.config.sampling, &pace);
    let due = state.schedule(Due::Process(index), now, interval);
    if let Some(process) = state.processes.get_mut(index) {
        process.track.place(interval, due, now);
    }
}

/// Whether the descriptor is kept or not as the present interval asks for.
fn descriptor_fits(process: &Process) -> bool {
    let interval = process.track.interval();
    match process.kept {
        Some(_) => interval <= KEPT_BELOW * 2,
        None => interval >= KEPT_BELOW,
    }
}

/// RSS as statm splits it; its `shared` holds file and shmem, told apart by the last `status`.
fn split_of(statm: Statm, known: &Particulars, page_size: Bytes) -> Split {
    let used = statm.resident.to_bytes(page_size);
    let shared = statm.shared.to_bytes(page_size).min(used);
    let shmem = known.shmem.unwrap_or_default().min(shared);
    Split {
        used,
        anon: used - shared,
        file: shared - shmem,
        shmem,
        swap: known.swap.unwrap_or_default(),
    }
}

fn refresh_details(state: &mut State, roots: &Roots, index: u32, now: Stamp) {
    let Some(process) = state.processes.get_mut(index) else { return };
    let id = process.facts.id;
    match process::read_details(roots, id) {
        Ok(details) => {
            // A young process may still be on its way into its cgroup; no event tells of that.
            let age = now.since(process.facts.seen_at);
            let young = (FIRST_INTERVAL..SETTLED_AGE).contains(&age);
            if young || details.stat.comm != *process.facts.comm {
                state.renamed.push(id.pid);
            }
            process.facts.particulars = Particulars::of(&details, now);
            process.facts.particulars_stale = false;
            state.counters.sampled("process_details", 1);
        }
        Err(ReadError::Gone) => {}
        Err(_) => {
            // What cannot be read now is tried again after the same time.
            process.facts.particulars.read_at = Some(now);
            state.counters.failed("process_details");
        }
    }
}

fn reschedule_process(state: &mut State, roots: &Roots, index: u32, change: Change, now: Stamp) {
    let Some(process) = state.processes.get(index) else { return };
    let facts = &process.facts;
    let headroom = facts
        .cgroup
        .and_then(|cgroup| state.cgroups.ceiling(cgroup)?.headroom)
        .or(state.node.headroom);
    let shed = state.counters.shed_factor;
    let pace = process.track.pace(&facts.standing, change, headroom, shed, now);
    let interval = next_interval(&state.config.sampling, &pace);
    let id = facts.id;
    keep_descriptor(state, roots, index, id, interval);
    let due = state.schedule(Due::Process(index), now, interval);
    if let Some(process) = state.processes.get_mut(index) {
        process.track.place(interval, due, now);
    }
}

fn visit_cgroup(
    state: &mut State,
    roots: &Roots,
    readers: &mut Readers,
    index: u32,
    tick: Tick,
    now: Stamp,
) {
    let Some(layout) = state.cgroup_layout.clone() else { return };
    let Some(cgroup) = state.cgroups.get_mut(index).filter(|c| c.track.due == tick) else { return };
    let details_due = details_due(cgroup, now);
    let calm =
        cgroup.track.judge_due > tick && now.since(cgroup.parts_at) < PARTS_AGE && !details_due;
    let usage = match read_usage(cgroup, calm, &layout, &mut readers.buffer) {
        Ok(None) => {
            state.history.push(cgroup.track.series, now, cgroup.track.split);
            cgroup.standing.see(now, &cgroup.track.split, &state.params);
            state.counters.sampled("cgroup", 1);
            pressing::cgroup(state, roots, index, now);
            reschedule_cgroup(state, &layout, index, Change::NONE, now);
            return;
        }
        Ok(Some(usage)) => usage,
        Err(ReadError::Gone | ReadError::Absent(_)) => {
            retire_cgroup(state, index, now);
            return;
        }
        Err(_) => {
            state.counters.failed("cgroup");
            reschedule_cgroup(state, &layout, index, Change::NONE, now);
            return;
        }
    };
    let split = cgroups::split_of(&usage);
    let before = std::mem::replace(&mut cgroup.track.split, split);
    cgroup.usage = Some(usage);
    cgroup.parts_at = now;
    state.history.push(cgroup.track.series, now, split);
    cgroup.standing.see(now, &split, &state.params);
    state.counters.sampled("cgroup", 1);
    cgroup.details_stale |= split != before;
    if self::details_due(cgroup, now) {
        match read_details(&layout, &cgroup.path) {
            Ok(details) => {
                cgroup.kills_told.get_or_insert(kills::kills_here(&details));
                cgroup.details = Some(Box::new(details));
            }
            Err(ReadError::Gone) => {}
            Err(_) => state.counters.failed("cgroup"),
        }
        cgroup.details_at = Some(now);
        cgroup.details_stale = false;
    }
    let judge = cgroup.track.judge_due <= tick;
    state.cgroups.refresh_ceiling(index);
    if judge {
        judging::judge_cgroup(state, index, now);
    }
    pressing::cgroup(state, roots, index, now);
    reschedule_cgroup(state, &layout, index, Change::of(before, split), now);
}

fn details_due(cgroup: &Cgroup, now: Stamp) -> bool {
    let age_min = if cgroup.details_stale { CGROUP_DETAILS_AGE } else { CGROUP_DETAILS_AGE * 6 };
    cgroup.details_at.is_none_or(|at| now.since(at) >= age_min)
}

/// Reads a cgroup's usage; None if it is what it was and that is all that `calm` asks for.
fn read_usage(
    cgroup: &Cgroup,
    calm: bool,
    layout: &cgroup::Layout,
    buffer: &mut Vec<u8>,
) -> Result<Option<cgroup::Usage>, ReadError> {
    let Some(kept) = &cgroup.kept else {
        return read_usage_at(layout, &cgroup.path, buffer).map(Some);
    };
    let current = kept.read_current(buffer)?;
    if calm && current.is_some() && current == cgroup.usage.as_ref().map(|u| u.usage) {
        return Ok(None);
    }
    kept.read_parts(current, buffer).map(Some)
}

fn reschedule_cgroup(
    state: &mut State,
    layout: &cgroup::Layout,
    index: u32,
    change: Change,
    now: Stamp,
) {
    let ceiling = state.cgroups.ceiling(index);
    let headroom = ceiling.and_then(|c| c.headroom).or(state.node.headroom);
    let shed = state.counters.shed_factor;
    let no_later = hurry_of(state, layout, index, now);
    let Some(cgroup) = state.cgroups.get_mut(index) else { return };
    let pace = cgroup.track.pace(&cgroup.standing, change, headroom, shed, now);
    let pace = Pace { no_later, ..pace };
    let interval = next_interval(&state.config.sampling, &pace).min(CGROUP_INTERVAL_MAX);
    let counters = &mut state.counters;
    if interval < KEPT_BELOW
        && cgroup.kept.is_none()
        && counters.kept_fds + 2 <= counters.kept_fds_max
    {
        if let Ok(kept) = cgroup::Kept::open(layout, &cgroup.path) {
            cgroup.kept = Some(kept);
            counters.kept_fds += 2;
        }
    } else if interval >= KEPT_BELOW && cgroup.kept.take().is_some() {
        counters.kept_fds -= 2;
    }
    let due = state.schedule(Due::Cgroup(index), now, interval);
    if let Some(cgroup) = state.cgroups.get_mut(index) {
        cgroup.track.place(interval, due, now);
    }
}

/// How soon a cgroup is wanted again whatever its own pace; forgets a sense's word that is over.
fn hurry_of(
    state: &mut State,
    layout: &cgroup::Layout,
    index: u32,
    now: Stamp,
) -> Option<Duration> {
    let cgroup = state.cgroups.get(index)?;
    if cgroup.roused_at.is_none() && !cgroup.listened_to && !cgroup.pressed {
        return None;
    }
    let hurry = Hurry {
        limit: cgroup.ceiling.limit,
        headroom: cgroup.ceiling.headroom,
        roused_at: cgroup.roused_at,
        looked_at: cgroup.listened_to && !layout.has_thresholds(),
        pressed: cgroup.pressed.then(|| pressing::interval(state, &cgroup.path)).flatten(),
    };
    if !hurry.is_roused(now)
        && let Some(cgroup) = state.cgroups.get_mut(index)
    {
        cgroup.roused_at = None;
    }
    hurry.no_later(state.config.sampling.interval_min, now)
}

/// Enters a cgroup that the walk found.
pub fn enter_cgroup(state: &mut State, path: &std::sync::Arc<str>, now: Stamp) {
    let index = state.cgroups.add(path, &mut state.history, now);
    let due = state.wheel.add(Due::Cgroup(index), now, Duration::ZERO);
    if let Some(cgroup) = state.cgroups.get_mut(index) {
        cgroup.track.due = due;
        cgroup.track.set_interval(FIRST_INTERVAL / 2);
    }
    let mut members = 0;
    for process in state.processes.iter_mut() {
        let facts = &mut process.facts;
        if facts.cgroup.is_none() && facts.cgroup_path.as_ref() == Some(path) {
            facts.cgroup = Some(index);
            members += 1;
            if let Some(workload) = facts.workload.and_then(|i| state.workloads.get_mut(i)) {
                workload.place_found(Some(index));
            }
        }
    }
    if let Some(cgroup) = state.cgroups.get_mut(index) {
        cgroup.processes = members;
    }
}

/// Ends the watch over a cgroup that was removed.
pub fn retire_cgroup(state: &mut State, index: u32, now: Stamp) {
    let Some(cgroup) = state.cgroups.remove(index) else { return };
    state.history.close(cgroup.track.series, now);
    state.counters.kept_fds -= 2 * usize::from(cgroup.kept.is_some());
    for process in state.processes.iter_mut() {
        if process.facts.cgroup == Some(index) {
            process.facts.cgroup = None;
        }
    }
    state.workloads.cgroup_removed(index);
    judging::ended(state, &cgroup.target(), now);
}

fn visit_workload(state: &mut State, index: u32, tick: Tick, now: Stamp) {
    let Some(workload) = state.workloads.get_mut(index).filter(|w| w.track.due == tick) else {
        return;
    };
    let before = std::mem::replace(&mut workload.track.split, workload.sum);
    let change = Change::of(before, workload.sum);
    state.history.push(workload.track.series, now, workload.sum);
    workload.standing.see(now, &workload.sum, &state.params);
    // Without a process nothing grows; a restart loop may go on.
    let judged = workload.members > 0 || workload.standing.is_suspect();
    if judged && workload.track.judge_due <= tick {
        judging::judge_workload(state, index, now);
    }
    let Some(workload) = state.workloads.get(index) else { return };
    let headroom = workload
        .cgroup
        .and_then(|cgroup| state.cgroups.ceiling(cgroup)?.headroom)
        .or(state.node.headroom);
    let shed = state.counters.shed_factor;
    let pace = workload.track.pace(&workload.standing, change, headroom, shed, now);
    let interval = next_interval(&state.config.sampling, &pace);
    let due = state.schedule(Due::Workload(index), now, interval);
    if let Some(workload) = state.workloads.get_mut(index) {
        workload.track.place(interval, due, now);
    }
}
