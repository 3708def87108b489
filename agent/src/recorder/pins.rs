//! The targets whose history is pinned: suspects, and the cgroups and the node around them. Pure.
//!
//! A pin is touched as long as there is a reason for it and kept for [`PIN_KEPT`] afterwards, for a
//! kill is often heard of after the end of what was killed. When all are taken, the one that was
//! touched longest ago gives way, then the least urgent; the node never does.

use super::foretold::{Saying, Sayings};
use super::ring::Ring;
use super::{PIN_KEPT, PINS_MAX};
use crate::clock::Stamp;
use crate::history::History;
use crate::target::Target;
use crate::verdict::{State, Verdict};
use crate::view::{EvidenceTaken, Stage};
use std::collections::VecDeque;
use std::time::Duration;

/// Pieces of evidence kept of one target.
pub const EVIDENCE_MAX: usize = 4;
/// Evidence that waits to be collected.
const WANTED_MAX: usize = 64;
/// A pin touched within this time is in use.
const IN_USE: Duration = Duration::from_secs(120);

#[derive(Clone, Debug)]
pub struct Pin {
    pub target: Target,
    pub since: Stamp,
    /// When there was last a reason for it.
    pub touched: Stamp,
    pub ring: Ring,
    pub said: Sayings,
    /// The last verdict that found it suspect, and when.
    pub verdict: Option<(Stamp, Verdict)>,
    pub evidence: VecDeque<(Stamp, EvidenceTaken)>,
    /// When evidence was asked for, at suspicion and before the limit.
    asked: [Option<Stamp>; 2],
}

impl Pin {
    fn new(target: Target, now: Stamp) -> Self {
        Self {
            target,
            since: now,
            touched: now,
            ring: Ring::default(),
            said: Sayings::default(),
            verdict: None,
            evidence: VecDeque::new(),
            asked: [None; 2],
        }
    }

    fn urgency(&self) -> State {
        self.said.last().map_or(State::Ok, |said| said.state)
    }

    pub fn add_evidence(&mut self, at: Stamp, evidence: EvidenceTaken) {
        if self.evidence.len() >= EVIDENCE_MAX {
            self.evidence.pop_front();
        }
        self.evidence.push_back((at, evidence));
    }
}

#[derive(Debug)]
pub struct Pins {
    pins: Vec<Pin>,
    most: usize,
    wanted: VecDeque<(Target, Stage)>,
    refused: u64,
}

impl Default for Pins {
    fn default() -> Self {
        Self::new(PINS_MAX)
    }
}

impl Pins {
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { pins: Vec::new(), most, wanted: VecDeque::new(), refused: 0 }
    }

    /// Pins `target`, or touches it if it is pinned. `urgency` decides who gives way.
    pub fn pin(&mut self, target: &Target, urgency: State, now: Stamp) -> Option<&mut Pin> {
        if let Some(at) = self.place(target) {
            self.pins[at].touched = now;
            return Some(&mut self.pins[at]);
        }
        if self.pins.len() >= self.most {
            let Some(at) = self.least(urgency, now) else {
                self.refused += 1;
                return None;
            };
            self.pins.swap_remove(at);
        }
        self.pins.push(Pin::new(target.clone(), now));
        self.pins.last_mut()
    }

    #[must_use]
    pub fn get(&self, target: &Target) -> Option<&Pin> {
        self.place(target).map(|at| &self.pins[at])
    }

    pub fn get_mut(&mut self, target: &Target) -> Option<&mut Pin> {
        self.place(target).map(|at| &mut self.pins[at])
    }

    pub fn iter(&self) -> impl Iterator<Item = &Pin> {
        self.pins.iter()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.pins.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pins.is_empty()
    }

    /// Suspects that found no pin free.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes over every new reading of the pinned targets; lets go what nobody needs any more.
    ///
    /// Cost: below 30 µs for each pin, and nothing without one.
    pub fn follow(&mut self, history: &History, now: Stamp) {
        self.pins.retain(|pin| now.since(pin.touched) < PIN_KEPT);
        for pin in &mut self.pins {
            if let Some(series) = history.find(&pin.target) {
                pin.ring.follow(history.window(series).points());
            }
        }
    }

    /// Notes what was said of a pinned target.
    pub fn say(&mut self, verdict: &Verdict, target: &Target, now: Stamp) {
        let Some(pin) = self.get_mut(target) else { return };
        pin.said.note(Saying::of(verdict, now));
        if verdict.state >= State::LeakSuspected {
            let eta_s = verdict.eta_s.map(super::foretold::finite);
            pin.verdict = Some((now, Verdict { eta_s, ..verdict.clone() }));
        } else {
            pin.asked = [None; 2];
        }
    }

    /// Asks for evidence of a pinned target, once for each stage of its suspicion.
    pub fn want(&mut self, target: &Target, stage: Stage, now: Stamp) {
        let room = self.wanted.len() < WANTED_MAX;
        let Some(pin) = self.get_mut(target) else { return };
        let asked = &mut pin.asked[usize::from(stage == Stage::BeforeLimit)];
        if room && asked.is_none() {
            *asked = Some(now);
            self.wanted.push_back((target.clone(), stage));
        }
    }

    /// When evidence of a pinned target was first asked for in this suspicion.
    #[must_use]
    pub fn first_wanted(&self, target: &Target) -> Option<Stamp> {
        self.get(target)?.asked[0]
    }

    pub fn next_wanted(&mut self) -> Option<(Target, Stage)> {
        self.wanted.pop_front()
    }

    /// Puts back pins that an earlier run of the agent had; their readings come from the history.
    pub fn restore(&mut self, pins: impl Iterator<Item = Pin>) {
        let room = self.most.saturating_sub(self.pins.len());
        self.pins.extend(pins.take(room));
    }

    fn place(&self, target: &Target) -> Option<usize> {
        self.pins.iter().position(|pin| pin.target == *target)
    }

    /// Who gives way to a target of this urgency.
    fn least(&self, urgency: State, now: Stamp) -> Option<usize> {
        let others = self.pins.iter().enumerate().filter(|(_, pin)| pin.target != Target::Node);
        let (at, pin) = others.min_by_key(|(_, pin)| {
            let in_use = now.since(pin.touched) < IN_USE;
            (in_use, if in_use { pin.urgency() } else { State::Ok }, pin.touched)
        })?;
        let gives_way = now.since(pin.touched) >= IN_USE || pin.urgency() < urgency;
        gives_way.then_some(at)
    }
}

/// A pin as it outlives the agent, without its readings: the history's log has those.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PinRecord {
    pub target: String,
    pub since_ms: i64,
    pub touched_ms: i64,
    pub said: Sayings,
    pub verdict: Option<(i64, Verdict)>,
    pub evidence: Vec<(i64, EvidenceTaken)>,
}

impl PinRecord {
    #[must_use]
    pub fn of(pin: &Pin) -> Self {
        Self {
            target: pin.target.to_string(),
            since_ms: pin.since.0,
            touched_ms: pin.touched.0,
            said: pin.said.clone(),
            verdict: pin.verdict.clone().map(|(at, verdict)| (at.0, verdict)),
            evidence: pin.evidence.iter().map(|(at, taken)| (at.0, taken.clone())).collect(),
        }
    }

    /// None if the target's name makes no sense.
    #[must_use]
    pub fn into_pin(self) -> Option<Pin> {
        let asked = [Stage::Suspected, Stage::BeforeLimit]
            .map(|stage| self.evidence.iter().find(|(_, taken)| taken.stage == stage))
            .map(|taken| taken.map(|(at, _)| Stamp(*at)));
        Some(Pin {
            target: self.target.parse().ok()?,
            since: Stamp(self.since_ms),
            touched: Stamp(self.touched_ms),
            ring: Ring::default(),
            said: self.said,
            verdict: self.verdict.map(|(at, verdict)| (Stamp(at), verdict)),
            evidence: self
                .evidence
                .into_iter()
                .take(EVIDENCE_MAX)
                .map(|(at, e)| (Stamp(at), e))
                .collect(),
            asked,
        })
    }
}

#[cfg(test)]
mod tests;
