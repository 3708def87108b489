//! What a reading leads to, whatever was read: how it differs from the one before, when the next is
//! due and when the target is judged. Pure; the sampler's sweep and the replay of traces share it.

use super::cadence::{GROWN, Pace};
use super::standing::Standing;
use super::state::Track;
use super::wheel::Tick;
use crate::clock::Stamp;
use crate::history::Split;
use crate::units::Bytes;
use std::time::Duration;

/// A changed target waits no longer than this for its judgement, and one that is read often no
/// longer than so many readings: what is read ten times a second has seconds left.
const CHANGED_JUDGED_WITHIN: Duration = Duration::from_secs(2);
const JUDGED_WITHIN_READINGS: u32 = 5;
const JUDGED_APART: Duration = Duration::from_millis(500);

/// How usage differs from the reading before.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub grown: Bytes,
    pub shrunk: bool,
}

impl Change {
    pub const NONE: Self = Self { grown: Bytes::ZERO, shrunk: false };

    #[must_use]
    pub fn of(before: Split, after: Split) -> Self {
        Self { grown: after.used - before.used, shrunk: before.used - after.used > GROWN }
    }
}

impl Track {
    /// The hurry that a reading at `now` tells of.
    #[must_use]
    pub fn pace(
        &self,
        standing: &Standing,
        change: Change,
        headroom: Option<Bytes>,
        shed_factor: f64,
        now: Stamp,
    ) -> Pace {
        let eta = standing.eta(now).map(|eta| eta.p10);
        Pace {
            previous: self.interval(),
            elapsed: now.since(self.read_at),
            grown: change.grown,
            shrunk: change.shrunk,
            headroom,
            eta_p10: eta.and_then(|s| Duration::try_from_secs_f64(s.max(0.0)).ok()),
            suspect: standing.is_suspect(),
            shed_factor,
            no_later: None,
        }
    }

    /// The reading at `now` is done; the next is due at `due`.
    pub fn place(&mut self, interval: Duration, due: Tick, now: Stamp) {
        self.set_interval(interval);
        self.due = due;
        self.read_at = now;
    }

    /// How soon it has to be judged after it changed.
    #[must_use]
    pub fn judged_within(&self) -> Duration {
        (self.interval() * JUDGED_WITHIN_READINGS).clamp(JUDGED_APART, CHANGED_JUDGED_WITHIN)
    }

    /// The judgement is due at `soon`, unless it is sooner.
    pub fn hasten_judgement(&mut self, soon: Tick) {
        self.judge_due = self.judge_due.min(soon);
    }
}
