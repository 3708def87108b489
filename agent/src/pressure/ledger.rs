//! What was asked of whom, answered or not, and seen in the headroom or not yet. Pure.
//!
//! Two mistakes are kept out here. No double shrink: what is under way counts as given, from the
//! word that asks for it until it was answered, and what was answered until it shows in the
//! headroom. No late one: an ask that nobody answered by its deadline counts no more, and who let
//! it pass is asked last until it answers again.

use crate::clock::Stamp;
use crate::units::Bytes;
use plimsoll_pressure::server::SubscriberId;
use plimsoll_pressure::{Level, Scope};
use std::time::Duration;

/// Asks that are open at once: one for each subscriber.
pub const OPEN_MAX: usize = 1024;
/// An answer may be under way for this long after the deadline.
pub const GRACE: Duration = Duration::from_millis(500);
/// What was freed shows in the headroom within this, or it does not count any more. v2 brings its
/// statistics up to date every two seconds.
pub const SEEN_WITHIN: Duration = Duration::from_secs(3);
/// An answer that leaves out no more than this share of what was asked is a whole one.
const WHOLE: f64 = 0.95;

/// Something was asked of a subscriber.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    pub of: SubscriberId,
    pub scope: Scope,
    /// At which it was asked.
    pub level: Level,
    pub bytes: Bytes,
    /// What was left in the scope when it was asked.
    pub headroom: Bytes,
    pub at: Stamp,
    pub until: Stamp,
    /// The number of the word that said it; None where none was sent (dry run).
    pub seq: Option<u64>,
    /// As answered so far.
    pub freed: Option<Bytes>,
}

/// How an ask came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All of it was freed, or all that there was.
    Answered,
    /// It was answered, but by the deadline not in full.
    Partly,
    /// The deadline passed without a word.
    Late,
    /// The subscriber has left, or there is room again.
    Moot,
    /// Nothing was sent.
    DryRun,
}

#[derive(Debug, Default)]
pub struct Ledger {
    open: Vec<Ask>,
    /// Asks that found no place.
    pub dropped: u64,
}

impl Ledger {
    /// Opens an ask. One subscriber has one at a time: an older one ends.
    pub fn ask(&mut self, ask: Ask) -> bool {
        self.open.retain(|other| other.of != ask.of);
        let fits = self.open.len() < OPEN_MAX;
        if fits {
            self.open.push(ask);
        } else {
            self.dropped += 1;
        }
        fits
    }

    #[must_use]
    pub fn of(&self, id: SubscriberId) -> Option<&Ask> {
        self.open.iter().find(|ask| ask.of == id)
    }

    pub fn of_mut(&mut self, id: SubscriberId) -> Option<&mut Ask> {
        self.open.iter_mut().find(|ask| ask.of == id)
    }

    /// What is asked of a subscriber in a scope became more urgent, and it was told so: the ask is
    /// as it was, due at `until` if that is sooner.
    pub fn hurry(&mut self, id: SubscriberId, scope: &Scope, until: Stamp) {
        if let Some(ask) = self.of_mut(id).filter(|ask| ask.scope == *scope) {
            ask.until = ask.until.min(until);
        }
    }

    /// What is still under way from a subscriber: asked and not answered yet.
    #[must_use]
    pub fn under_way(&self, id: SubscriberId) -> Bytes {
        self.of(id).map_or(Bytes::ZERO, |ask| ask.bytes - ask.freed.unwrap_or_default())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Takes an answer: `freed` in all because of word `seq`, `can_free` still to be had. Returns
    /// what was freed since the answer before, and the ask if this was its end. An answer to a word
    /// that was not asked, or to one that is over, is None.
    pub fn answer(
        &mut self,
        id: SubscriberId,
        seq: u64,
        freed: Bytes,
        can_free: Bytes,
    ) -> Option<(Bytes, Option<(Ask, End)>)> {
        let at = self.open.iter().position(|ask| ask.of == id && ask.seq == Some(seq))?;
        let ask = &mut self.open[at];
        // A claim beyond what was asked would only keep others from being asked.
        let freed = freed.min(ask.bytes);
        let news = freed - ask.freed.unwrap_or_default();
        ask.freed = Some(freed.max(ask.freed.unwrap_or_default()));
        let whole = freed.as_f64() >= ask.bytes.as_f64() * WHOLE || can_free == Bytes::ZERO;
        let end = whole.then(|| (self.open.remove(at), End::Answered));
        Some((news, end))
    }

    /// Ends what is past its deadline.
    pub fn expire(&mut self, now: Stamp) -> Vec<(Ask, End)> {
        let end_of = |ask: &Ask| match (ask.seq, ask.freed) {
            (None, _) if now >= ask.until => Some(End::DryRun),
            (Some(_), Some(_)) if now >= ask.until => Some(End::Partly),
            (Some(_), None) if now >= ask.until.plus(GRACE) => Some(End::Late),
            _ => None,
        };
        self.end_where(end_of)
    }

    /// Ends what nobody waits for any more: of a subscriber that left, or in a scope that has room.
    pub fn moot(&mut self, over: impl Fn(&Ask) -> bool) -> Vec<(Ask, End)> {
        self.end_where(|ask| over(ask).then_some(End::Moot))
    }

    fn end_where(&mut self, end_of: impl Fn(&Ask) -> Option<End>) -> Vec<(Ask, End)> {
        let mut ended = Vec::new();
        self.open.retain(|ask| match end_of(ask) {
            Some(end) => {
                ended.push((ask.clone(), end));
                false
            }
            None => true,
        });
        ended
    }
}

/// What was freed in a scope and does not show in its headroom yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unseen {
    freed: Bytes,
    /// Headroom before it was freed.
    base: Bytes,
    base_at: Stamp,
    last_at: Stamp,
}

impl Unseen {
    /// A subscriber says that it has freed; `base` was left when it was asked to, at `asked_at`.
    pub fn add(&mut self, freed: Bytes, base: Bytes, asked_at: Stamp, now: Stamp) {
        if freed == Bytes::ZERO {
            return;
        }
        if self.freed == Bytes::ZERO {
            (self.base, self.base_at) = (base, asked_at);
        }
        self.freed += freed;
        self.last_at = now;
    }

    /// Sees the headroom of now, which shrank by `slope` bytes a second meanwhile. Returns what has
    /// shown, once all of it has or the rest is given up.
    pub fn see(&mut self, headroom: Bytes, slope: f64, now: Stamp) -> Option<Bytes> {
        if self.freed == Bytes::ZERO {
            return None;
        }
        let shown = self.shown(headroom, slope, now);
        let over = shown >= self.freed || now.since(self.last_at) >= SEEN_WITHIN;
        over.then(|| {
            self.freed = Bytes::ZERO;
            shown
        })
    }

    /// Freed and still to show.
    #[must_use]
    pub fn left(&self, headroom: Bytes, slope: f64, now: Stamp) -> Bytes {
        self.freed - self.shown(headroom, slope, now)
    }

    fn shown(&self, headroom: Bytes, slope: f64, now: Stamp) -> Bytes {
        let grown = slope.max(0.0) * now.since(self.base_at).as_secs_f64();
        let risen = headroom.as_f64() + grown - self.base.as_f64();
        Bytes(risen.max(0.0) as u64).min(self.freed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SubscriberId = SubscriberId(1);

    fn ask(seq: Option<u64>) -> Ask {
        Ask {
            of: ONE,
            scope: Scope::Node,
            level: Level::Medium,
            bytes: Bytes::mib(300),
            headroom: Bytes::mib(50),
            at: Stamp(0),
            until: Stamp(2_000),
            seq,
            freed: None,
        }
    }

    fn asked(seq: Option<u64>) -> Ledger {
        let mut ledger = Ledger::default();
        assert!(ledger.ask(ask(seq)));
        ledger
    }

    #[test]
    fn what_was_asked_is_under_way_until_it_is_answered() {
        let mut ledger = asked(Some(7));
        assert_eq!(ledger.under_way(ONE), Bytes::mib(300));
        let (news, end) = ledger.answer(ONE, 7, Bytes::mib(100), Bytes::mib(500)).unwrap();
        assert_eq!((news, end), (Bytes::mib(100), None));
        assert_eq!(ledger.under_way(ONE), Bytes::mib(200));
        let (news, end) = ledger.answer(ONE, 7, Bytes::mib(300), Bytes::mib(300)).unwrap();
        assert_eq!(news, Bytes::mib(200));
        assert_eq!(end.unwrap().1, End::Answered);
        assert_eq!(ledger.under_way(ONE), Bytes::ZERO);
    }

    #[test]
    fn who_has_nothing_left_has_answered_in_full() {
        let mut ledger = asked(Some(7));
        let (_, end) = ledger.answer(ONE, 7, Bytes::mib(10), Bytes::ZERO).unwrap();
        assert_eq!(end.unwrap().1, End::Answered);
    }

    #[test]
    fn an_answer_to_another_word_and_a_second_one_are_none() {
        let mut ledger = asked(Some(7));
        assert!(ledger.answer(ONE, 6, Bytes::mib(1), Bytes::mib(1)).is_none());
        assert!(ledger.answer(SubscriberId(2), 7, Bytes::mib(1), Bytes::mib(1)).is_none());
        ledger.answer(ONE, 7, Bytes(u64::MAX), Bytes::ZERO).unwrap();
        assert!(ledger.answer(ONE, 7, Bytes::mib(1), Bytes::mib(1)).is_none());
    }

    #[test]
    fn silence_past_the_deadline_is_late_and_half_an_answer_is_partly() {
        let ends = |ledger: &mut Ledger, ms| -> Vec<End> {
            ledger.expire(Stamp(ms)).iter().map(|(_, end)| *end).collect()
        };
        let mut silent = asked(Some(7));
        assert_eq!(ends(&mut silent, 2_499), []);
        assert_eq!(ends(&mut silent, 2_500), [End::Late]);
        let mut half = asked(Some(7));
        half.answer(ONE, 7, Bytes::mib(100), Bytes::mib(500)).unwrap();
        assert_eq!(ends(&mut half, 2_000), [End::Partly]);
        let mut dry = asked(None);
        assert_eq!(ends(&mut dry, 2_000), [End::DryRun]);
        assert!(dry.is_empty());
    }

    #[test]
    fn an_ask_that_became_more_urgent_is_the_same_and_due_sooner() {
        let mut ledger = asked(Some(7));
        ledger.hurry(ONE, &Scope::Node, Stamp(900));
        ledger.hurry(ONE, &Scope::Node, Stamp(5_000));
        ledger.hurry(ONE, &Scope::try_from("cgroup:/a".to_owned()).unwrap(), Stamp(100));
        assert_eq!(ledger.under_way(ONE), Bytes::mib(300));
        assert!(ledger.expire(Stamp(1_399)).is_empty());
        assert_eq!(ledger.expire(Stamp(1_400))[0].1, End::Late);
    }

    #[test]
    fn what_was_freed_counts_until_the_headroom_shows_it() {
        let mut unseen = Unseen::default();
        unseen.add(Bytes::mib(300), Bytes::mib(50), Stamp(0), Stamp(500));
        assert_eq!(unseen.left(Bytes::mib(50), 0.0, Stamp(500)), Bytes::mib(300));
        assert_eq!(unseen.left(Bytes::mib(250), 0.0, Stamp(600)), Bytes::mib(100));
        assert_eq!(unseen.see(Bytes::mib(250), 0.0, Stamp(600)), None);
        assert_eq!(unseen.see(Bytes::mib(350), 0.0, Stamp(700)), Some(Bytes::mib(300)));
        assert_eq!(unseen.left(Bytes::mib(350), 0.0, Stamp(700)), Bytes::ZERO);
    }

    #[test]
    fn growth_in_the_meantime_does_not_hide_what_was_freed() {
        let mut unseen = Unseen::default();
        unseen.add(Bytes::mib(300), Bytes::mib(50), Stamp(0), Stamp(500));
        let slope = Bytes::mib(100).as_f64();
        assert_eq!(unseen.left(Bytes::mib(250), slope, Stamp(1_000)), Bytes::ZERO);
    }

    #[test]
    fn what_never_shows_is_given_up() {
        let mut unseen = Unseen::default();
        unseen.add(Bytes::mib(300), Bytes::mib(50), Stamp(0), Stamp(500));
        assert_eq!(unseen.see(Bytes::mib(50), 0.0, Stamp(3_499)), None);
        assert_eq!(unseen.see(Bytes::mib(50), 0.0, Stamp(3_500)), Some(Bytes::ZERO));
        assert_eq!(unseen.left(Bytes::mib(50), 0.0, Stamp(3_500)), Bytes::ZERO);
    }
}
