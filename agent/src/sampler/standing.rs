//! What was last concluded of a target, kept small: ten thousand of these exist.

use crate::clock::Stamp;
use crate::history::{Split, Window};
use crate::target::TargetKind;
use crate::units::{Bytes, BytesPerSec, Limit};
use crate::verdict::{Eta, Facts, Judged, Opinion, Params, Scratch, State, judge};
use std::time::Duration;

/// What led to a judgement.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// What history knows of the target; None where nobody keeps one.
    pub window: Option<Window<'a>>,
    /// The newest reading.
    pub split: Split,
    /// The interval that led to it.
    pub interval: Duration,
}

#[derive(Debug, Default)]
pub struct Standing {
    pub memory: Judged,
    pub at: Stamp,
    pub rate: BytesPerSec,
    pub used: Bytes,
    /// The whole opinion, where it is not simply that nothing speaks against the target.
    suspicion: Option<Box<Opinion>>,
}

impl Standing {
    #[must_use]
    pub fn of(memory: Judged) -> Self {
        Self { memory, ..Self::default() }
    }

    #[must_use]
    pub const fn state(&self) -> State {
        self.memory.state
    }

    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.memory.state >= State::LeakSuspected
    }

    /// Takes in one reading, whether it is judged or not.
    pub fn see(&mut self, at: Stamp, split: &Split, params: &Params) {
        self.memory.see(at, split, params.growth_min);
    }

    /// Judges the target anew. Returns how long it may wait for the next judgement.
    pub fn judge(
        &mut self,
        params: &Params,
        past: Past<'_>,
        now: Stamp,
        facts: &Facts,
        scratch: &mut Scratch,
    ) -> Duration {
        let Past { window, split, interval } = past;
        let opinion = judge(params, window, &split, now, facts, &mut self.memory, scratch);
        self.conclude(opinion, now);
        self.next_judgement(facts.kind, interval)
    }

    fn conclude(&mut self, opinion: Opinion, now: Stamp) {
        self.at = now;
        self.rate = opinion.rate;
        self.used = opinion.used;
        self.suspicion = self.is_suspect().then(|| Box::new(opinion));
    }

    /// The forecast, counted down to `now`.
    #[must_use]
    pub fn eta(&self, now: Stamp) -> Option<Eta> {
        let eta = self.suspicion.as_ref()?.eta?;
        let passed = now.since(self.at).as_secs_f64();
        let left = |at: f64| (at - passed).max(0.0);
        Some(Eta { p10: left(eta.p10), p50: left(eta.p50), p90: left(eta.p90) })
    }

    /// The opinion as it stands at `now`; `limit` is for targets without suspicion.
    #[must_use]
    pub fn opinion(&self, limit: Limit, now: Stamp) -> Opinion {
        match &self.suspicion {
            Some(opinion) => Opinion { eta: self.eta(now), ..(**opinion).clone() },
            None => Opinion {
                state: self.memory.state,
                cause: self.memory.cause,
                used: self.used,
                limit,
                rate: self.rate,
                ..Opinion::default()
            },
        }
    }

    #[must_use]
    pub fn confidence(&self) -> f64 {
        self.suspicion.as_ref().map_or(0.0, |opinion| opinion.confidence)
    }

    /// How soon it is judged again, if its memory changes meanwhile or not.
    #[must_use]
    pub fn next_judgement(&self, kind: TargetKind, interval: Duration) -> Duration {
        const PRESSING: Duration = Duration::from_secs(1);
        const SUSPECT_MAX: Duration = Duration::from_secs(5);
        const YOUNG: Duration = Duration::from_secs(15);
        const CALM: Duration = Duration::from_secs(60);
        match (kind, self.state()) {
            (_, State::OomImminent) => PRESSING,
            (TargetKind::Node, _) => SUSPECT_MAX,
            (_, State::LeakSuspected | State::OomPredicted) => {
                interval.clamp(PRESSING, SUSPECT_MAX)
            }
            _ if !self.memory.is_trivial() => interval.clamp(PRESSING, SUSPECT_MAX),
            (_, State::WarmingUp) => YOUNG,
            (_, State::Ok) => CALM,
        }
    }
}
