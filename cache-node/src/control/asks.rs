//! What the agent asked for and has no answer to yet. Pure: time and counts are handed in.
//!
//! A word asks for what it names, and one that follows before the answer takes nothing of that
//! back: what was asked before stands, until it was given, its deadline is over, or nothing is
//! wanted in its scope any more. What is given counts for the oldest first, so every byte counts
//! once.

use super::Bytes;
use crate::store::SEGMENT_BYTES_MAX;
use plimsoll_pressure::{Level, Source, Told};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Words without an answer; the oldest is answered as it stands where there are more.
const ASKS_MAX: usize = 16;
/// An answer is on its way this long before it is due.
const BEFORE_DEADLINE: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Ask {
    told: Told,
    wanted: Bytes,
    due: Instant,
    /// What had been given back in all when its turn came; None: others come first.
    given_before: Option<Bytes>,
    /// Given earlier in whole segments beyond what was asked for, and counted here.
    credit: Bytes,
}

/// An ask that has come to its end.
#[derive(Debug)]
pub struct Done {
    pub told: Told,
    pub freed: Bytes,
    /// Not all was given in time; the rest is not owed any more.
    pub fell_short: bool,
}

#[derive(Debug, Default)]
pub struct Asks {
    /// Oldest first.
    open: VecDeque<Ask>,
    /// What was given beyond what the last asks wanted: less than a segment, since the agent counts
    /// no more than it asked for, and many small asks are not to add up to more.
    surplus: Bytes,
}

impl Asks {
    /// A word was told that wants `wanted`; `given` is what was given back in all until now.
    /// Returns an older one that had to make room.
    pub fn hear(&mut self, told: Told, wanted: Bytes, given: Bytes, now: Instant) -> Option<Done> {
        let due = now + told.deadline;
        self.open.retain(|ask| stands_beside(&ask.told, &told));
        for ask in self.open.iter_mut().filter(|ask| ask.told.scope == told.scope) {
            // The same shortage, and more pressing now.
            ask.due = ask.due.min(due);
        }
        let full = self.open.len() >= ASKS_MAX;
        let crowded_out = if full { self.end_first(given, now) } else { None };
        self.open.push_back(Ask { told, wanted, due, given_before: None, credit: 0 });
        self.begin_first(given);
        crowded_out
    }

    /// Nothing is wanted any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Still to be given, of all together.
    #[must_use]
    pub fn owed(&self, given: Bytes, now: Instant) -> Bytes {
        self.open.iter().map(|ask| ask.owed(given, now)).fold(0, Bytes::saturating_add)
    }

    /// Until the first of them is due; zero where nothing is asked.
    #[must_use]
    pub fn time_left(&self, now: Instant) -> Duration {
        let dues = self.open.iter().map(|ask| ask.due.saturating_duration_since(now));
        dues.min().unwrap_or_default()
    }

    /// The oldest, if it was given or its time is over. To be called until it returns None.
    pub fn done(&mut self, given: Bytes, now: Instant) -> Option<Done> {
        let first = self.open.front()?;
        let is_due = now + BEFORE_DEADLINE >= first.due;
        if is_due || first.owed(given, now) == 0 { self.end_first(given, now) } else { None }
    }

    fn end_first(&mut self, given: Bytes, now: Instant) -> Option<Done> {
        let first = self.open.pop_front()?;
        let freed = first.given(given);
        let beyond = freed.saturating_sub(first.wanted);
        // More than a segment is what was given for other reasons.
        self.surplus = if beyond < SEGMENT_BYTES_MAX { beyond } else { 0 };
        self.begin_first(given);
        let fell_short = first.owed(given, now) > 0;
        Some(Done { told: first.told, freed, fell_short })
    }

    fn begin_first(&mut self, given: Bytes) {
        let Some(first) = self.open.front_mut().filter(|ask| ask.given_before.is_none()) else {
            return;
        };
        first.given_before = Some(given);
        first.credit = self.surplus.min(first.wanted);
        self.surplus -= first.credit;
    }
}

impl Ask {
    fn given(&self, given: Bytes) -> Bytes {
        let since = |before: Bytes| given.saturating_sub(before) + self.credit;
        self.given_before.map_or(0, since)
    }

    fn owed(&self, given: Bytes, now: Instant) -> Bytes {
        if now < self.due { self.wanted.saturating_sub(self.given(given)) } else { 0 }
    }
}

/// Whether an ask still stands after `news`. Alarms without a number replace each other.
fn stands_beside(ask: &Told, news: &Told) -> bool {
    match (ask.source, news.source) {
        (Source::Agent { epoch, .. }, Source::Agent { epoch: newer, .. }) => {
            epoch == newer && (news.level > Level::None || ask.scope != news.scope)
        }
        (Source::Agent { .. }, _) | (_, Source::Agent { .. }) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::MIB;
    use plimsoll_pressure::{Epoch, Scope, Seq};

    fn word(seq: u64, level: Level, deadline_ms: u64) -> Told {
        Told {
            source: Source::Agent { epoch: Epoch(1), seq: Seq(seq) },
            scope: Scope::Node,
            level,
            overall: level,
            reclaim_bytes: None,
            deadline: Duration::from_millis(deadline_ms),
            headroom_bytes: None,
            eta: None,
            cause: "test".into(),
        }
    }

    fn seq_of(done: &Done) -> u64 {
        match done.told.source {
            Source::Agent { seq, .. } => seq.0,
            _ => 0,
        }
    }

    #[test]
    fn a_word_that_comes_before_the_answer_takes_nothing_back_and_asks_for_nothing_twice() {
        let (mut asks, now) = (Asks::default(), Instant::now());
        asks.hear(word(1, Level::Low, 8_000), 24 * MIB, 100 * MIB, now);
        asks.hear(word(2, Level::Critical, 2_000), 0, 110 * MIB, now);
        assert_eq!(asks.owed(110 * MIB, now), 14 * MIB);
        assert_eq!(asks.time_left(now), Duration::from_secs(2), "the same, more urgent");
        assert!(asks.done(110 * MIB, now).is_none());
        let first = asks.done(124 * MIB, now).unwrap();
        assert_eq!((seq_of(&first), first.freed, first.fell_short), (1, 24 * MIB, false));
        let second = asks.done(124 * MIB, now).unwrap();
        assert_eq!((seq_of(&second), second.freed), (2, 0));
        assert!(asks.is_empty());
    }

    #[test]
    fn what_two_words_ask_for_is_given_to_the_oldest_first_and_each_byte_counts_once() {
        let (mut asks, now) = (Asks::default(), Instant::now());
        asks.hear(word(1, Level::Medium, 4_000), 10 * MIB, 0, now);
        asks.hear(word(2, Level::Medium, 4_000), 5 * MIB, 0, now);
        assert_eq!(asks.owed(0, now), 15 * MIB);
        // Half a MiB more than the first wanted: the second's.
        let given = 10 * MIB + MIB / 2;
        assert_eq!(asks.done(given, now).unwrap().freed, given);
        assert_eq!(asks.owed(given, now), 5 * MIB - MIB / 2);
        assert_eq!(asks.done(15 * MIB, now).unwrap().freed, 5 * MIB);
    }

    #[test]
    fn what_was_not_given_in_time_is_answered_as_it_is_and_not_owed_any_more() {
        let (mut asks, now) = (Asks::default(), Instant::now());
        asks.hear(word(1, Level::Critical, 1_000), 10 * MIB, 0, now);
        assert!(asks.done(4 * MIB, now + Duration::from_millis(900)).is_none());
        let late = asks.done(4 * MIB, now + Duration::from_millis(960)).unwrap();
        assert_eq!((late.freed, late.fell_short), (4 * MIB, true));
        assert_eq!(asks.owed(4 * MIB, now), 0);
    }

    #[test]
    fn an_ask_ends_with_its_scope_and_with_its_agent() {
        let (mut asks, now) = (Asks::default(), Instant::now());
        let ask = || Told {
            scope: Scope::try_from("cgroup:/a".to_owned()).unwrap(),
            ..word(1, Level::Low, 8_000)
        };
        asks.hear(ask(), 10 * MIB, 0, now);
        asks.hear(word(2, Level::None, 8_000), 0, 0, now);
        assert_eq!(asks.owed(0, now), 10 * MIB, "the node is calm, and the cgroup is not");
        asks.hear(Told { level: Level::None, ..ask() }, 0, 0, now);
        assert_eq!(asks.owed(0, now), 0);
        asks.hear(ask(), 10 * MIB, 0, now);
        let another = Source::Agent { epoch: Epoch(2), seq: Seq(1) };
        asks.hear(Told { source: another, ..word(1, Level::Low, 8_000) }, 3 * MIB, 0, now);
        assert_eq!(asks.owed(0, now), 3 * MIB);
    }

    #[test]
    fn whoever_is_told_too_much_answers_the_oldest_as_it_stands() {
        let (mut asks, now) = (Asks::default(), Instant::now());
        for seq in 0..ASKS_MAX as u64 {
            assert!(asks.hear(word(seq, Level::Low, 8_000), MIB, 0, now).is_none());
        }
        let oldest = asks.hear(word(99, Level::Low, 8_000), MIB, MIB / 4, now).unwrap();
        assert_eq!((seq_of(&oldest), oldest.freed), (0, MIB / 4));
    }
}
