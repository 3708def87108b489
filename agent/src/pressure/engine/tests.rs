//! Readings and answers in, words and books out.

use super::*;
use plimsoll_pressure::server::Credentials;
use plimsoll_pressure::{CgroupPath, Label};
use proptest::prelude::*;

const PARAMS: Params = Params { shares: [0.10, 0.05, 0.025], deadline: Duration::from_secs(2) };
const LIMIT: Bytes = Bytes::mib(1000);

fn joined(engine: &mut Engine, id: u64, cgroup: &str, can_free_mib: u64) -> SubscriberId {
    let id = SubscriberId(id);
    let subscriber = Subscriber {
        id,
        name: Label::new(&format!("cache-{}", id.0)),
        credentials: Credentials { pid: Some(100), uid: 0, gid: 0 },
        cgroup: Some(CgroupPath::new(cgroup).unwrap()),
        can_free_bytes: wire::Bytes::mib(can_free_mib),
        used_bytes: None,
        level: Level::None,
    };
    engine.join(&subscriber, Stamp(0));
    id
}

fn engine() -> Engine {
    Engine::new(PARAMS, false)
}

fn scope(path: &str) -> Scope {
    Scope::cgroup(path).unwrap()
}

/// A pod's limit of 1000 MiB with so much left; the words are numbered as the server would.
fn read(engine: &mut Engine, path: &str, left_mib: u64, ms: i64) -> Vec<(u64, Level, u64, u64)> {
    let reading = Reading { limit: LIMIT, headroom: Bytes::mib(left_mib), ..Reading::default() };
    let says = engine.observe(&scope(path), reading, Stamp(ms));
    says.iter()
        .map(|say| {
            let seq = u64::try_from(ms).unwrap() * 10 + say.to.0;
            engine.said(say, Some(Seq(seq)), Stamp(ms));
            (say.to.0, say.word.level, say.word.reclaim_bytes.0 >> 20, seq)
        })
        .collect()
}

fn answer(freed_mib: u64, can_free_mib: u64) -> Answer {
    Answer {
        freed_bytes: wire::Bytes::mib(freed_mib),
        used_bytes: wire::Bytes::mib(100),
        can_free_bytes: wire::Bytes::mib(can_free_mib),
    }
}

#[test]
fn nothing_is_said_while_there_is_room_and_nothing_kept_of_scopes_without_subscribers() {
    let mut engine = engine();
    assert_eq!(read(&mut engine, "/pod", 10, 0), []);
    joined(&mut engine, 1, "/pod/cache", 500);
    assert_eq!(read(&mut engine, "/other", 10, 0), []);
    assert_eq!(read(&mut engine, "/pod", 900, 0), []);
    assert_eq!(engine.scopes.len(), 1);
}

#[test]
fn what_a_subscriber_takes_is_no_shortage_and_its_forecast_neither() {
    let fills = |is_subscribers: bool| {
        let mut engine = engine();
        joined(&mut engine, 1, "/pod/cache", 500);
        let mut said = Vec::new();
        for n in 0..30_u64 {
            let reading = Reading {
                limit: LIMIT,
                headroom: Bytes::mib(900 - 15 * n),
                held: if is_subscribers { Bytes::mib(15 * n) } else { Bytes::ZERO },
                eta: Some(Eta { p10: 4.0, p50: 5.0, p90: 6.0 }).filter(|_| n > 10),
                ..Reading::default()
            };
            let now = Stamp(100 * i64::try_from(n).unwrap());
            said.extend(engine.observe(&scope("/pod"), reading, now));
        }
        said.iter().map(|say| say.word.level).max()
    };
    assert_eq!(fills(true), None, "150 MiB/s, and 465 MiB are left");
    assert_eq!(fills(false), Some(Level::Critical));
}

#[test]
fn an_ask_is_not_repeated_while_it_is_open_nor_before_what_was_freed_shows() {
    let mut engine = engine();
    let id = joined(&mut engine, 1, "/pod/cache", 500);
    let said = read(&mut engine, "/pod", 25, 0);
    let &[(1, Level::Critical, 100, seq)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(read(&mut engine, "/pod", 25, 100), [], "it is under way");
    engine.answer(id, Seq(seq), &answer(100, 400), Stamp(150));
    assert_eq!(read(&mut engine, "/pod", 25, 200), [], "it has not shown yet");
    assert_eq!(read(&mut engine, "/pod", 125, 300), [], "it shows; the level holds");
    assert_eq!(engine.totals.freed_bytes >> 20, 100);
    assert_eq!(engine.totals.seen_bytes >> 20, 100);
    assert_eq!(engine.totals.asks, 1);
}

#[test]
fn what_was_freed_and_never_shows_is_asked_for_again_in_the_end() {
    let mut engine = engine();
    let id = joined(&mut engine, 1, "/pod/cache", 500);
    let seq = read(&mut engine, "/pod", 25, 0)[0].3;
    engine.answer(id, Seq(seq), &answer(100, 400), Stamp(100));
    assert_eq!(read(&mut engine, "/pod", 25, 3_000), []);
    let again = read(&mut engine, "/pod", 25, 3_200);
    assert_eq!((again[0].1, again[0].2), (Level::Critical, 100));
}

#[test]
fn who_lets_the_deadline_pass_loses_its_part_to_the_others_until_it_answers() {
    let mut engine = engine();
    let silent = joined(&mut engine, 1, "/pod/a", 500);
    let prompt = joined(&mut engine, 2, "/pod/b", 500);
    let said = read(&mut engine, "/pod", 25, 0);
    assert_eq!(said.iter().map(|say| say.2).collect::<Vec<_>>(), [50, 50]);
    engine.answer(prompt, Seq(said[1].3), &answer(50, 450), Stamp(500));
    read(&mut engine, "/pod", 75, 600);
    assert!(engine.tick(Stamp(2_400)).is_empty());
    assert_eq!(engine.totals.late, 0);
    engine.tick(Stamp(2_500));
    assert_eq!(engine.totals.late, 1);
    assert!(engine.members[&silent].late && !engine.members[&prompt].late);
    let said = read(&mut engine, "/pod", 25, 2_600);
    let asked: Vec<_> = said.iter().filter(|say| say.2 > 0).map(|say| say.0).collect();
    assert_eq!(asked, [2], "{said:?}");
    engine.answer(silent, Seq(0), &answer(0, 500), Stamp(2_700));
    assert!(!engine.members[&silent].late);
}

#[test]
fn a_rising_level_is_told_to_all_at_once_and_asks_for_nothing_that_was_asked_for() {
    let mut engine = engine();
    joined(&mut engine, 1, "/pod/a", 5);
    joined(&mut engine, 2, "/pod/b", 0);
    let said = read(&mut engine, "/pod", 50, 0);
    assert_eq!(
        said.iter().map(|say| (say.1, say.2)).collect::<Vec<_>>(),
        [(Level::Medium, 5), (Level::Medium, 0)]
    );
    let said = read(&mut engine, "/pod", 52, 9_000);
    assert_eq!(said, [], "no news");
    let rising = Reading {
        psi_full: Some(30.0),
        limit: LIMIT,
        headroom: Bytes::mib(52),
        ..Reading::default()
    };
    let says = engine.observe(&scope("/pod"), rising, Stamp(9_100));
    let says: Vec<_> =
        says.iter().map(|say| (say.word.level, say.word.reclaim_bytes.0 >> 20)).collect();
    assert_eq!(says, [(Level::Critical, 0), (Level::Critical, 0)]);
}

#[test]
fn what_was_given_before_the_level_rose_and_is_not_answered_yet_is_not_asked_for_twice() {
    let mut engine = engine();
    let id = joined(&mut engine, 1, "/pod/a", 500);
    let said = read(&mut engine, "/pod", 50, 0);
    let (level, asked, seq) = (said[0].1, said[0].2, said[0].3);
    assert_eq!((level, asked), (Level::Medium, 37));
    // It gives all of it; before its answer is here another takes more, and the level rises.
    let said = read(&mut engine, "/pod", 25, 100);
    assert_eq!((said[0].1, said[0].2), (Level::Critical, 0));
    engine.answer(id, Seq(seq), &answer(38, 462), Stamp(200));
    assert_eq!(engine.totals.freed_bytes >> 20, 37);
    // What critical wants beyond it is asked for now, and in all no more than is needed.
    let said = read(&mut engine, "/pod", 62, 300);
    assert_eq!(said[0].1, Level::Critical);
    let beyond = (engine.totals.asked_bytes >> 20) - 37;
    assert!((said[0].2..=said[0].2 + 1).contains(&beyond), "whole MiB: {beyond}, {said:?}");
    assert!((1..=63).contains(&said[0].2), "{said:?}");
}

#[test]
fn an_ask_that_became_critical_and_is_not_answered_in_time_is_late_by_the_sooner_deadline() {
    let mut engine = engine();
    let id = joined(&mut engine, 1, "/pod/a", 500);
    read(&mut engine, "/pod", 50, 0);
    let stalled = Reading {
        psi_full: Some(30.0),
        limit: LIMIT,
        headroom: Bytes::mib(50),
        ..Reading::default()
    };
    assert_eq!(engine.observe(&scope("/pod"), stalled, Stamp(1_000)).len(), 1);
    engine.tick(Stamp(3_499));
    assert_eq!(engine.totals.late, 0);
    engine.tick(Stamp(3_500));
    assert!(engine.members[&id].late);
}

#[test]
fn when_there_is_room_again_the_ask_is_moot_and_everybody_hears_it() {
    let mut engine = engine();
    joined(&mut engine, 1, "/pod/a", 500);
    read(&mut engine, "/pod", 25, 0);
    let said = read(&mut engine, "/pod", 800, 3_000);
    assert_eq!((said[0].1, said[0].2), (Level::None, 0));
    assert!(!engine.is_waiting());
    assert_eq!(engine.records().nth(1).unwrap().end, Some(End::Moot));
}

#[test]
fn a_claim_counts_only_as_far_as_the_process_holds_memory() {
    let mut engine = engine();
    let boaster = joined(&mut engine, 1, "/pod/a", 1 << 40);
    joined(&mut engine, 2, "/pod/b", 300);
    engine.holds(boaster, Some(Bytes::mib(100)));
    let said = read(&mut engine, "/pod", 25, 0);
    assert_eq!(said.iter().map(|say| say.2).collect::<Vec<_>>(), [25, 75]);
}

#[test]
fn a_dry_run_keeps_its_books_and_says_nothing() {
    let mut engine = Engine::new(PARAMS, true);
    joined(&mut engine, 1, "/pod/a", 500);
    assert_eq!(read(&mut engine, "/pod", 25, 0), []);
    assert_eq!(engine.totals.asked_bytes >> 20, 100);
    assert_eq!(read(&mut engine, "/pod", 25, 100), []);
    engine.tick(Stamp(2_000));
    assert_eq!(engine.records().next().unwrap().end, Some(End::DryRun));
    assert_eq!(engine.totals.late, 0);
    assert!(matches!(engine.take_news()[..], [News::Level(..), News::Asked(_), News::Ended(..)]));
}

#[test]
fn the_node_is_everybodys_scope_and_a_cgroup_that_of_those_inside() {
    let mut engine = engine();
    joined(&mut engine, 1, "/pod/a", 100);
    joined(&mut engine, 2, "/else", 100);
    assert_eq!(read(&mut engine, "/pod", 25, 0).len(), 1);
    let reading = Reading { limit: LIMIT, headroom: Bytes::mib(25), ..Reading::default() };
    let says = engine.observe(&Scope::Node, reading, Stamp(10));
    let asked: Vec<u64> = says.iter().map(|say| say.word.reclaim_bytes.0 >> 20).collect();
    // The first has its ask from the pod, and what that frees counts for the node too.
    assert_eq!(asked, [0, 0]);
    assert_eq!(says.len(), 2);
}

#[test]
fn a_scope_that_nobody_reads_any_more_is_calm() {
    let mut engine = engine();
    joined(&mut engine, 1, "/pod/a", 100);
    read(&mut engine, "/pod", 25, 0);
    assert!(engine.tick(Stamp(29_000)).is_empty());
    let said = engine.tick(Stamp(30_000));
    assert_eq!(said[0].word.level, Level::None);
}

proptest! {
    /// Whatever is read and answered: never more under way than can be freed, nothing at none.
    #[test]
    fn never_more_is_asked_than_can_be_freed(
        steps in prop::collection::vec((0..1000_u64, 0..5_000_i64, 0..4_u8, 0..300_u64), 1..60)
    ) {
        let mut engine = engine();
        let can_free = [200, 50, 0];
        let ids: Vec<SubscriberId> =
            (0..3).map(|i| joined(&mut engine, i, "/pod/x", can_free[i as usize])).collect();
        let mut now = 0;
        let mut seqs = [0; 3];
        for (left, passed, who, freed) in steps {
            now += passed;
            engine.tick(Stamp(now));
            for (to, level, asked, seq) in read(&mut engine, "/pod", left, now) {
                prop_assert!(asked <= can_free[usize::try_from(to).unwrap()]);
                prop_assert!(level > Level::None || asked == 0);
                seqs[usize::try_from(to).unwrap()] = seq;
            }
            let under_way: u64 = ids.iter().map(|id| engine.ledger.under_way(*id).0 >> 20).sum();
            prop_assert!(under_way <= 250);
            if let Some(id) = ids.get(usize::from(who)) {
                let can = can_free[usize::from(who)];
                engine.answer(*id, Seq(seqs[usize::from(who)]), &answer(freed, can), Stamp(now));
            }
        }
    }
}
