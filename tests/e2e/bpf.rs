//! BPF against the real kernel: victims of real kills, values held against /proc and the cgroup
//! files, and what takes over where it is refused.

use plimsoll_bpf::{Cgroups, Edge, TaskRecord, Tasks, tasks::batch_pages};
use plimsoll_tests::{Agent, Cgroup, Load, Version, binary, cgroup_version, skipped, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const LIMIT_MIB: u64 = 24;
const MIB: u64 = 1 << 20;

/// Hides the kernel's types in a mount namespace of its own, and has tracefs there.
const WITHOUT_TYPES: &str = "mount --bind /dev/null /sys/kernel/btf/vmlinux && \
    { [ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing; } && \
    exec \"$0\" \"$@\"";

/// An agent that root runs by way of `wrapper`, which becomes the program that follows it.
fn agent_by(mut wrapper: Command, state: &tempfile::TempDir) -> Option<Agent> {
    if !rustix::process::geteuid().is_root() {
        assert!(skipped("only root can give capabilities up, or mount"));
        return None;
    }
    wrapper
        .arg(binary("plimsoll"))
        .args(["run", "--listen", "127.0.0.1:0", "--state-dir"])
        .arg(state.path())
        .env("PLIMSOLL_PRESSURE_SOCKET", state.path().join("pressure.sock"));
    Some(Agent::spawn(wrapper, state.path()))
}

/// An agent without the capabilities named, as `a,b`.
fn agent_without(dropped: &str, state: &tempfile::TempDir) -> Option<Agent> {
    let mut wrapper = Command::new(binary("plimsoll-load"));
    wrapper.args(["without", dropped]);
    agent_by(wrapper, state)
}

/// A cgroup that is there before the agent, so that its first walk finds it.
fn cage() -> Option<Cgroup> {
    Cgroup::make(LIMIT_MIB).map_err(|why| assert!(skipped(&why))).ok()
}

/// A real kill in `cgroup`: its incident, the victim and the inode of the cgroup.
#[track_caller]
fn killed(agent: &Agent, cgroup: &Cgroup) -> (Value, u32, u64) {
    let inode = std::fs::metadata(cgroup.dir()).expect("it was made").ino();
    let scratch = tempfile::tempdir().expect("a directory");
    let gate = scratch.path().join("gate");
    let words = ["leak", "8", gate.to_str().expect("text")];
    let mut victim = Load::named(Some("greedy"), &words, Some(cgroup));
    let pid = victim.pid();
    wait_for("it is watched before it ends", SOON, || {
        let row = agent.get(&format!("/api/v1/processes/{pid}"));
        let is_known = row.status == 200 && row.json()["cgroup"] == cgroup.path();
        if is_known { Ok(()) } else { Err(row.body) }
    });
    let path = cgroup.path();
    wait_for("its counter was read before it rises", SOON, || {
        let rows = agent.json("/api/v1/cgroups");
        let row = rows.as_array().expect("a list").iter().find(|row| row["path"] == path);
        let is_read = row.is_some_and(|row| row["events"]["oom_kill"].is_u64());
        if is_read { Ok(()) } else { Err(rows.to_string()) }
    });
    std::fs::write(&gate, "").expect("room");
    wait_for("the kernel kills it", SOON, || {
        if victim.ended() { Ok(()) } else { Err("it lives".to_owned()) }
    });
    let incident = wait_for("the incident is on record", SOON, || {
        let list = agent.json("/api/v1/incidents");
        let own = list.as_array().expect("a list").iter().find(|one| one["cgroup"] == path);
        let id = own.and_then(|one| one["id"].as_str()).map(str::to_owned);
        let incident = id.map(|id| agent.json(&format!("/api/v1/incidents/{id}")));
        let whole = incident.filter(|incident| !incident["aftermath"].is_null());
        whole.ok_or_else(|| format!("{list:#}\n{}", agent.log()))
    });
    let list = agent.json("/api/v1/incidents");
    let own = list.as_array().expect("a list").iter().filter(|one| one["cgroup"] == path);
    assert_eq!(own.count(), 1, "a kill is told once: {list:#}");
    assert_eq!(incident["victims"].as_array().map(Vec::len), Some(1), "{incident:#}");
    (incident, pid, inode)
}

/// Who, where and against which limit: what every way but the bare counters must say.
#[track_caller]
fn is_whole(incident: &Value, pid: u32, cgroup: &Cgroup) {
    let victim = &incident["victims"][0];
    assert_eq!((&victim["pid"], &victim["comm"]), (&pid.into(), &"greedy".into()), "{incident:#}");
    assert_eq!(victim["cgroup"], cgroup.path());
    assert_eq!(victim["is_main"], true, "{incident:#}");
    assert!(victim["rss_bytes"].as_u64() > Some(LIMIT_MIB * MIB / 2), "{victim:#}");
    let memcg = &incident["memcg"];
    assert_eq!(memcg["path"], cgroup.path());
    assert_eq!(memcg["limit_bytes"], LIMIT_MIB * MIB);
    let usage = memcg["usage_bytes"].as_u64().expect("a usage");
    assert!(((LIMIT_MIB - 1) * MIB..=LIMIT_MIB * MIB).contains(&usage), "{memcg:#}");
    assert_eq!(
        (&incident["constraint"], &incident["kind"]),
        (&"memcg".into(), &"main_process".into())
    );
    assert_eq!(incident["killer"]["comm"], "greedy");
}

fn heard_by(incident: &Value) -> Vec<&str> {
    let ways = incident["heard_by"].as_array().expect("a list");
    ways.iter().filter_map(Value::as_str).collect()
}

#[test]
fn an_oom_kill_that_bpf_and_the_log_both_tell_of_is_one_incident_with_what_both_know() {
    let Some(cgroup) = cage() else { return };
    let mut agent = Agent::start(&[]);
    let (bpf, log) = (agent.source("bpf"), agent.source("oom_log"));
    if !bpf.contains("tp_btf") || !log.starts_with("[+]") {
        return assert!(skipped(&format!("{bpf}\n{log}")));
    }
    let (incident, pid, inode) = killed(&agent, &cgroup);
    is_whole(&incident, pid, &cgroup);
    let ways = heard_by(&incident);
    assert!(ways.len() == 2 && ways.contains(&"tp_btf"), "{ways:?}");
    assert_eq!(incident["seen_by"], "kernel_log");
    assert!(!incident["task_dump"].as_array().expect("a list").is_empty());
    let victim = &incident["victims"][0];
    assert_eq!(victim["memcg_id"], inode, "the victim's, whoever asked for the memory");
    let target = victim["target"].as_str().expect("it was watched");
    let start = victim["start_time"].as_u64().expect("BPF says it");
    assert!(target.contains(&start.to_string()), "{start} is not of {target}");
    assert_eq!(agent.terminate(), Some(0));
}

#[test]
fn an_oom_kill_is_told_whole_by_bpf_where_no_log_can_be_read() {
    let Some(cgroup) = cage() else { return };
    let state = tempfile::tempdir().expect("a directory");
    let Some(agent) = agent_without("syslog,sys_admin", &state) else { return };
    let (bpf, log) = (agent.source("bpf"), agent.source("oom_log"));
    if !bpf.contains("tp_btf") || log.starts_with("[+]") {
        return assert!(skipped(&format!("{bpf}\n{log}")));
    }
    let (incident, pid, inode) = killed(&agent, &cgroup);
    is_whole(&incident, pid, &cgroup);
    assert_eq!((heard_by(&incident), &incident["seen_by"]), (vec!["tp_btf"], &"bpf".into()));
    assert_eq!(incident["victims"][0]["memcg_id"], inode);
    assert_eq!(incident["victims"][0]["inferred"], false);
}

#[test]
fn an_oom_kill_is_heard_by_the_plain_tracepoint_where_the_kernel_shows_no_types() {
    let Some(cgroup) = cage() else { return };
    let state = tempfile::tempdir().expect("a directory");
    let mut hidden = Command::new("unshare");
    hidden.args(["-m", "sh", "-c", WITHOUT_TYPES]);
    let Some(agent) = agent_by(hidden, &state) else { return };
    let (bpf, log) = (agent.source("bpf"), agent.source("oom_log"));
    assert!(bpf.starts_with("[+]") && bpf.contains("by tracepoint"), "{bpf}");
    if !log.starts_with("[+]") {
        return assert!(skipped(&log));
    }
    let (incident, pid, _) = killed(&agent, &cgroup);
    is_whole(&incident, pid, &cgroup);
    let ways = heard_by(&incident);
    assert!(ways.len() == 2 && ways.contains(&"tracepoint"), "{ways:?}");
    assert!(incident["victims"][0]["memcg_id"].is_null(), "it sees pids, no cgroup");
}

#[test]
fn an_oom_kill_is_told_whole_by_the_log_where_bpf_is_refused() {
    let Some(cgroup) = cage() else { return };
    let state = tempfile::tempdir().expect("a directory");
    let Some(agent) = agent_without("bpf,perfmon,sys_admin", &state) else { return };
    let (bpf, log) = (agent.source("bpf"), agent.source("oom_log"));
    assert!(bpf.contains("CAP_BPF") && !bpf.contains('\n'), "{bpf}");
    if !log.starts_with("[+]") {
        return assert!(skipped(&log));
    }
    let (incident, pid, _) = killed(&agent, &cgroup);
    is_whole(&incident, pid, &cgroup);
    let ways = heard_by(&incident);
    assert!(ways == ["kmsg"] || ways == ["syslog"], "{ways:?}");
    assert!(incident["victims"][0]["memcg_id"].is_null());
}

#[test]
fn an_oom_kill_is_still_seen_by_the_counters_where_both_are_refused() {
    let state = tempfile::tempdir().expect("a directory");
    let Some(cgroup) = cage() else { return };
    let dropped = "bpf,perfmon,sys_admin,syslog";
    let Some(agent) = agent_without(dropped, &state) else { return };
    if agent.source("oom_log").starts_with("[+]") {
        return assert!(skipped(&agent.source("oom_log")));
    }
    let (incident, _, _) = killed(&agent, &cgroup);
    assert_eq!((heard_by(&incident), &incident["seen_by"]), (Vec::new(), &"counters".into()));
    assert_eq!(incident["memcg"]["path"], cgroup.path());
    assert_eq!(incident["victims"][0]["inferred"], true);
}

#[test]
fn bpf_that_is_switched_off_loads_nothing() {
    let state = tempfile::tempdir().expect("a directory");
    let config = state.path().join("plimsoll.toml");
    std::fs::write(&config, "[sampling]\nbpf = \"off\"\n").expect("room");
    let quiet = Agent::start(&["--config", config.to_str().expect("text")]);
    assert!(quiet.source("bpf").contains("sampling.bpf = off"), "{}", quiet.source("bpf"));
    let fds = std::fs::read_dir(format!("/proc/{}/fd", quiet.pid())).expect("it runs");
    let links = fds.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
    assert_eq!(links.filter(|link| link.to_string_lossy().contains("bpf")).count(), 0);
}

/// The way into the kernel; None where there is none.
fn edge() -> Option<Edge> {
    match Edge::open() {
        Ok(edge) => Some(edge),
        Err(why) => {
            assert!(skipped(&why.to_string()));
            None
        }
    }
}

/// resident and shared of `statm`. Units: pages.
fn statm(pid: u32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut numbers = text.split(' ').skip(1).map(str::parse::<u64>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// It waits for something, and does nothing meanwhile.
fn sleeps(pid: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}

fn start_time(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

#[test]
fn the_task_iterator_and_proc_agree_on_every_process_that_keeps_still() {
    let Some(edge) = edge() else { return };
    let mut tasks = match Tasks::open(&edge) {
        Ok(tasks) => tasks,
        Err(why) => return assert!(skipped(&why.to_string())),
    };
    let cgroup = Cgroup::make(256).ok();
    let loads: Vec<Load> = [1, 16, 64]
        .iter()
        .map(|mib| Load::start(&["hold", &mib.to_string()], cgroup.as_ref()))
        .collect();
    let pids: Vec<u32> = loads.iter().map(Load::pid).collect();
    wait_for("they hold what they hold", SOON, || {
        let held = |&pid: &u32| statm(pid).map_or(0, |(rss, _)| rss);
        let sum = pids.iter().map(held).sum::<u64>();
        // Beside it all have their own code: so much may be there before the last one is done.
        let is_done = sum > 81 * 256 && pids.iter().all(|&pid| sleeps(pid));
        if is_done { Ok(()) } else { Err(format!("{sum} pages")) }
    });
    let mut seen: BTreeMap<u32, TaskRecord> = BTreeMap::new();
    let count = tasks.pass(|record| {
        seen.insert(record.pid, record);
    });
    assert_eq!(count.expect("a pass"), seen.len(), "no process comes twice");
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    // Each of the three counters that make up RSS may be off on each CPU.
    let off_max = 3 * batch_pages(cpus) * cpus as u64;
    for &pid in &pids {
        let record = seen.get(&pid).expect("it lives");
        let (resident, shared) = statm(pid).expect("it lives");
        let off = record.rss_pages().abs_diff(resident);
        assert!(off <= off_max, "{record:?} against {resident} pages");
        let shared_off = u64::from(record.file_pages + record.shmem_pages).abs_diff(shared);
        assert!(shared_off <= off_max, "{record:?} against {shared} shared pages");
        let ticks = rustix::param::clock_ticks_per_second();
        let start = u128::from(record.start_ns) * u128::from(ticks) / 1_000_000_000;
        assert_eq!(Some(start), start_time(pid).map(u128::from));
        if let Some(cgroup) = &cgroup {
            let inode = std::fs::metadata(cgroup.dir()).expect("it is there").ino();
            assert_eq!(record.memcg_id, inode);
        }
    }
    let kernel_thread = seen.contains_key(&2);
    assert!(!kernel_thread, "kthreadd has no memory of its own");
}

#[test]
fn the_cgroup_iterator_and_the_cgroup_files_agree_to_the_byte() {
    let Some(edge) = edge() else { return };
    let Some((version, top)) = cgroup_version() else {
        return assert!(skipped("no memory cgroup hierarchy is mounted"));
    };
    let mut cgroups = match Cgroups::open(&edge, top) {
        Ok(cgroups) => cgroups,
        Err(why) => return assert!(skipped(&why.to_string())),
    };
    let cgroup = match Cgroup::make(128) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    let load = Load::start(&["hold", "32"], Some(&cgroup));
    let page = rustix::param::page_size() as u64;
    let inode = std::fs::metadata(cgroup.dir()).expect("it is there").ino();
    wait_for("iterator and file agree", SOON, || {
        let mut own = None;
        let mut many = 0;
        let lost = cgroups.pass(|record| {
            many += 1;
            own = own.or((record.id == inode).then_some(record));
        });
        assert_eq!((lost.expect("a pass"), many > 1), (0, true));
        let record = own.expect("it is listed");
        assert_eq!(record.limit_pages.map(|pages| pages * page), Some(128 * MIB));
        let usage = cgroup.usage().expect("its file can be read");
        let same = record.usage_pages * page == usage && usage > 32 * MIB;
        if same { Ok(()) } else { Err(format!("{record:?} against {usage}")) }
    });
    drop(load);
    assert!(matches!(version, Version::V1 | Version::V2));
}
