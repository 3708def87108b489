//! A ladder from what history kept, for a target that begins to move: hours, then minutes, then
//! readings, each where nothing finer is known.

use super::demand::{demand, demand_of};
use super::ladder::Ladder;
use crate::clock::Stamp;
use crate::history::{Bucket, Tier, Window};

/// The past of `window` as a ladder; None of an empty window.
#[must_use]
pub fn refill(window: &Window<'_>) -> Option<Ladder> {
    let points = || window.points().filter(|point| point.split.used.0 > 0);
    let buckets = |tier| window.buckets(tier).filter(|b: &Bucket| b.median.used.0 > 0);
    let points_from = points().next().map(|point| point.at)?;
    let minutes_from = buckets(Tier::Minute).next().map_or(points_from, |b| b.at);
    let hours = buckets(Tier::Hour).take_while(|b| b.until <= minutes_from);
    let minutes = buckets(Tier::Minute).take_while(|b| b.until <= points_from);
    let first = window.first_at().unwrap_or(points_from);
    let mut ladder = Ladder::starting(first);
    for bucket in hours.chain(minutes) {
        // The end belongs to the next bucket.
        let until = Stamp(bucket.until.0 - 1).max(bucket.at);
        ladder.add_run(bucket.at, until, demand_of(&bucket).map(|bytes| bytes as f32));
    }
    for point in points() {
        let value = demand(&point.split).0 as f32;
        ladder.add_run(point.at, point.until, [value; 3]);
    }
    Some(ladder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{History, HistoryParams, Split};
    use crate::target::Target;
    use crate::units::Bytes;

    #[test]
    fn a_refilled_ladder_tells_the_same_of_the_past_as_one_that_was_kept_up() {
        let mut history = History::new(HistoryParams { ram_budget: Bytes::mib(1) });
        let begin = Stamp(7_200_000);
        let series = history.open(&Target::Node, begin);
        let mut kept = Ladder::starting(begin);
        for second in 0..4 * 3600_i64 {
            let used = Bytes::mib(100 + second.unsigned_abs() / 60);
            let at = Stamp(begin.0 + second * 1000);
            history.push(series, at, Split { used, anon: used, ..Split::default() });
            kept.add(at, used);
        }
        let refilled = refill(&history.window(series)).expect("not empty");
        assert_eq!((refilled.first(), refilled.last()), (kept.first(), kept.last()));
        for level in [3, 4, 5] {
            let (old, new) = (kept.level(level).cells(), refilled.level(level).cells());
            let compared = old.iter().rev().zip(new.iter().rev()).take(12);
            for (old, new) in compared {
                assert_eq!(old.index, new.index, "level {level}");
                let difference = (old.middle - new.middle).abs() / 1_048_576.0;
                assert!(difference <= 2.0, "level {level}: {old:?} {new:?}");
            }
        }
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        let mut history = History::new(HistoryParams { ram_budget: Bytes::mib(1) });
        let series = history.open(&Target::Node, Stamp(0));
        assert!(refill(&history.window(series)).is_none());
    }
}
