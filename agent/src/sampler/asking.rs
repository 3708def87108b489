//! What is asked of the deep reader, when, and what becomes of its answers.

use super::deep::{Answer, Ask};
use super::recording;
use super::state::State;
use super::thread::Run;
use crate::clock::Stamp;
use crate::sources::ReadError;
use crate::sources::process::predicted_stall;
use crate::units::Bytes;
use crate::view::SourceState;
use std::time::Duration;

/// Stall that the PSS sweep may cause to all targets together. Units: time per second of wall time.
const STALL_PER_SECOND: Duration = Duration::from_millis(2);
/// Processes below this hold nothing that PSS would tell.
const PSS_RSS_MIN: Bytes = Bytes::mib(8);
/// A reader that has not come back for this long is stuck on a target.
pub(super) const STUCK: Duration = Duration::from_secs(5);

impl Run {
    pub(super) fn ask_cmdlines(&mut self, state: &State) {
        let fresh = &mut self.sampler.discovery.fresh;
        if state.config.privacy.cmdline == crate::config::CmdlineMode::Off {
            fresh.clear();
        }
        while let Some(index) = fresh.pop() {
            let Some(process) = state.processes.get(index) else { continue };
            if !self.sampler.deep.ask(Ask::Cmdline(process.facts.id)) {
                fresh.push(index);
                break;
            }
        }
    }

    /// Goes on with the PSS sweep as far as this second's stall budget allows, suspects first.
    pub(super) fn ask_smaps(&mut self, state: &mut State, now: Stamp) {
        let sampling = &state.config.sampling;
        if !sampling.pss || state.node.under_pressure() || self.sampler.deep.pending() > 0 {
            return;
        }
        let age = sampling.pss_interval;
        let wanted = |p: &super::Process| {
            // The size first: most are small, and what else is known of them lies elsewhere.
            p.track.split.used >= PSS_RSS_MIN
                && p.facts.smaps_at.is_none_or(|at| now.since(at) >= age)
        };
        let mut candidates: Vec<_> =
            state.processes.iter().filter(|(_, p)| wanted(p)).map(|(index, _)| index).collect();
        let split = candidates.partition_point(|&index| index < self.pss_next);
        candidates.rotate_left(split);
        let mut stall = Duration::ZERO;
        for index in candidates {
            let Some(process) = state.processes.get_mut(index) else { continue };
            let predicted = predicted_stall(process.track.split.used, None);
            if predicted > state.config.sampling.pss_stall_max {
                process.facts.smaps_at = Some(now);
                process.facts.smaps = None;
                process.facts.smaps_note = Some(refusal(predicted).into());
                continue;
            }
            if !stall.is_zero() && stall + predicted > STALL_PER_SECOND {
                break;
            }
            if !self.sampler.deep.ask(Ask::Smaps(process.facts.id)) {
                break;
            }
            process.facts.smaps_at = Some(now);
            stall += predicted;
            self.pss_next = index + 1;
        }
    }

    pub(super) fn hear_answers(&mut self, state: &mut State, now: Stamp) {
        while let Some(answer) = self.sampler.deep.answer() {
            self.deep_since = Some(now);
            let answer = match answer {
                Answer::Evidence(findings) => {
                    recording::found(state, *findings);
                    continue;
                }
                other => other,
            };
            self.smaps_denied |= matches!(&answer, Answer::Smaps(_, Err(ReadError::Denied { .. })));
            take_answer(state, answer);
        }
        let waiting = self.sampler.deep.pending() > 0;
        let since = self.deep_since.filter(|_| waiting).unwrap_or(now);
        self.deep_since = Some(since);
        if now.since(since) > STUCK {
            state.health.degraded(
                "smaps",
                "no PSS",
                "a target holds its memory lock: reader waits",
            );
        } else if self.smaps_denied && !may_trace() {
            let why = "the kernel shows others' to their owner only; needs CAP_SYS_PTRACE";
            state.health.degraded("smaps", "PSS of the agent's own user's processes", why);
        } else if !waiting && state.health.state("smaps") == Some(SourceState::Degraded) {
            state.health.ok("smaps", "PSS, USS and huge pages, under the stall budget");
        }
    }
}

/// Whether this agent may look into other users' processes. One that refuses all the same is
/// protected by itself or by a security module, and its own page says so.
pub(super) fn may_trace() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_PTRACE))
}

pub(super) fn refusal(predicted: Duration) -> String {
    format!(
        "not read: it would stall the process for about {:.1} ms (sampling.pss_stall_max)",
        predicted.as_secs_f64() * 1000.0
    )
}

fn take_answer(state: &mut State, answer: Answer) {
    let id = match &answer {
        Answer::Cmdline(id, _) | Answer::Smaps(id, _) => *id,
        Answer::Evidence(_) => return,
    };
    let Some(index) = state.processes.index_of(id.pid) else { return };
    let Some(process) = state.processes.get_mut(index).filter(|p| p.facts.id == id) else { return };
    match answer {
        Answer::Cmdline(_, Ok(text)) => process.facts.cmdline = Some(text.into()),
        Answer::Smaps(_, Ok(smaps)) => {
            process.facts.smaps = Some(Box::new(smaps));
            process.facts.smaps_note = None;
            state.counters.sampled("smaps_rollup", 1);
        }
        Answer::Smaps(_, Err(ReadError::Gone)) | Answer::Cmdline(_, Err(_)) => {}
        Answer::Evidence(_) => {}
        Answer::Smaps(_, Err(e)) => {
            process.facts.smaps_note = Some(e.to_string().into());
            state.counters.failed("smaps_rollup");
        }
    }
}
