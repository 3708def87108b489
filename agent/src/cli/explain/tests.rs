//! What a post-mortem looks like, and where incidents are looked for.

use super::*;
use crate::recorder::{Shelf, ShelfParams};
use crate::target::TargetKind;
use crate::units::{Bytes, BytesPerSec, Limit};
use crate::verdict::{Cause, Eta, State, TargetLabel, Verdict};
use crate::view::{
    Advice, Aftermath, ConstraintView, EvidenceTaken, Foretold, Grower, INCIDENT_SCHEMA, KillKind,
    LimitedCgroup, PressureNote, Said, Stage, TaskName, Victim,
};

fn incident() -> Incident {
    let eta = Eta { p10: 40.0, p50: 52.0, p90: 70.0 };
    Incident {
        schema: INCIDENT_SCHEMA.into(),
        id: "20261121T100900Z-4211".into(),
        at: "2026-11-21T10:09:00.250Z".into(),
        hostname: "node-1".into(),
        kind: KillKind::MainProcess,
        constraint: ConstraintView::Memcg,
        summary: "The kernel killed worker (pid 4211): cgroup /app had reached its limit of 96.0 \
                  MiB"
        .into(),
        victims: vec![Victim {
            pid: Some(4211),
            comm: Some("worker\u{1b}[2J".into()),
            exe: Some("/usr/bin/worker".into()),
            workload: Some("unit/app.service".into()),
            rss_bytes: Some(Bytes::mib(94)),
            anon_bytes: Some(Bytes::mib(92)),
            oom_score_adj: Some(100),
            age_s: Some(95.0),
            ..Victim::default()
        }],
        killer: Some(TaskName { pid: Some(4211), comm: Some("worker".into()) }),
        memcg: Some(LimitedCgroup {
            path: "/app".into(),
            usage_bytes: Some(Bytes::mib(96)),
            limit_bytes: Limit::At(Bytes::mib(96)),
            anon_bytes: Some(Bytes::mib(93)),
            file_bytes: Some(Bytes::mib(1)),
            ..LimitedCgroup::default()
        }),
        growers: vec![Grower {
            name: "worker (pid 4211)".into(),
            since: "2026-11-21T10:07:26.000Z".into(),
            for_s: 94.0,
            grown_bytes: Bytes::mib(90),
            used_bytes: Bytes::mib(94),
            rate_bytes_per_s: BytesPerSec(1_003_000.0),
            victim: true,
            ..Grower::default()
        }],
        foretold: Foretold {
            predicted: true,
            suspected_before_s: Some(66.0),
            suspected_at: Some(String::new()),
            predicted_before_s: Some(61.0),
            predicted_at: Some(String::new()),
            history: vec![Said {
                before_s: 61.0,
                target: "process:4211@99".into(),
                state: State::OomPredicted,
                eta_s: Some(eta),
                error_s: Some(-9.0),
                inside: Some(true),
                ..Said::default()
            }],
        },
        verdict: Some(verdict(eta)),
        evidence: vec![EvidenceTaken {
            stage: Stage::Suspected,
            before_s: Some(66.0),
            comm: Some("worker".into()),
            used_bytes: Bytes::mib(30),
            mappings: Some([("heap".into(), 28 << 20), ("file".into(), 1 << 20)].into()),
            ..EvidenceTaken::default()
        }],
        pressure: vec![PressureNote {
            before_s: Some(20.0),
            level: "critical".into(),
            scope: "cgroup:/app".into(),
            subscriber: "cache".into(),
            reclaim_bytes: Bytes::mib(8),
            ..PressureNote::default()
        }],
        aftermath: Some(Aftermath { cgroup_exists: true, ..Aftermath::default() }),
        next: vec![Advice { what: "Look at worker: it grew most.".into(), why: "It did.".into() }],
        notes: vec!["The kernel printed no task dump.".into()],
        ..Incident::default()
    }
}

fn verdict(eta: Eta) -> Verdict {
    Verdict {
        target: TargetLabel {
            kind: TargetKind::Process,
            id: "process:4211@99".into(),
            pid: Some(4211),
            start_time: None,
            cgroup: None,
            labels: std::collections::BTreeMap::new(),
        },
        state: State::OomImminent,
        cause: Cause::HeapLeak,
        used_bytes: Bytes::mib(90),
        limit_bytes: Limit::At(Bytes::mib(96)),
        rate_bytes_per_s: BytesPerSec(1_048_576.0),
        eta_s: Some(eta),
        confidence: 0.93,
        since: String::new(),
        evidence: Vec::new(),
    }
}

fn args(dir: &Path) -> ExplainArgs {
    ExplainArgs {
        id: None,
        json: false,
        list: false,
        state_dir: Some(dir.to_owned()),
        config: None,
        agent: AgentArgs::bare("http://127.0.0.1:1".into()),
    }
}

fn said(args: &ExplainArgs) -> Result<String, Failure> {
    let mut out = Vec::new();
    explain(args, Env::new(), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn an_incident_reads_like_a_post_mortem() {
    let now: Timestamp = "2026-11-21T10:29:00Z".parse().unwrap();
    insta::assert_snapshot!(post_mortem::text(&incident(), now));
}

#[test]
fn an_empty_incident_is_told_without_making_anything_up() {
    let text = post_mortem::text(&Incident::default(), Timestamp::UNIX_EPOCH);
    assert!(text.contains("There was no verdict"), "{text}");
    assert!(text.contains("nothing was suspected"), "{text}");
    assert!(!text.contains(char::from(0x1b)));
}

#[test]
fn without_an_agent_the_state_directory_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut wanted = args(dir.path());
    assert!(said(&wanted).unwrap().starts_with("no kill for want of memory is on record in "));
    let params = ShelfParams {
        dir: Some(dir.path().to_owned()),
        incidents_max: 9,
        disk_budget: Bytes::mib(1),
    };
    let (shelf, _) = Shelf::open(params);
    assert!(shelf.put(incident()));
    let older = Incident { id: "20261120T100900Z-1".into(), ..incident() };
    assert!(shelf.put(older));
    assert!(said(&wanted).unwrap().starts_with("Incident 20261121T100900Z-4211: "));
    // No agent listens on port 1: the directory of the environment is read.
    let env = Env::from([("PLIMSOLL_STATE_DIR".to_owned(), dir.path().display().to_string())]);
    let mut out = Vec::new();
    let asking = ExplainArgs { state_dir: None, ..wanted.clone() };
    explain(&asking, env, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().starts_with("Incident 20261121T100900Z-4211: "));
    wanted.list = true;
    assert_eq!(said(&wanted).unwrap().lines().count(), 2);
    wanted.list = false;
    wanted.id = Some("20261120T100900Z-1".into());
    wanted.json = true;
    let back: Incident = serde_json::from_str(&said(&wanted).unwrap()).unwrap();
    assert_eq!(back.id, "20261120T100900Z-1");
    for unknown in ["20991120T100900Z-1", "../x"] {
        wanted.id = Some(unknown.into());
        assert!(matches!(said(&wanted), Err(Failure::Incident(_))), "{unknown}");
    }
}
