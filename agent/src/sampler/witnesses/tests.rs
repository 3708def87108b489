//! Every kill once, whoever tells of it and in whatever order.

use super::*;
use crate::sources::oom::{OomParser, kmsg};
use crate::units::{Bytes, Limit};

const MEMCG: &str = include_str!("../../../fixtures/oom/memcg-v2-6.12.kmsg");

fn at(ms: i64) -> Stamp {
    Stamp(100_000 + ms)
}

fn line() -> OomKill {
    let mut parser = OomParser::default();
    let records = MEMCG.lines().filter_map(|line| kmsg::parse(line.as_bytes()).ok());
    let mut kills = records.filter_map(|record| parser.push(&record.text, record.at));
    kills.next().unwrap()
}

fn mark(pid: u32) -> Marked {
    Marked {
        pid,
        tgid: Some(pid),
        comm: Some("marked".into()),
        killer_pid: 7,
        killer_comm: "asker".into(),
        memcg: Some("/a/b".into()),
        memcg_id: Some(70),
        oom_memcg: Some("/a".into()),
        limit: Some(Limit::At(Bytes::mib(32))),
        usage: Some(Bytes::mib(32)),
        saw_limits: true,
        start_time: Some(55),
        anon: Some(Bytes::mib(1)),
        ..Marked::default()
    }
}

fn listening(has_log: bool) -> Witnesses {
    Witnesses::new(Some("tp_btf"), has_log)
}

#[test]
fn mark_and_log_line_of_one_kill_are_one_kill_with_what_both_know() {
    let mut witnesses = listening(true);
    let line = line();
    witnesses.counted(Some(4), Some(5), at(0));
    witnesses.marked(mark(line.victim_pid), at(0));
    assert!(witnesses.wants_log());
    let kill = witnesses.logged(line.clone(), "kmsg", at(0)).unwrap();
    assert_eq!(kill.heard_by, ["kmsg", "tp_btf"]);
    assert_eq!((kill.start_time, kill.memcg_id), (Some(55), Some(70)));
    assert_eq!((kill.limit, kill.anon_rss), (line.limit, line.anon_rss), "the log is exact");
    assert_eq!(kill.killer_pid, line.killer_pid.or(Some(7)));
    assert_eq!(witnesses.ripe(at(60_000)), []);
    assert_eq!(witnesses.unexplained(at(60_000)), 0);
}

#[test]
fn a_report_that_the_kernel_cut_short_gets_cgroup_and_limit_from_the_mark() {
    let mut witnesses = listening(true);
    let whole = line();
    let short = OomKill {
        memcg: None,
        oom_memcg: None,
        usage: None,
        limit: None,
        killer_comm: None,
        ..whole.clone()
    };
    witnesses.marked(mark(whole.victim_pid), at(0));
    let kill = witnesses.logged(short, "kmsg", at(0)).unwrap();
    assert_eq!((kill.memcg.as_deref(), kill.oom_memcg.as_deref()), (Some("/a/b"), Some("/a")));
    assert_eq!(kill.limit, Some(Limit::At(Bytes::mib(32))));
    assert_eq!(kill.killer_comm.as_deref(), Some("asker"));
}

#[test]
fn a_mark_waits_for_its_line_and_is_then_told_alone_if_the_counter_bears_it_out() {
    let mut witnesses = listening(true);
    witnesses.counted(Some(4), Some(5), at(0));
    witnesses.marked(mark(42), at(0));
    assert_eq!(witnesses.ripe(at(1_000)), []);
    let kills = witnesses.ripe(at(2_000));
    assert_eq!(kills.len(), 1);
    assert_eq!((kills[0].victim_pid, kills[0].victim_comm.as_str()), (42, "marked"));
    assert_eq!((kills[0].constraint, kills[0].global), (Constraint::Memcg, false));
    assert_eq!(kills[0].heard_by, ["tp_btf"]);
    let late = OomKill { victim_pid: 42, ..line() };
    assert_eq!(witnesses.logged(late.clone(), "syslog", at(9_000)), None, "it was told");
    assert!(witnesses.logged(late, "syslog", at(9_000)).is_some(), "and this is another");
}

#[test]
fn a_process_that_was_ending_by_itself_is_marked_and_not_killed() {
    for has_log in [true, false] {
        let mut witnesses = listening(has_log);
        witnesses.counted(Some(4), Some(4), at(0));
        witnesses.marked(mark(42), at(0));
        for ms in (0..10_000).step_by(500) {
            assert_eq!(witnesses.ripe(at(ms)), []);
        }
        assert_eq!((witnesses.not_killed, witnesses.wants_log()), (1, false));
    }
}

#[test]
fn without_a_log_a_kill_is_told_as_soon_as_the_counter_has_it() {
    let mut witnesses = listening(false);
    witnesses.counted(Some(0), Some(0), at(0));
    witnesses.marked(Marked { oom_memcg: None, limit: None, usage: None, ..mark(42) }, at(0));
    assert_eq!(witnesses.ripe(at(0)), [], "the counter was read before it");
    witnesses.counted(Some(0), Some(1), at(1_000));
    let kills = witnesses.ripe(at(1_000));
    assert_eq!(kills.iter().map(|kill| kill.global).collect::<Vec<_>>(), [true]);
    assert_eq!(witnesses.unexplained(at(60_000)), 0);
}

#[test]
fn a_kernel_that_counts_no_kills_is_believed_its_marks() {
    let mut witnesses = listening(false);
    witnesses.counted(None, None, at(0));
    witnesses.marked(mark(42), at(0));
    assert_eq!(witnesses.ripe(at(0)).len(), 1);
}

#[test]
fn kills_of_which_nothing_but_the_counter_tells_are_left_over_once() {
    let mut witnesses = listening(false);
    witnesses.counted(Some(0), Some(3), at(0));
    witnesses.marked(mark(42), at(0));
    assert_eq!(witnesses.ripe(at(0)).len(), 1);
    assert_eq!(witnesses.unexplained(at(1_000)), 0, "a mark may still come");
    assert_eq!(witnesses.unexplained(at(2_000)), 2);
    assert_eq!(witnesses.unexplained(at(9_000)), 0);
    let mut logged = listening(true);
    logged.counted(Some(0), Some(3), at(0));
    assert_eq!(logged.unexplained(at(9_000)), 0, "the log counts what it lost");
}

#[test]
fn where_only_the_counter_tells_the_victim_is_given_time_to_end() {
    let mut witnesses = Witnesses::new(None, false);
    witnesses.counted(Some(7), Some(8), at(0));
    assert_eq!(witnesses.unexplained(at(100)), 0);
    assert_eq!(witnesses.unexplained(at(1_000)), 1);
    assert_eq!(witnesses.unexplained(at(2_000)), 0);
}

#[test]
fn a_log_line_that_comes_before_the_counter_is_read_is_not_missed_later() {
    let mut witnesses = listening(true);
    assert!(witnesses.logged(line(), "kmsg", at(0)).is_some());
    witnesses.counted(Some(4), Some(5), at(500));
    witnesses.marked(mark(77), at(600));
    assert_eq!(witnesses.ripe(at(3_000)), [], "that one kill is accounted for");
}

#[test]
fn what_was_in_the_log_before_the_start_is_passed_on_and_never_joined() {
    let mut witnesses = listening(true);
    let old = OomKill { before_start: true, ..line() };
    witnesses.marked(mark(old.victim_pid), at(0));
    let kill = witnesses.logged(old, "kmsg", at(0)).unwrap();
    assert_eq!((kill.memcg_id, kill.heard_by), (None, vec!["kmsg"]));
    assert!(witnesses.wants_log());
}

#[test]
fn more_marks_than_there_is_room_for_are_counted() {
    let mut witnesses = listening(true);
    for pid in 0..2_000 {
        witnesses.marked(mark(pid), at(0));
    }
    assert_eq!((witnesses.held.len(), witnesses.dropped), (HELD_MAX, 976));
}
