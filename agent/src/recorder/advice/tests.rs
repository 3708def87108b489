//! What is advised in which case, and what is not.

use super::*;
use crate::target::TargetKind;
use crate::units::{BytesPerSec, Limit};
use crate::verdict::{State, TargetLabel, Verdict};
use crate::view::{LimitedCgroup, Victim};
use std::collections::BTreeMap;

fn incident(cause: Option<Cause>, for_s: f64) -> Incident {
    let verdict = |cause| Verdict {
        target: TargetLabel {
            kind: TargetKind::Process,
            id: "process:7@1".into(),
            pid: Some(7),
            start_time: None,
            cgroup: None,
            labels: BTreeMap::new(),
        },
        state: State::OomImminent,
        cause,
        used_bytes: Bytes::mib(90),
        limit_bytes: Limit::At(Bytes::mib(96)),
        rate_bytes_per_s: BytesPerSec(1e6),
        eta_s: None,
        confidence: 0.9,
        since: String::new(),
        evidence: Vec::new(),
    };
    Incident {
        kind: KillKind::MainProcess,
        constraint: ConstraintView::Memcg,
        victims: vec![Victim { pid: Some(7), comm: Some("worker".into()), ..Victim::default() }],
        memcg: Some(LimitedCgroup {
            path: "/a".into(),
            usage_bytes: Some(Bytes::mib(96)),
            limit_bytes: Limit::At(Bytes::mib(96)),
            file_bytes: Some(Bytes::mib(1)),
            ..LimitedCgroup::default()
        }),
        growers: vec![Grower {
            name: "worker".into(),
            used_bytes: Bytes::mib(94),
            for_s,
            grown_bytes: Bytes::mib(80),
            rate_bytes_per_s: BytesPerSec(Bytes::mib(80).as_f64() / for_s),
            victim: true,
            ..Grower::default()
        }],
        verdict: cause.map(verdict),
        ..Incident::default()
    }
}

fn whats(incident: &Incident) -> Vec<String> {
    advice(incident).into_iter().map(|advice| advice.what).collect()
}

#[test]
fn of_a_leak_a_higher_limit_only_buys_time() {
    let told = whats(&incident(Some(Cause::HeapLeak), 160.0));
    assert_eq!(
        told,
        [
            "Look at worker: it grew most.",
            "Compare two heap profiles taken some minutes apart; what only grows is the leak.",
            "Raising the limit to 128 MiB would only buy 64 s.",
            "Do not look for page cache: it is not to blame.",
        ]
    );
}

#[test]
fn a_peak_is_given_room() {
    let told = advice(&incident(None, 4.0));
    assert_eq!(told[1].what, "Raise the limit of /a to 128 MiB and watch.");
    assert!(told[1].why.contains("a peak, not a leak"), "{told:?}");
}

#[test]
fn a_java_heap_is_capped_and_a_child_is_looked_after() {
    let mut of = incident(Some(Cause::HeapLeak), 160.0);
    of.victims[0].exe = Some("/usr/lib/jvm/bin/java".into());
    of.kind = KillKind::ChildProcess;
    let told = whats(&of);
    assert!(told[3].contains("-XX:MaxRAMPercentage=75 (or -Xmx72m)"), "{told:?}");
    assert!(told[4].contains("memory.oom.group=1"), "{told:?}");
}

#[test]
fn who_was_killed_for_another_is_told() {
    let mut of = incident(None, 160.0);
    of.growers[0].victim = false;
    of.growers[0].name = "glutton".into();
    of.victims[0].oom_score_adj = Some(900);
    let told = advice(&of);
    let other = told.iter().find(|a| a.what.contains("rather than at the victim")).unwrap();
    assert!(other.what.contains("glutton") && other.why.contains("900"), "{other:?}");
}

#[test]
fn without_data_nothing_is_made_up() {
    assert_eq!(advice(&Incident::default()), []);
    let mut node = incident(None, 100.0);
    (node.kind, node.memcg, node.growers) = (KillKind::Node, None, Vec::new());
    assert_eq!(advice(&node), []);
    node.constraint = ConstraintView::Cpuset;
    assert!(whats(&node)[0].contains("cpuset.mems"));
    node.seen_by = SeenBy::Counters;
    assert!(whats(&node)[1].contains("SYSLOG"));
    node.memcg = Some(LimitedCgroup { holds_agent: true, ..LimitedCgroup::default() });
    assert!(whats(&node)[1].contains("Move the agent"));
}
