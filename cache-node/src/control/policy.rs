//! From a level to what the store is told: its limit, who comes in, what it gives back. Pure.
//!
//! Three bounds hold at any level. Between two readings the store may take no more than half of the
//! room that was left, so that no rate of sets outruns the readings. What is asked for is never
//! exceeded. What is given back counts as given when the kernel has it, and never by the resident
//! size, which others move as well.

use super::sense::Sensed;
use super::signal::{Level, Signal};
use super::{Bytes, MIB};
use crate::store::Admission;
use std::time::Duration;

/// The share of what was asked for that is protected: one in so many.
const FLOOR_SHARE: Bytes = 8;

/// Below this nothing is protected, and nothing can be asked for.
pub const FLOOR_BYTES_MIN: Bytes = 8 * MIB;

/// What the floor can be lowered to when all that is above it did not do.
const FLOOR_BYTES_LAST: Bytes = 2 * MIB;

/// How long a floor holds while memory stays critically short.
const FLOOR_HOLDS: Duration = Duration::from_secs(2);

/// Calm that is waited for before anything grows back; doubled each time growing back brought the
/// pressure back.
const REST: Duration = Duration::from_secs(5);
const REST_MAX: Duration = Duration::from_secs(160);

/// Growing back from nothing to all takes at least this long.
const REGROW_WHOLE_S: f64 = 20.0;

/// Room to spare is taken over no shorter time than this.
const REGROW_SPARE_S: f64 = 5.0;

/// An outside word is heeded for so long at least: its source repeats itself each second.
const WORD_HOLDS: Duration = Duration::from_secs(3);

/// What the store does until the next reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub limit_bytes: Bytes,
    /// What is held above this goes back to the kernel now.
    pub target_bytes: Bytes,
    pub admission: Admission,
}

/// An outside source's last word.
#[derive(Clone, Copy, Debug)]
struct Word {
    signal: Signal,
    said: Duration,
    owed_bytes: Bytes,
}

impl Word {
    fn ends(&self) -> Duration {
        self.said + self.signal.deadline.max(WORD_HOLDS)
    }
}

#[derive(Clone, Debug)]
pub struct Policy {
    asked_bytes: Bytes,
    /// What pressure has left of what was asked for.
    allowed_bytes: Bytes,
    floor_bytes: Bytes,
    word: Option<Word>,
    planned: Option<Duration>,
    calm_since: Option<Duration>,
    critical_since: Option<Duration>,
    rest: Duration,
    /// Whether it grew since pressure ended: pressure now would be its own doing.
    has_regrown: bool,
}

impl Policy {
    #[must_use]
    pub fn new(asked_bytes: Bytes) -> Self {
        Self {
            asked_bytes,
            allowed_bytes: asked_bytes,
            floor_bytes: floor_of(asked_bytes),
            word: None,
            planned: None,
            calm_since: None,
            critical_since: None,
            rest: REST,
            has_regrown: false,
        }
    }

    #[must_use]
    pub const fn floor_bytes(&self) -> Bytes {
        self.floor_bytes
    }

    /// The operator's wish, in both directions. What pressure took stays taken.
    pub fn ask(&mut self, bytes: Bytes) {
        let was_whole = self.allowed_bytes == self.asked_bytes;
        self.allowed_bytes = if was_whole { bytes } else { self.allowed_bytes.min(bytes) };
        self.asked_bytes = bytes;
        self.floor_bytes = floor_of(bytes);
    }

    /// An outside source speaks. To be called when its word changes: repeated, it is owed again.
    pub fn hear(&mut self, now: Duration, signal: Signal) {
        self.word = Some(Word { signal, said: now, owed_bytes: signal.reclaim_bytes });
    }

    /// The level that the outside source wants, and forgets it when it has fallen silent.
    pub fn word(&mut self, now: Duration) -> Level {
        self.word = self.word.filter(|word| now < word.ends());
        self.word.map_or(Level::None, |word| word.signal.level)
    }

    /// What is still owed to the outside source. Units: bytes.
    fn owed(&self) -> Bytes {
        self.word.map_or(0, |word| word.owed_bytes)
    }

    /// The kernel has `bytes` back.
    pub fn acknowledge(&mut self, bytes: Bytes) {
        if let Some(word) = &mut self.word {
            word.owed_bytes = word.owed_bytes.saturating_sub(bytes);
        }
    }

    /// What to do at `level`, with `used_bytes` held.
    pub fn plan(&mut self, now: Duration, level: Level, sensed: &Sensed, used: Bytes) -> Plan {
        let passed = now.saturating_sub(self.planned.replace(now).unwrap_or(now));
        if level == Level::None {
            self.regrow(now, passed, sensed, used);
        } else {
            self.calm_since = None;
            if self.has_regrown {
                self.rest = (self.rest * 2).min(REST_MAX);
                self.has_regrown = false;
            }
            self.allowed_bytes = self.allowed_bytes.min(used.max(self.floor_bytes));
        }
        self.lower_floor(now, level, sensed, used);
        // What is asked for by number is given at any level; what is only felt, from medium on.
        let felt = if level >= Level::Medium { sensed.reclaim_bytes } else { 0 };
        let wanted = felt.max(if level > Level::None { self.owed() } else { 0 });
        if wanted > 0 {
            let left = used.saturating_sub(wanted).max(self.floor_bytes);
            self.allowed_bytes = self.allowed_bytes.min(left);
        }
        let leash = sensed.last_bytes.map_or(Bytes::MAX, |last| used.saturating_add(last / 2));
        Plan {
            limit_bytes: self.allowed_bytes.min(leash),
            target_bytes: self.allowed_bytes,
            admission: match level {
                Level::None | Level::Low => Admission::All,
                Level::Medium => Admission::Known,
                Level::Critical => Admission::Nobody,
            },
        }
    }

    /// Slowly, and no faster than what others leave allows.
    fn regrow(&mut self, now: Duration, passed: Duration, sensed: &Sensed, used: Bytes) {
        let calm = now.saturating_sub(*self.calm_since.get_or_insert(now));
        if self.allowed_bytes >= self.asked_bytes {
            // It stood for longer than it took to come back: the pressure was not its own doing.
            if calm > 2 * REST_MAX {
                self.rest = REST;
            }
            self.has_regrown = false;
            return;
        }
        // Not before what it may hold is held: room that is not used need not grow.
        if calm < self.rest || used.saturating_add(used / 16 + 4 * MIB) < self.allowed_bytes {
            return;
        }
        let spare = sensed.spare_bytes.map_or(f64::MAX, |spare| spare as f64 / REGROW_SPARE_S);
        let rate = (self.asked_bytes as f64 / REGROW_WHOLE_S).min(spare - sensed.taken_per_s);
        let more = (rate.max(0.0) * passed.as_secs_f64()) as Bytes;
        if more > 0 {
            self.has_regrown = true;
            self.allowed_bytes = self.allowed_bytes.saturating_add(more).min(self.asked_bytes);
            self.floor_bytes = floor_of(self.asked_bytes).min(self.allowed_bytes);
        }
    }

    /// Where all above the floor was given and memory is still critically short, the floor sinks.
    fn lower_floor(&mut self, now: Duration, level: Level, sensed: &Sensed, used: Bytes) {
        let is_stuck = level == Level::Critical
            && sensed.reclaim_bytes.max(self.owed()) > 0
            && used <= self.floor_bytes.saturating_add(2 * MIB);
        if !is_stuck {
            self.critical_since = None;
            return;
        }
        let since = *self.critical_since.get_or_insert(now);
        if now.saturating_sub(since) >= FLOOR_HOLDS {
            self.critical_since = Some(now);
            let least = FLOOR_BYTES_LAST.min(self.floor_bytes);
            self.floor_bytes = (self.floor_bytes / 2).max(least);
        }
    }
}

fn floor_of(asked: Bytes) -> Bytes {
    (asked / FLOOR_SHARE).max(FLOOR_BYTES_MIN).min(asked)
}

#[cfg(test)]
mod tests;
