//! What the sampler does when a sense wakes it: reads at once what the sense spoke of, with those
//! in it; and which cgroups the senses are asked to listen to.

use super::senses::plan::{Candidate, plan};
use super::senses::{Message, Report, Sensed};
use super::state::State;
use super::sweep::sweep;
use super::thread::Run;
use super::wheel::{Due, Tick};
use crate::clock::Stamp;
use crate::units::{Bytes, Limit};
use std::sync::Arc;
use std::time::Duration;

/// Processes, and cgroups below, that are read along with a cgroup.
const MEMBERS_MAX: usize = 256;
const BELOW_MAX: usize = 64;
/// Limits of a roused cgroup are read again after this long.
const DETAILS_AGE: Duration = Duration::from_secs(1);

impl Run {
    /// Takes a message. True: it is time to stop.
    pub(super) fn heed(&mut self, message: Message) -> bool {
        let shared = Arc::clone(&self.sampler.state);
        let mut state = shared.lock();
        let now = state.clock.now();
        match message {
            Message::Stop => return true,
            Message::Report(report) => note(&mut state, report),
            Message::Sensed(sensed) => {
                *state.senses.heard.entry(sensed.how()).or_default() += 1;
                match sensed {
                    Sensed::Node => {
                        state.node.track.judge_due = Tick(0);
                        self.read_node(&mut state, now);
                    }
                    Sensed::Cgroup { path, .. } => self.rouse(&mut state, &path, now),
                }
            }
        }
        false
    }

    fn rouse(&mut self, state: &mut State, path: &str, now: Stamp) {
        let tick = state.wheel.tick_at(now);
        let mut due = Vec::new();
        let below: Vec<u32> = state
            .cgroups
            .iter()
            .filter(|(_, cgroup)| is_within(&cgroup.path, path) && *cgroup.path != *path)
            .map(|(index, _)| index)
            .take(BELOW_MAX)
            .collect();
        for index in state.cgroups.find(path).into_iter().chain(below) {
            let Some(cgroup) = state.cgroups.get_mut(index) else { continue };
            cgroup.track.due = tick;
            if *cgroup.path == *path {
                cgroup.track.judge_due = cgroup.track.judge_due.min(tick);
                cgroup.roused_at = Some(now);
                // A limit that was just set is the reason as often as a burst is.
                cgroup.details_at = cgroup.details_at.filter(|at| now.since(*at) < DETAILS_AGE);
            }
            due.push((tick, Due::Cgroup(index)));
        }
        let is_in = |p: &super::Process| {
            p.facts.cgroup_path.as_deref().is_some_and(|own| is_within(own, path))
        };
        let members = state.processes.iter().filter(|(_, p)| is_in(p)).map(|(index, _)| index);
        let members: Vec<u32> = members.take(MEMBERS_MAX).collect();
        for index in members {
            if let Some(process) = state.processes.get_mut(index) {
                process.track.due = tick;
                due.push((tick, Due::Process(index)));
            }
        }
        sweep(state, &self.sampler.roots, &mut self.readers, &due, now);
    }

    /// Chooses anew whom the senses listen to.
    pub(super) fn plan_senses(&mut self, state: &mut State) {
        let most = state.senses.most;
        let Some(senses) = self.senses.as_mut().filter(|_| most > 0) else { return };
        let node = state.node.quick.as_ref().and_then(|q| q.meminfo.as_ref().ok());
        let total = node.map_or(Bytes(u64::MAX), |meminfo| meminfo.mem_total());
        let mut candidates = Vec::new();
        for (_, cgroup) in state.cgroups.iter() {
            // A limit above all there is never binds; the root's is none.
            let Limit::At(limit) = cgroup.max() else { continue };
            if limit < total && limit > Bytes::ZERO && &*cgroup.path != "/" {
                candidates.push(Candidate {
                    path: Arc::clone(&cgroup.path),
                    limit,
                    headroom: limit - cgroup.held(),
                    watched: cgroup.listened_to,
                    triggered: cgroup.triggered,
                    pressed: cgroup.pressed,
                });
            }
        }
        let on_v2 = state.cgroup_layout.as_ref().is_some_and(|l| !l.has_thresholds());
        let wanted = plan(candidates, most, on_v2);
        for cgroup in state.cgroups.iter_mut() {
            (cgroup.listened_to, cgroup.triggered) = (false, false);
        }
        for chosen in &wanted {
            let index = state.cgroups.find(&chosen.path);
            if let Some(cgroup) = index.and_then(|index| state.cgroups.get_mut(index)) {
                (cgroup.listened_to, cgroup.triggered) = (true, chosen.trigger);
            }
        }
        state.senses.dropped = senses.dropped();
        senses.plan(wanted);
    }
}

/// Says in one line what the senses see and why not more.
fn note(state: &mut State, report: Report) {
    let cgroups = match &state.cgroup_layout {
        Some(layout) if layout.has_thresholds() => "usage thresholds, reclaim and OOM of",
        _ => "memory.events and stalls of",
    };
    let node = report.node.as_deref().unwrap_or("not the node's stalls");
    let sees = format!("{node}; {cgroups} {} cgroups", report.cgroups);
    match &report.refused {
        None => state.health.ok("senses", sees),
        Some(why) => {
            let why = format!("{why}; what is not told is found by sampling");
            state.health.degraded("senses", sees, why);
        }
    }
    state.senses.report = report;
}

fn is_within(path: &str, ancestor: &str) -> bool {
    let below = path.strip_prefix(ancestor.trim_end_matches('/'));
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_is_by_whole_names() {
        assert!(is_within("/a/b", "/a") && is_within("/a", "/a") && is_within("/a", "/"));
        assert!(!is_within("/ab", "/a") && !is_within("/", "/a"));
    }
}
