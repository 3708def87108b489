//! Captured kernel logs, and logs that feign a kill.

use super::*;
use crate::sources::oom::{kmsg, syslog};
use crate::units::Pages;
use proptest::prelude::*;

const MEMCG_V2_6_1: &str = include_str!("../../../../fixtures/oom/memcg-v2-6.1.kmsg");
const MEMCG_V2_6_12: &str = include_str!("../../../../fixtures/oom/memcg-v2-6.12.kmsg");
const GLOBAL_6_1: &str = include_str!("../../../../fixtures/oom/global-6.1.kmsg");
const GLOBAL_6_12: &str = include_str!("../../../../fixtures/oom/global-6.12.kmsg");
const GROUP_6_1: &str = include_str!("../../../../fixtures/oom/group-6.1.kmsg");
const GROUP_6_12: &str = include_str!("../../../../fixtures/oom/group-6.12.kmsg");
const MEMCG_V1_4_19: &str = include_str!("../../../../fixtures/oom/memcg-v1-4.19.kmsg");
const MEMCG_V1_6_18: &str = include_str!("../../../../fixtures/oom/memcg-v1-6.18.syslog");

fn messages(records: &str) -> Vec<(String, Stamp)> {
    let record = |line: &str| kmsg::parse(line.as_bytes()).unwrap();
    records.lines().map(record).map(|record| (record.text, record.at)).collect()
}

fn kills(messages: &[(String, Stamp)]) -> Vec<OomKill> {
    let mut parser = OomParser::default();
    messages.iter().filter_map(|(text, at)| parser.push(text, *at)).collect()
}

fn only(records: &str) -> OomKill {
    let mut kills = kills(&messages(records));
    assert_eq!(kills.len(), 1);
    kills.remove(0)
}

#[test]
fn a_captured_kill_of_6_18_is_read_whole() {
    let lines = MEMCG_V1_6_18.lines().map(|line| syslog::parse(line.as_bytes()).unwrap());
    let messages: Vec<_> = lines.map(|line| (line.text, line.at.unwrap())).collect();
    let mut kill = kills(&messages).remove(0);
    let tasks = std::mem::take(&mut kill.tasks);
    let expected = OomKill {
        at: Stamp(1_402_009),
        before_start: false,
        victim_pid: 15_777,
        victim_comm: "tail".into(),
        victim_uid: Some(0),
        killer_pid: Some(15_777),
        killer_comm: Some("tail".into()),
        constraint: Constraint::Memcg,
        global: false,
        group: false,
        memcg: Some("/plimsoll-test".into()),
        oom_memcg: Some("/plimsoll-test".into()),
        usage: Some(Bytes::kib(16_184)),
        limit: Some(Limit::At(Bytes::mib(16))),
        total_vm: Some(Bytes::kib(18_540)),
        anon_rss: Some(Bytes::kib(15_616)),
        file_rss: Some(Bytes::kib(1_676)),
        shmem_rss: Some(Bytes::ZERO),
        pgtables: Some(Bytes::kib(80)),
        oom_score_adj: Some(0),
        tasks: Vec::new(),
        tasks_left_out: 0,
        start_time: None,
        memcg_id: None,
        heard_by: Vec::new(),
    };
    assert_eq!(kill, expected);
    assert_eq!(tasks.len(), 3);
    assert_eq!((tasks[2].name.as_str(), tasks[2].rss_anon), ("tail", Some(Pages(3904))));
}

#[test]
fn a_pods_limit_that_a_container_hits_names_both_cgroups() {
    let pod = "/kubepods.slice/kubepods-burstable.slice/\
               kubepods-burstable-pod2f1c3a54_9d0b_4c57_8a3e_6f0f4a8a1b22.slice";
    for (records, victim, killer) in
        [(MEMCG_V2_6_1, 113, (121, "tail")), (MEMCG_V2_6_12, 165, (172, "tail"))]
    {
        let kill = only(records);
        assert_eq!((kill.victim_pid, kill.victim_comm.as_str()), (victim, "x (y), pid=1 :)"));
        assert_eq!(
            (kill.killer_pid, kill.killer_comm.as_deref()),
            (Some(killer.0), Some(killer.1))
        );
        assert_eq!((kill.constraint, kill.victim_uid), (Constraint::Memcg, Some(1000)));
        assert_eq!(kill.oom_memcg.as_deref(), Some(pod));
        let container = kill.memcg.unwrap();
        assert_eq!(container.strip_prefix(pod).map(|rest| &rest[..16]), Some("/cri-containerd-"));
        assert_eq!(kill.limit, Some(Limit::At(Bytes::mib(32))));
    }
}

#[test]
fn the_columns_of_6_1_lack_the_parts_of_rss_and_those_of_6_12_have_them() {
    let largest = |records| {
        let tasks = only(records).tasks;
        assert_eq!(tasks.len(), 8);
        tasks.into_iter().max_by_key(|task| task.rss).unwrap()
    };
    let (v6_1, v6_12) = (largest(MEMCG_V2_6_1), largest(MEMCG_V2_6_12));
    assert_eq!((v6_1.name.as_str(), v6_1.uid), ("x (y), pid=1 :)", Some(1000)));
    assert_eq!((v6_1.rss, v6_1.rss_anon), (Some(Pages(5515)), None));
    assert_eq!((v6_1.pgtables, v6_1.swapents), (Some(Bytes(86_016)), Some(Pages(999))));
    assert_eq!((v6_12.name.as_str(), v6_12.oom_score_adj), ("x (y), pid=1 :)", Some(0)));
    assert_eq!((v6_12.rss, v6_12.rss_anon), (Some(Pages(5547)), Some(Pages(5216))));
    assert_eq!((v6_12.pgtables, v6_12.swapents), (Some(Bytes(94_208)), Some(Pages(992))));
}

#[test]
fn a_node_out_of_memory_is_global_and_a_uid_above_2_31_is_itself() {
    for (records, victim, killer) in
        [(GLOBAL_6_1, 282, (282, "postgres")), (GLOBAL_6_12, 338, (338, "postgres"))]
    {
        let kill = only(records);
        assert_eq!((kill.constraint, kill.global), (Constraint::None, true));
        assert_eq!((kill.victim_pid, kill.victim_comm.as_str()), (victim, "postgres"));
        assert_eq!(
            (kill.killer_pid, kill.killer_comm.as_deref()),
            (Some(killer.0), Some(killer.1))
        );
        assert_eq!(kill.victim_uid, Some(4_294_967_294));
        assert_eq!(kill.memcg.as_deref(), Some("/system.slice/postgresql@15,main.service"));
        assert_eq!((kill.oom_memcg, kill.limit), (None, None));
        let row = kill.tasks.iter().find(|task| task.pid == victim).unwrap();
        assert_eq!(row.uid, Some(4_294_967_294));
    }
}

#[test]
fn a_group_is_killed_whole_and_its_first_victim_counts_once() {
    for (records, expected) in [
        (GROUP_6_1, [225, 214, 212, 216, 217, 220, 224, 226]),
        (GROUP_6_12, [279, 265, 267, 269, 271, 273, 277, 278]),
    ] {
        let kills = kills(&messages(records));
        let (first, rest) = kills.split_first().unwrap();
        assert_eq!((first.memcg.as_deref(), first.group), (Some("/job/a"), false));
        for kill in rest {
            assert_eq!((kill.memcg.as_deref(), kill.group), (Some("/job"), true));
        }
        let who: Vec<_> = kills.iter().map(|kill| kill.victim_pid).collect();
        assert_eq!(who, expected);
        for kill in &kills {
            let scope = (kill.oom_memcg.as_deref(), kill.constraint);
            assert_eq!(scope, (Some("/job"), Constraint::Memcg));
            assert_eq!(kill.limit, Some(Limit::At(Bytes::mib(24))));
        }
        assert_eq!((first.tasks.len(), rest[0].tasks.len()), (8, 0));
    }
}

#[test]
fn an_old_kernel_tells_the_cgroups_in_other_words() {
    let kill = only(MEMCG_V1_4_19);
    assert_eq!((kill.victim_pid, kill.killer_pid), (3290, Some(3301)));
    assert_eq!((kill.constraint, kill.global), (Constraint::Memcg, false));
    assert_eq!(kill.memcg.as_deref(), Some("/kubepods/burstable/pod7/9c1d"));
    assert_eq!(kill.oom_memcg.as_deref(), Some("/kubepods/burstable/pod7"));
    assert_eq!((kill.victim_uid, kill.oom_score_adj), (None, None));
}

#[test]
fn a_kill_whose_report_was_rate_limited_takes_no_others_facts() {
    let mut messages = messages(GROUP_6_12);
    let later = messages.last().unwrap().1.plus(Duration::from_secs(2));
    let line = "Memory cgroup out of memory: Killed process 77 (b) total-vm:8kB, anon-rss:4kB, \
                file-rss:0kB, shmem-rss:0kB, UID:5 pgtables:4kB oom_score_adj:0";
    messages.push((line.into(), later));
    let kill = kills(&messages).pop().unwrap();
    assert_eq!((kill.victim_pid, kill.victim_uid, kill.group), (77, Some(5), false));
    assert_eq!((kill.memcg, kill.oom_memcg, kill.limit), (None, None, None));
    assert_eq!((kill.constraint, kill.killer_comm), (Constraint::Memcg, None));
}

#[test]
fn kills_that_come_in_another_order_than_their_summaries_keep_their_own_facts() {
    let summary = |pid| {
        format!(
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,\
             oom_memcg=/m{pid},task_memcg=/m{pid},task=x,pid={pid},uid=0"
        )
    };
    let killed =
        |pid| format!("Memory cgroup out of memory: Killed process {pid} (x) total-vm:1kB");
    let lines = [summary(1), summary(2), killed(2), killed(1)];
    let kills = kills(&lines.map(|line| (line, Stamp(5))));
    let who: Vec<_> = kills.iter().map(|k| (k.victim_pid, k.memcg.as_deref())).collect();
    assert_eq!(who, [(2, Some("/m2")), (1, Some("/m1"))]);
}

/// `__oom_kill_process` names a live thread if the chosen process's leader has exited.
#[test]
fn a_thread_killed_for_its_process_takes_the_report_only_if_it_follows_closely() {
    let memcg_after = |delay| {
        let mut messages = messages(GROUP_6_12);
        messages.truncate(messages.iter().position(|(m, _)| m.contains("Killed")).unwrap());
        let at = messages.last().unwrap().1.plus(delay);
        let line = "Memory cgroup out of memory: Killed process 9190 (io) total-vm:1kB";
        messages.push((line.into(), at));
        kills(&messages).remove(0).oom_memcg
    };
    assert_eq!(memcg_after(Duration::from_millis(5)).as_deref(), Some("/job"));
    assert_eq!(memcg_after(Duration::from_secs(5)), None);
}

#[test]
fn a_task_dump_without_the_victim_is_anothers() {
    let mut messages = messages(MEMCG_V1_4_19);
    let (last, _) = messages.last_mut().unwrap();
    *last = last.replace("3290", "3999");
    let kill = kills(&messages).remove(0);
    assert_eq!((kill.victim_pid, kill.memcg, kill.killer_pid), (3999, None, None));
}

#[test]
fn a_summary_printed_in_pieces_is_put_together() {
    let pieces = [
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null)",
        "eth0: link is up",
        ",cpuset=",
        "/",
        ",mems_allowed=0",
        ",oom_memcg=",
        "/a",
        ",task_memcg=/a/b",
        ",task=x,pid=3,uid=0",
        "Memory cgroup out of memory: Killed process 3 (x) total-vm:1kB, anon-rss:1kB",
    ];
    let kill = kills(&pieces.map(|line| (line.to_owned(), Stamp(5)))).remove(0);
    assert_eq!((kill.oom_memcg.as_deref(), kill.memcg.as_deref()), (Some("/a"), Some("/a/b")));
}

#[test]
fn a_victim_that_is_already_exiting_is_not_killed_and_lends_nothing() {
    let mut messages = messages(MEMCG_V2_6_1);
    messages.pop();
    let at = messages.last().unwrap().1;
    for line in [
        "Memory cgroup out of memory: OOM victim 113 (x (y), pid=1 :)) is already exiting. \
         Skip killing the task",
        "Out of memory: Killed process 9 (z) total-vm:1kB, anon-rss:1kB, file-rss:0kB",
    ] {
        messages.push((line.into(), at));
    }
    let kills = kills(&messages);
    assert_eq!((kills.len(), kills[0].victim_pid, kills[0].memcg.as_deref()), (1, 9, None));
}

#[test]
fn the_largest_tasks_are_kept_of_a_long_dump() {
    let head = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name";
    let mut lines = vec!["a invoked oom-killer: gfp_mask=0x0".to_owned(), head.to_owned()];
    let count = TASKS_MAX + 100;
    lines.extend((1..=count).map(|pid| {
        let rss = (pid * 7919) % 10_007;
        format!("[{pid:7}]     0 {pid:5}      900 {rss:8}    40960        0             0 t{pid}")
    }));
    lines.push("Killed process 1 (t1) total-vm:1kB, anon-rss:1kB, file-rss:0kB".into());
    let kill = kills(&lines.into_iter().map(|line| (line, Stamp(1))).collect::<Vec<_>>()).remove(0);

    let mut rss: Vec<u64> = (1..=count as u64).map(|pid| (pid * 7919) % 10_007).collect();
    rss.sort_unstable();
    let smallest_kept = kill.tasks.iter().filter_map(|task| task.rss).min();
    assert_eq!((kill.tasks.len(), kill.tasks_left_out), (TASKS_MAX, 100));
    assert_eq!(smallest_kept, Some(Pages(rss[100])));
}

proptest! {
    #[test]
    fn arbitrary_lines_never_panic(lines in proptest::collection::vec(".{0,80}", 0..20)) {
        let mut parser = OomParser::default();
        for line in &lines {
            parser.push(line, Stamp(0));
        }
    }

    /// Words of real reports in any order reach the corners that arbitrary text does not.
    #[test]
    fn shuffled_scraps_of_reports_never_panic_and_invent_no_pid(
        scraps in proptest::collection::vec((any::<usize>(), 0_usize..120, 0_usize..120), 0..60),
    ) {
        let all = [MEMCG_V2_6_1, GLOBAL_6_12, GROUP_6_12, MEMCG_V1_4_19].map(messages).concat();
        let mut parser = OomParser::default();
        for (line, from, length) in scraps {
            let text = &all[line % all.len()].0;
            let part: String = text.chars().skip(from % 30).take(length + 20).collect();
            if let Some(kill) = parser.push(&part, Stamp(0)) {
                prop_assert!(part.contains(&kill.victim_pid.to_string()));
            }
        }
    }

    /// Whatever other subsystems print in between, the kill is the same.
    #[test]
    fn foreign_lines_change_nothing(
        places in proptest::collection::vec((0_usize..100, "[a-z]{1,8} [0-9]: .{0,30}"), 0..20),
    ) {
        let mut mixed = messages(GLOBAL_6_12);
        for (place, line) in places {
            let place = place.min(mixed.len());
            mixed.insert(place, (line, Stamp(0)));
        }
        prop_assert_eq!(kills(&mixed), vec![only(GLOBAL_6_12)]);
    }
}
