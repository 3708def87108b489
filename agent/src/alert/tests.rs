//! What is told, once, when it gets worse, and when it is over.

use super::*;
use crate::config::Config;
use crate::target::ProcessId;
use crate::units::{Bytes, BytesPerSec, Limit};
use crate::verdict::{Cause, Eta, TargetLabel};

const SSHD: Target = Target::Process(ProcessId { pid: 812, start_time: 5000 });

fn alerts() -> (Alerts, Clock) {
    (Alerts::new(&Config::default().alerts), Clock::start())
}

fn verdict(target: &Target, state: State, p50: f64) -> Verdict {
    let labels = [("comm", "sshd"), ("workload", "unit/ssh.service")];
    Verdict {
        target: TargetLabel {
            kind: target.kind(),
            id: target.to_string(),
            pid: matches!(target, Target::Process(_)).then_some(812),
            start_time: None,
            cgroup: Some("/system.slice/ssh.service".to_owned()),
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        },
        state,
        cause: Cause::HeapLeak,
        used_bytes: Bytes::mib(473),
        limit_bytes: Limit::At(Bytes::mib(512)),
        rate_bytes_per_s: BytesPerSec(12.3 * 1_048_576.0 / 3600.0),
        eta_s: Some(Eta { p10: 8_400.0, p50, p90: 18_000.0 }),
        confidence: 0.91,
        since: String::new(),
        evidence: Vec::new(),
    }
}

fn at(seconds: u64) -> Stamp {
    Stamp(1_000_000).plus(Duration::from_secs(seconds))
}

#[test]
fn a_person_can_read_who_grows_how_fast_and_how_long_is_left() {
    let (mut alerts, clock) = alerts();
    let predicted = verdict(&SSHD, State::OomPredicted, 11_400.0);
    let change = alerts.update(&SSHD, &predicted, at(0), clock).expect("fires");
    assert_eq!(
        change.alert.summary,
        "sshd (pid 812) grows 12.3 MiB/h; limit 512 MiB reached in about 3 h 10 min \
         (80 %: 2 h 20 min – 5 h)"
    );
    assert_eq!(
        change.alert.description,
        "An OOM kill is to be expected. sshd (pid 812) uses 473 MiB now. Likely cause: a heap \
         leak. Confidence 91 %."
    );
}

#[test]
fn one_alert_escalates_is_repeated_and_resolves() {
    let (mut alerts, clock) = alerts();
    let mut tell = |state, p50, seconds| {
        let change = alerts.update(&SSHD, &verdict(&SSHD, state, p50), at(seconds), clock);
        change.map(|c| (c.kind, c.alert.name, c.alert.severity, c.alert.id))
    };
    let told = |kind, name: &str, severity| Some((kind, name.to_owned(), severity, "a1".into()));
    let (warning, critical) = (Severity::Warning, Severity::Critical);
    use ChangeKind::{Escalated, Firing, Repeated, Resolved};

    assert_eq!(tell(State::Ok, 0.0, 0), None);
    assert_eq!(tell(State::LeakSuspected, 1e9, 1), told(Firing, "LeakSuspected", warning));
    assert_eq!(tell(State::LeakSuspected, 1e9, 2), None);
    assert_eq!(tell(State::OomPredicted, 9e4, 3), told(Escalated, "OomPredicted", warning));
    assert_eq!(tell(State::OomPredicted, 3e3, 4), told(Escalated, "OomPredicted", critical));
    assert_eq!(tell(State::OomImminent, 300.0, 5), told(Escalated, "OomImminent", critical));
    assert_eq!(tell(State::OomPredicted, 3e3, 6), None);
    assert_eq!(tell(State::OomPredicted, 3e3, 14_405), told(Repeated, "OomPredicted", critical));
    assert_eq!(tell(State::OomPredicted, 3e3, 14_406), None);
    assert_eq!(tell(State::Ok, 0.0, 15_000), told(Resolved, "OomPredicted", critical));
    assert_eq!(tell(State::Ok, 0.0, 15_001), None);
    assert_eq!(alerts.list().len(), 1);
    assert!(alerts.list()[0].ends_at.is_some());
}

#[test]
fn the_end_of_a_target_ends_its_alert() {
    let (mut alerts, clock) = alerts();
    alerts.update(&SSHD, &verdict(&SSHD, State::OomImminent, 60.0), at(0), clock);
    let change = alerts.ended(&SSHD, at(5), clock).expect("resolves");
    assert_eq!(change.kind, ChangeKind::Resolved);
    assert!(alerts.ended(&SSHD, at(6), clock).is_none());
}

#[test]
fn growth_is_told_of_once_by_whoever_saw_it_first() {
    let around = [
        Target::Workload("unit/ssh.service".into()),
        Target::Cgroup("/system.slice/ssh.service".into()),
        Target::Cgroup("/system.slice".into()),
    ];
    let own = verdict(&SSHD, State::LeakSuspected, 1e9);
    for around in around {
        let (mut alerts, clock) = alerts();
        let theirs = verdict(&around, State::LeakSuspected, 1e9);
        assert!(alerts.update(&SSHD, &own, at(0), clock).is_some());
        assert!(alerts.update(&around, &theirs, at(1), clock).is_none(), "{around}");
        alerts.ended(&SSHD, at(2), clock);
        assert!(alerts.update(&around, &theirs, at(3), clock).is_some());
        assert!(alerts.update(&SSHD, &own, at(4), clock).is_none(), "{around}");
    }
}

#[test]
fn a_process_gives_way_to_a_cgroup_in_which_it_is_the_lesser_part_of_the_growth() {
    let (mut alerts, clock) = alerts();
    let slice = Target::Cgroup("/system.slice".into());
    let own = verdict(&SSHD, State::LeakSuspected, 1e9);
    let mut whole = verdict(&slice, State::LeakSuspected, 1e9);
    whole.rate_bytes_per_s = BytesPerSec(own.rate_bytes_per_s.0 * 2.5);
    alerts.update(&SSHD, &own, at(0), clock);
    assert!(alerts.update(&slice, &whole, at(1), clock).is_some());
    let change = alerts.update(&SSHD, &own, at(2), clock).expect("gives way");
    assert_eq!(change.kind, ChangeKind::Resolved);
}

#[test]
fn a_node_about_to_run_out_is_told_of_though_what_grows_in_it_is_only_suspected() {
    for (state, fires) in [(State::OomPredicted, false), (State::OomImminent, true)] {
        let (mut alerts, clock) = alerts();
        alerts.update(&SSHD, &verdict(&SSHD, State::LeakSuspected, 1e9), at(0), clock);
        let node = verdict(&Target::Node, state, 60.0);
        assert_eq!(alerts.update(&Target::Node, &node, at(1), clock).is_some(), fires);
    }
}

#[test]
fn a_process_is_not_silenced_by_what_it_is_no_part_of() {
    for elsewhere in [
        Target::Workload("unit/sshx.service".into()),
        Target::Cgroup("/system.slice/ssh".into()),
        Target::Cgroup("/".into()),
        Target::Node,
    ] {
        let (mut alerts, clock) = alerts();
        alerts.update(&elsewhere, &verdict(&elsewhere, State::OomImminent, 60.0), at(0), clock);
        let own = verdict(&SSHD, State::LeakSuspected, 1e9);
        assert!(alerts.update(&SSHD, &own, at(1), clock).is_some(), "{elsewhere}");
    }
}

#[test]
fn a_kill_is_told_once_and_resolves_itself_after_an_hour() {
    let (mut alerts, clock) = alerts();
    let kill = OomKill {
        victim_pid: Some(77),
        victim_comm: Some("evil\nname".to_owned()),
        killer_comm: Some("dd".to_owned()),
        memcg: Some("/demo/leak".to_owned()),
        victim_rss: Some(Bytes::mib(300)),
        labels: [("workload".to_owned(), "unit/a\nb".to_owned())].into(),
        incident: Some("20261121T100900Z-7".into()),
    };
    let alert = alerts.oom_kill(&kill, at(0), clock).alert;
    assert_eq!((alert.name.as_str(), alert.severity), ("OomKill", Severity::Critical));
    assert_eq!(
        alert.description,
        "The kernel killed evil?name (pid 77): cgroup /demo/leak had reached its limit. The \
         victim held 300 MiB. The allocation that failed was made by dd."
    );
    assert_eq!((&*alert.labels["comm"], &*alert.labels["workload"]), ("evil?name", "unit/a?b"));
    assert!(alerts.tick(at(3599), clock).is_empty());
    assert_eq!(alerts.tick(at(3600), clock)[0].kind, ChangeKind::Resolved);
    assert!(alerts.tick(at(3601), clock).is_empty());
}

#[test]
fn at_most_512_are_kept_and_the_longest_resolved_go_first() {
    let (mut alerts, clock) = alerts();
    let process = |pid| Target::Process(ProcessId { pid, start_time: 1 });
    for pid in 0..520_u32 {
        let target = process(pid);
        let leak = verdict(&target, State::LeakSuspected, 1e9);
        alerts.update(&target, &leak, at(pid.into()), clock);
        if pid == 3 {
            alerts.ended(&process(3), at(3), clock);
        }
    }
    assert_eq!(alerts.list().len(), ALERTS_MAX);
    assert_eq!(alerts.dropped_total(), 8);
    let kept: Vec<String> = alerts.list().into_iter().map(|a| a.target).collect();
    assert!(!kept.contains(&"process:3@1".to_owned()));
    assert!(kept.contains(&"process:519@1".to_owned()));
    assert!(kept.contains(&"process:8@1".to_owned()));
}

#[test]
fn what_fires_is_listed_first_and_the_worst_of_it_at_the_top() {
    let (mut alerts, clock) = alerts();
    let (cgroup, node) = (Target::Cgroup("/x".into()), Target::Node);
    alerts.update(&cgroup, &verdict(&cgroup, State::LeakSuspected, 1e9), at(0), clock);
    alerts.update(&node, &verdict(&node, State::OomImminent, 60.0), at(1), clock);
    alerts.update(&SSHD, &verdict(&SSHD, State::LeakSuspected, 1e9), at(2), clock);
    alerts.ended(&cgroup, at(3), clock);
    let order: Vec<String> = alerts.list().into_iter().map(|a| a.target).collect();
    assert_eq!(order, ["node", "process:812@5000", "cgroup:/x"]);
}
