//! The history against a naive model that keeps everything, and its budget under random load.

use super::*;
use crate::clock::Stamp;
use crate::target::{ProcessId, Target};
use crate::units::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

pub(super) fn mib(n: u64) -> HistoryParams {
    HistoryParams { ram_budget: Bytes::mib(n) }
}

pub(super) fn process(pid: u32) -> Target {
    Target::Process(ProcessId { pid, start_time: 7 })
}

pub(super) fn split(pages: u64) -> Split {
    Split {
        used: Bytes(pages << 12),
        anon: Bytes((pages / 2) << 12),
        file: Bytes((pages / 3) << 12),
        shmem: Bytes(pages % 2 * 4096),
        swap: Bytes::ZERO,
    }
}

fn minutes(history: &History, id: SeriesId) -> Vec<Bucket> {
    history.window(id).buckets(Tier::Minute).collect()
}

fn hours(history: &History, id: SeriesId) -> Vec<Bucket> {
    history.window(id).buckets(Tier::Hour).collect()
}

/// Keeps every reading; knows nothing of blocks, folding in pieces, or budgets.
#[derive(Default)]
struct Naive {
    points: Vec<(Point, bool)>,
    usual: i64,
}

impl Naive {
    fn push(&mut self, at: i64, split: Split) {
        let Some((last, _)) = self.points.last_mut() else {
            self.points.push((Point { at: Stamp(at), until: Stamp(at), split }, false));
            return;
        };
        let gap = at - last.until.0;
        if gap < 0 {
            return;
        }
        let max = (3 * self.usual).max(120_000);
        let joined = gap <= max;
        self.usual = match self.usual {
            0 => gap.min(120_000),
            usual => (3 * usual + gap.min(max.max(4 * usual))) / 4,
        };
        if joined && last.split == split {
            last.until = Stamp(at);
        } else {
            self.points.push((Point { at: Stamp(at), until: Stamp(at), split }, joined));
        }
    }

    /// Stretches of constant value, gaps left out.
    fn stretches(&self) -> Vec<(i64, i64, Split)> {
        let mut stretches = Vec::new();
        for (i, (point, _)) in self.points.iter().enumerate() {
            let until = match self.points.get(i + 1) {
                Some((next, true)) => next.at.0,
                Some(_) => point.until.0.max(point.at.0 + 1),
                None => point.until.0,
            };
            stretches.push((point.at.0, until, point.split));
        }
        stretches
    }

    fn minutes(&self) -> Vec<Bucket> {
        let mut by_minute: BTreeMap<i64, Vec<(i64, i64, Split)>> = BTreeMap::new();
        for (mut at, until, split) in self.stretches() {
            while at < until {
                let cut = until.min((at.div_euclid(MINUTE) + 1) * MINUTE);
                by_minute.entry(at.div_euclid(MINUTE)).or_default().push((at, cut, split));
                at = cut;
            }
        }
        let last = self.points.last().map_or(0, |(point, _)| point.until.0.div_euclid(MINUTE));
        by_minute.retain(|minute, _| *minute < last);
        by_minute.values().map(|stretches| naive_bucket(stretches)).collect()
    }
}

fn naive_bucket(stretches: &[(i64, i64, Split)]) -> Bucket {
    let quantile = |part: fn(&Split) -> Bytes, tenths: i64| {
        let mut held: Vec<(Bytes, i64)> =
            stretches.iter().map(|(at, until, split)| (part(split), until - at)).collect();
        held.sort();
        let total: i64 = held.iter().map(|h| h.1).sum();
        let mut sum = 0;
        held.iter()
            .find(|h| {
                sum += h.1;
                sum * 10 >= total * tenths
            })
            .unwrap()
            .0
    };
    Bucket {
        at: Stamp(stretches[0].0),
        until: Stamp(stretches[stretches.len() - 1].1),
        used_p10: quantile(|s| s.used, 1),
        used_max: stretches.iter().map(|s| s.2.used).max().unwrap(),
        median: Split {
            used: quantile(|s| s.used, 5),
            anon: quantile(|s| s.anon, 5),
            file: quantile(|s| s.file, 5),
            shmem: quantile(|s| s.shmem, 5),
            swap: quantile(|s| s.swap, 5),
        },
    }
}

/// Readings as (milliseconds since the one before, pages): quick ones, slow ones and gaps.
fn readings() -> impl Strategy<Value = Vec<(i64, u64)>> {
    let quick = (1_000..5_000i64).boxed();
    let slow = (20_000..100_000i64).boxed();
    let gap = (130_000..9_000_000i64).boxed();
    let step = prop_oneof![20 => quick, 4 => slow, 1 => gap];
    let pages = prop_oneof![3 => Just(1000u64), 2 => 990..1010u64, 1 => 0..1_000_000u64];
    proptest::collection::vec((step, pages), 1..600)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn points_and_minutes_are_those_of_a_model_that_keeps_everything(
        start in -3 * HOUR..3 * HOUR, readings in readings()
    ) {
        let mut history = History::new(mib(1));
        let mut naive = Naive::default();
        let id = history.open(&Target::Node, Stamp(start));
        let mut at = start;
        for (step, pages) in readings {
            at += step;
            history.push(id, Stamp(at), split(pages));
            naive.push(at, split(pages));
        }
        let points: Vec<Point> = history.window(id).points().collect();
        let all: Vec<Point> = naive.points.iter().map(|p| p.0).collect();
        prop_assert!(points.len() >= all.len().min(180));
        prop_assert_eq!(&points[..], &all[all.len() - points.len()..]);
        prop_assert_eq!(history.window(id).last(), all.last().copied());
        let from = at.div_euclid(MINUTE) * MINUTE - 24 * HOUR;
        let expected: Vec<Bucket> =
            naive.minutes().into_iter().filter(|b| b.at.0 >= from).collect();
        let kept = minutes(&history, id);
        let wrong = kept.iter().zip(&expected).find(|(kept, expected)| kept != expected);
        prop_assert_eq!(wrong, None);
        prop_assert_eq!(kept.len(), expected.len());
    }

    #[test]
    fn shifting_time_by_hours_shifts_the_history_and_changes_nothing(
        hours_ahead in -100_000i64..100_000, readings in readings()
    ) {
        let shift = hours_ahead * HOUR;
        let (mut here, mut there) = (History::new(mib(1)), History::new(mib(1)));
        let (a, b) = (here.open(&Target::Node, Stamp(0)), there.open(&Target::Node, Stamp(0)));
        let mut at = 0;
        for (step, pages) in readings {
            at += step;
            here.push(a, Stamp(at), split(pages));
            there.push(b, Stamp(at + shift), split(pages));
        }
        for tier in [Tier::Minute, Tier::Hour] {
            let shifted: Vec<Bucket> = here.window(a).buckets(tier).map(|bucket| Bucket {
                at: Stamp(bucket.at.0 + shift),
                until: Stamp(bucket.until.0 + shift),
                ..bucket
            }).collect();
            prop_assert_eq!(shifted, there.window(b).buckets(tier).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_budget_holds_and_time_never_runs_backwards_whatever_is_pushed(
        kib in 0..400u64,
        ops in proptest::collection::vec((0..120u32, 0..8u8, 0..400_000i64, any::<u32>()), 1..3000)
    ) {
        let budget = Bytes::kib(kib);
        let mut history = History::new(HistoryParams { ram_budget: budget });
        let mut at = 0;
        for (pid, op, step, pages) in ops {
            at += step / 100;
            let id = history.open(&process(pid), Stamp(at));
            match op {
                0 => history.close(id, Stamp(at + step)),
                1 => history.push(id, Stamp(i64::from(pages) - step), split(1)),
                2 => { history.open(&Target::Cgroup(format!("/{pid}/{pages}").into()), Stamp(at)); }
                _ => history.push(id, Stamp(at), split(u64::from(pages))),
            }
            prop_assert!(history.stats().bytes <= budget);
        }
        for (id, _, _) in history.iter() {
            let window = history.window(id);
            let mut last = i64::MIN;
            for point in window.points() {
                prop_assert!(point.at.0 >= last && point.until >= point.at);
                last = point.until.0;
            }
            for tier in [Tier::Minute, Tier::Hour] {
                let mut last = i64::MIN;
                for bucket in window.buckets(tier) {
                    prop_assert!(bucket.at.0 >= last && bucket.until > bucket.at);
                    prop_assert!(bucket.used_p10 <= bucket.median.used);
                    prop_assert!(bucket.median.used <= bucket.used_max);
                    last = bucket.until.0;
                }
            }
        }
    }
}

#[test]
fn an_idle_target_has_a_bucket_for_every_minute_and_hour_and_holds_two_cells() {
    let mut history = History::new(mib(1));
    let id = history.open(&Target::Node, Stamp(0));
    for minute in 0..3 * 24 * 60 {
        history.push(id, Stamp(minute * MINUTE), split(300));
    }
    let minutes = minutes(&history, id);
    assert_eq!(minutes.len(), 24 * 60);
    assert!(minutes.iter().all(|b| b.until.0 - b.at.0 == MINUTE && b.used_p10 == b.used_max));
    assert_eq!(hours(&history, id).len(), 71);
    assert_eq!(history.window(id).points().count(), 1);
    assert_eq!(history.pool.free_cells(), 510);
}

#[test]
fn one_push_after_two_idle_weeks_closes_them_all() {
    let mut history = History::new(mib(1));
    let id = history.open(&Target::Node, Stamp(0));
    let mut series = history.window(id).points();
    assert_eq!(series.next(), None);
    drop(series);
    history.push(id, Stamp(90_000), split(300));
    history.push_changed(history.cell_of(id), 20 * 24 * HOUR + 30_000, split(400).units(), true);
    assert_eq!(hours(&history, id).len(), 14 * 24);
    assert_eq!(minutes(&history, id).len(), 24 * 60);
    assert!(hours(&history, id).iter().all(|b| b.median == split(300)));
}

#[test]
fn an_hour_of_sawtooth_has_the_floor_as_its_tenth_percentile() {
    let mut history = History::new(mib(1));
    let id = history.open(&Target::Node, Stamp(0));
    for second in 0..=2 * 3600i64 {
        let tooth = u64::try_from(second % 90).unwrap();
        history.push(id, Stamp(second * 1000), split(1000 + 10 * tooth));
    }
    let hours = hours(&history, id);
    assert_eq!(hours.len(), 2);
    for hour in hours {
        let p10 = hour.used_p10.0 >> 12;
        let median = hour.median.used.0 >> 12;
        assert!((1000..=1090).contains(&p10), "true 1090, is {p10}");
        assert!((1400..=1500).contains(&median), "true 1450, is {median}");
        assert_eq!(hour.used_max, Bytes(1890 << 12));
    }
}

#[test]
fn readings_twenty_milliseconds_apart_fold_into_whole_minutes() {
    let mut history = History::new(mib(1));
    let id = history.open(&Target::Node, Stamp(0));
    for i in 0..=6000i64 {
        history.push(id, Stamp(20 * i), split(u64::try_from(5000 + i % 3000).unwrap()));
    }
    let minutes = minutes(&history, id);
    assert_eq!(minutes.len(), 2);
    for (i, minute) in minutes.iter().enumerate() {
        let at = i64::try_from(i).unwrap() * MINUTE;
        assert_eq!((minute.at.0, minute.until.0), (at, at + MINUTE));
        assert_eq!(minute.used_max, Bytes(7999 << 12));
        let median = minute.median.used.0 >> 12;
        assert!(median.abs_diff(6500) < 60, "true 6500, is {median}");
    }
}

#[test]
fn a_gap_is_not_bridged_and_readings_five_minutes_apart_are() {
    let mut history = History::new(mib(1));
    let id = history.open(&Target::Node, Stamp(0));
    for second in 0..=30 {
        history.push(id, Stamp(second * 1000), split(100));
    }
    history.push(id, Stamp(10 * MINUTE + 5_000), split(100));
    history.push(id, Stamp(11 * MINUTE + 5_000), split(100));
    let spans: Vec<(i64, i64)> =
        minutes(&history, id).iter().map(|b| (b.at.0, b.until.0)).collect();
    assert_eq!(spans, [(0, 30_000), (10 * MINUTE + 5_000, 11 * MINUTE)]);
    assert_eq!(history.window(id).points().count(), 2);

    let slow = history.open(&process(1), Stamp(0));
    for i in 0..=20i64 {
        history.push(slow, Stamp(i * 5 * MINUTE), split(i.unsigned_abs()));
    }
    let last: Vec<Bucket> = minutes(&history, slow).split_off(60);
    assert_eq!(last.last().unwrap().until, Stamp(100 * MINUTE));
    assert!(last.windows(2).all(|pair| pair[0].until == pair[1].at));
}

#[test]
fn a_reading_from_the_past_and_one_for_a_closed_series_are_dropped_and_counted() {
    let mut history = History::new(mib(1));
    let id = history.open(&process(1), Stamp(0));
    history.push(id, Stamp(5000), split(5));
    history.push(id, Stamp(4999), split(6));
    history.close(id, Stamp(6000));
    history.push(id, Stamp(7000), split(7));
    history.push(SeriesId::NONE, Stamp(7000), split(7));
    assert_eq!(history.window(id).points().count(), 1);
    let stats = history.stats();
    assert_eq!((stats.backward_readings_total, stats.stray_readings_total), (1, 2));
    assert_eq!(history.iter().next().unwrap().2, Some(Stamp(6000)));
}

#[test]
fn a_closed_workload_that_comes_back_continues_its_series_with_a_gap() {
    let mut history = History::new(mib(1));
    let workload = Target::Workload("unit/a.service".into());
    let id = history.open(&workload, Stamp(0));
    history.push(id, Stamp(0), split(5));
    history.push(id, Stamp(1000), split(5));
    history.close(id, Stamp(2000));
    assert_eq!(history.find(&workload), Some(id));
    assert_eq!(history.open(&workload, Stamp(10_000)), id);
    history.push(id, Stamp(10_000), split(5));
    let points: Vec<Point> = history.window(id).points().collect();
    assert_eq!(points.len(), 2);
    assert_eq!((points[0].until, points[1].at), (Stamp(1000), Stamp(10_000)));
    assert_eq!(history.stats().closed, 0);
}

#[test]
fn closed_series_are_evicted_oldest_first_and_their_ids_name_nothing() {
    let mut history = History::new(HistoryParams { ram_budget: Bytes::kib(300) });
    let mut ids = Vec::new();
    for pid in 0..600 {
        let id = history.open(&process(pid), Stamp(i64::from(pid)));
        history.push(id, Stamp(i64::from(pid)), split(1));
        history.close(id, Stamp(i64::from(pid)));
        ids.push(id);
    }
    let stats = history.stats();
    assert!(stats.evicted_series_total > 0);
    let kept = 600 - usize::try_from(stats.evicted_series_total).unwrap();
    assert_eq!((stats.series, stats.refused_series_total), (kept, 0));
    for (pid, &id) in (0..).zip(&ids) {
        let evicted = (pid as usize) < 600 - kept;
        assert_eq!(history.find(&process(pid)).is_none(), evicted, "{pid}");
        assert_eq!(history.window(id).last().is_none(), evicted, "{pid}");
    }
}

#[test]
fn under_pressure_fine_points_go_before_minutes_and_minutes_before_hours() {
    let mut history = History::new(HistoryParams { ram_budget: Bytes::kib(200) });
    let ids: Vec<SeriesId> = (0..40).map(|pid| history.open(&process(pid), Stamp(0))).collect();
    let mut random = 1u64;
    for second in (0..26 * 3600i64).step_by(10) {
        for (i, &id) in (0..).zip(&ids) {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            history.push(id, Stamp(second * 1000 + i), split(1000 + (random >> 59)));
        }
    }
    assert!(history.stats().trimmed_points_total > 0);
    assert!(history.stats().bytes <= Bytes::kib(200));
    for &id in &ids {
        let hours = hours(&history, id);
        assert!(hours.len() >= 24, "{} hours", hours.len());
        assert!(minutes(&history, id).len() >= 30);
        assert!(history.window(id).points().count() >= 2);
        assert!(hours[1..].iter().all(|b| b.until.0 - b.at.0 == HOUR), "{hours:?}");
    }
}
