//! What the doctor says of machines that are made up of facts.

use super::facts::{Facts, Others, Port, StateDir};
use super::*;
use crate::units::Bytes;

fn healthy() -> Facts {
    Facts {
        release: "6.18.44-test".into(),
        cgroups: Ok("v2 at /sys/fs/cgroup".into()),
        psi: Ok("/proc/pressure/memory".into()),
        senses: Ok("the node's stalls within 1 s; memory.events".into()),
        processes: Ok(312),
        meminfo: Ok("MemTotal:       8000000 kB\nSwapTotal:            0 kB\n".into()),
        others_memory: Others { readable: 9, ..Others::default() },
        connector: Ok("permitted".into()),
        oom_log: Ok("/dev/kmsg".into()),
        bpf: Ok("victim, killer, memory cgroup and limit of each OOM kill, by tp_btf".into()),
        nofile_soft: Some(1024),
        nofile_hard: Some(524_288),
        state_dir: Some(StateDir {
            path: "/var/lib/plimsoll".into(),
            exists: true,
            writable: Ok(()),
            free: Some(Bytes::mib(9000)),
        }),
        listen: ([127, 0, 0, 1], 9977).into(),
        port: Port::Free,
        overcommit: Some(0),
        capabilities: Some(u64::MAX),
    }
}

fn levels(facts: &Facts) -> Vec<(&'static str, Level)> {
    let bad = checks::all(facts).into_iter().filter(|check| check.level != Level::Ok);
    bad.map(|check| (check.name, check.level)).collect()
}

#[test]
fn a_healthy_machine_has_nothing_to_complain_of() {
    insta::assert_snapshot!(in_words(&checks::all(&healthy())));
}

#[test]
fn an_unprivileged_container_is_told_what_would_give_more() {
    let facts = Facts {
        release: "4.19.0".into(),
        cgroups: Err("no memory controller below /sys/fs/cgroup".into()),
        psi: Err("/proc/pressure/memory: not there".into()),
        processes: Ok(1),
        others_memory: Others { denied: 3, readable: 1, absent: 0 },
        connector: Err("not permitted".into()),
        oom_log: Err("neither /dev/kmsg nor syslog(2)".into()),
        bpf: Err("lacks CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN)".into()),
        nofile_hard: Some(100),
        state_dir: None,
        capabilities: Some(0),
        ..healthy()
    };
    insta::assert_snapshot!(in_words(&checks::all(&facts)));
}

#[test]
fn only_what_keeps_the_agent_from_its_work_fails() {
    let lost = Facts { processes: Err("/p: not there".into()), ..healthy() };
    assert_eq!(levels(&lost), [("processes", Level::Fail)]);
    let taken = Facts { port: Port::Taken, ..healthy() };
    assert_eq!(levels(&taken), [("HTTP port", Level::Fail)]);
    let running = Facts { port: Port::Agent, ..healthy() };
    assert_eq!(levels(&running), []);
    let mut full = healthy();
    full.state_dir.as_mut().unwrap().free = Some(Bytes::mib(1));
    assert_eq!(levels(&full), [("state directory", Level::Warn)]);
}

#[test]
fn kernel_versions_in_odd_forms_are_not_judged_by_guess() {
    let level = |release: &str| {
        levels(&Facts { release: release.into(), ..healthy() }).first().map(|found| found.1)
    };
    assert_eq!(["4.20.0", "5.4", "10.0-rc1"].map(level), [None; 3]);
    assert_eq!(["4.19.9", "3.10.0", "", "x.y"].map(level), [Some(Level::Warn); 4]);
}

#[test]
fn this_machine_is_looked_at_without_being_changed() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("not/yet/made");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let facts = Facts::gather(&Roots::default(), Some(state.clone()), free);
    assert_eq!(facts.port, Port::Free);
    assert!(facts.processes.unwrap() > 1);
    let seen = facts.state_dir.unwrap();
    assert_eq!((seen.exists, seen.writable, seen.path), (false, Ok(()), state.clone()));
    assert!(!state.exists() && !dir.path().join("not").exists());
    let lost = Roots { proc: dir.path().into(), sys: dir.path().into() };
    let facts = Facts::gather(&lost, None, free);
    assert!(facts.processes.is_err() && facts.meminfo.is_err() && facts.psi.is_err());
}

#[test]
fn a_bad_configuration_is_one_failed_check_among_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.toml");
    std::fs::write(&file, "nonsense = 1\n[http]\nlisten = 7\n").unwrap();
    let args = DoctorArgs { json: true, config: Some(file), ..DoctorArgs::default() };
    let mut out = Vec::new();
    assert_eq!(doctor(&args, Env::new(), &mut out).unwrap(), Exit::Failed);
    let told: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(told["ok"], false);
    assert_eq!(told["checks"][0]["level"], "fail");
    let what = told["checks"][0]["what"].as_str().unwrap();
    assert!(what.contains("p.toml:1:1: nonsense") && what.contains("p.toml:3:10: http.listen"));
    assert_eq!(told["checks"].as_array().unwrap().len(), 15);
}

#[test]
fn a_variable_that_is_ignored_is_warned_of() {
    let env = [("OTEL_EXPORTER_OTLP_TIMEOUT".to_owned(), "soon".to_owned())].into();
    let effective = load(&Request { env, ..Request::default() }).unwrap();
    let check = configuration(&effective, None);
    assert_eq!(check.level, Level::Warn);
    assert!(check.what.contains("ignored: environment OTEL_EXPORTER_OTLP_TIMEOUT"), "{check:?}");
}
