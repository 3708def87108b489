//! Single lines of the OOM killer, whole and broken.

use super::*;

const SUMMARY: &str = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,\
                       mems_allowed=0-1,3,oom_memcg=/a,b,task_memcg=/a,b/c=d,task=x,pid=7,uid=9";

#[test]
fn a_summary_names_both_cgroups_commas_and_all() {
    let summary = summary(SUMMARY).unwrap();
    assert_eq!(summary.constraint, Constraint::Memcg);
    assert_eq!(summary.oom_memcg.as_deref(), Some("/a,b"));
    assert_eq!(summary.task_memcg.as_deref(), Some("/a,b/c=d"));
    assert_eq!((summary.pid, summary.uid, summary.global), (7, Some(9), false));
}

#[test]
fn a_comm_that_looks_like_a_field_is_a_comm() {
    let text = SUMMARY.replace("task=x,", "task=a,task=b,pid=1,");
    let summary = summary(&text).unwrap();
    assert_eq!((summary.pid, summary.task_memcg.as_deref()), (7, Some("/a,b/c=d")));
}

#[test]
fn each_constraint_is_known_and_a_new_one_is_unknown() {
    for (text, constraint) in [
        ("CONSTRAINT_NONE", Constraint::None),
        ("CONSTRAINT_CPUSET", Constraint::Cpuset),
        ("CONSTRAINT_MEMORY_POLICY", Constraint::MemoryPolicy),
        ("CONSTRAINT_MOON", Constraint::Unknown),
    ] {
        let line = SUMMARY.replace("CONSTRAINT_MEMCG", text);
        assert_eq!(summary(&line).unwrap().constraint, constraint);
    }
}

#[test]
fn a_kernel_without_memory_cgroups_names_none() {
    let line = "oom-kill:constraint=CONSTRAINT_NONE,nodemask=0,cpuset=/,mems_allowed=0,\
                task=x,pid=7,uid=0";
    let summary = summary(line).unwrap();
    assert_eq!((summary.pid, summary.oom_memcg, summary.task_memcg), (7, None, None));
}

#[test]
fn the_kill_lines_of_all_kernels_are_read() {
    let of = |line| killed(line).unwrap();
    let rhel6 = of("Killed process 12, UID 48, (httpd) total-vm:8kB, anon-rss:4kB, file-rss:0kB");
    assert_eq!((rhel6.pid, rhel6.comm.as_str(), rhel6.shmem_rss), (12, "httpd", None));
    let rhel7 = of("Killed process 12 (java), UID 53, total-vm:8kB, anon-rss:4kB, file-rss:0kB");
    assert_eq!((rhel7.comm.as_str(), rhel7.total_vm), ("java", Some(Bytes::kib(8))));
    let chosen = of("Out of memory (oom_kill_allocating_task): Killed process 5 (a) b) \
                     total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:7 pgtables:3kB \
                     oom_score_adj:-17");
    assert_eq!((chosen.comm.as_str(), chosen.uid, chosen.global), ("a) b", Some(7), true));
    assert_eq!((chosen.pgtables, chosen.oom_score_adj), (Some(Bytes::kib(3)), Some(-17)));
}

#[test]
fn what_only_resembles_a_kill_is_none() {
    for line in [
        "oom_reaper: reaped process 7 (x), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
        "Memory cgroup out of memory: Kill process 7 (x) score 9 or sacrifice child",
        "audit: Killed process x",
        "we Killed process 7 (x) total-vm:1kB",
        "Killed process 7 ) total-vm:( 1kB",
        "Killed process 99999999999 (x) total-vm:1kB",
    ] {
        assert_eq!(killed(line), None, "{line}");
    }
}

#[test]
fn no_limit_is_max_with_any_page_size() {
    let limit = |kb: u64| usage(&format!("memory: usage 4kB, limit {kb}kB, failcnt 0")).unwrap().1;
    assert_eq!(limit(9_007_199_254_740_988), Limit::Max);
    assert_eq!(limit(9_007_199_254_740_928), Limit::Max);
    assert_eq!(limit(16_384), Limit::At(Bytes::mib(16)));
    assert_eq!(usage("memory+swap: usage 4kB, limit 8kB, failcnt 0"), None);
}

#[test]
fn a_task_row_is_read_by_the_columns_its_kernel_names() {
    let old = "[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name";
    let columns = columns(old).unwrap();
    let row = "[  711]   999   711     1024      300      11       3        5             -5  a b ";
    let task = task(row, &columns).unwrap();
    assert_eq!((task.pid, task.uid, task.rss), (711, Some(999), Some(Pages(300))));
    assert_eq!((task.pgtables, task.rss_anon), (None, None));
    assert_eq!((task.swapents, task.oom_score_adj), (Some(Pages(5)), Some(-5)));
    assert_eq!(task.name, " a b ");
}

#[test]
fn a_uid_above_2_31_is_negative_in_a_task_row_too() {
    let columns = columns("[  pid  ]   uid  tgid total_vm      rss name").unwrap();
    let row = "[    338]    -2   338    46046    42827 postgres";
    assert_eq!(task(row, &columns).unwrap().uid, Some(4_294_967_294));
}

#[test]
fn what_is_no_row_is_none() {
    let columns = vec!["uid".to_owned(), "name".to_owned()];
    for row in ["", "[", "[x] 1 a", "[1]", "[1] 2", "usb 1-1: new device"] {
        assert_eq!(task(row, &columns), None, "{row}");
    }
    assert_eq!(task("[1] 2 a", &[]), None);
}
