//! What becomes of kills: captured logs of other kernels, counters alone, bursts, neighbours.

use super::super::{Health, Node, kills};
use super::*;
use crate::clock::Clock;
use crate::config::Config;
use crate::history::{History, HistoryParams, Split};
use crate::recorder::{Draft, compose};
use crate::sources::cgroup::testbed::{Tree, V2_CONTROLLERS};
use crate::sources::cgroup::{Layout, read_details};
use crate::sources::node::host;
use crate::sources::oom::{OomParser, kmsg};
use crate::sources::process::CgroupPaths;
use crate::sources::process::Identity;
use crate::target::ProcessId;
use crate::units::{Bytes, Limit};
use crate::verdict::State as Judgement;
use crate::view::{ConstraintView, Incident, KillKind, SeenBy};

const MEMCG_V2: &str = include_str!("../../../fixtures/oom/memcg-v2-6.12.kmsg");
const GROUP_V2: &str = include_str!("../../../fixtures/oom/group-6.12.kmsg");
const GLOBAL: &str = include_str!("../../../fixtures/oom/global-6.12.kmsg");
const MEMCG_V1: &str = include_str!("../../../fixtures/oom/memcg-v1-4.19.kmsg");

fn state() -> State {
    let mut config = Config::default();
    config.history.persist = false;
    let clock = Clock::start();
    let mut history = History::new(HistoryParams { ram_budget: Bytes::mib(2) });
    let node = Node::new(host::read(&crate::sources::Roots::default()), &mut history, clock.now());
    State::new(config, clock, node, history, None, Health::default())
}

/// The kills of a captured log, as if they had been printed at `now`.
fn captured(records: &str, now: Stamp) -> Vec<oom::OomKill> {
    let mut parser = OomParser::default();
    let record = |line: &str| kmsg::parse(line.as_bytes()).ok();
    let messages = records.lines().filter_map(record);
    let mut kills: Vec<oom::OomKill> =
        messages.filter_map(|record| parser.push(&record.text, record.at)).collect();
    for kill in &mut kills {
        kill.at = now;
    }
    kills
}

/// Enters kills as the log's drain brings them, and takes the drafts that come of them.
fn incidents(state: &mut State, kills: &[oom::OomKill], now: Stamp) -> Vec<Incident> {
    for kill in kills {
        kills::logged(state, kill, now);
    }
    drafts(state).into_iter().map(compose).collect()
}

fn drafts(state: &mut State) -> Vec<Draft> {
    let jobs = std::mem::take(&mut state.recorder.outbox);
    let draft = |job| match job {
        Job::Draft(draft) => Some(*draft),
        _ => None,
    };
    jobs.into_iter().filter_map(draft).collect()
}

/// A process that is watched, in `cgroup`, started `start_time` ticks after boot.
fn watched(state: &mut State, pid: u32, start_time: u64, cgroup: &str, mib: u64) -> Target {
    let now = state.clock.now();
    let id = ProcessId { pid, start_time };
    let identity = Identity {
        id,
        ppid: 1,
        comm: format!("p{pid}"),
        exe: Some(format!("/bin/p{pid}")),
        uid: Some(7),
        kernel_thread: false,
        cgroup: CgroupPaths::default(),
    };
    let index =
        state.processes.add(identity, &mut state.history, now.minus(Duration::from_secs(60)));
    let path = state.processes.name(cgroup);
    let process = state.processes.get_mut(index).unwrap();
    process.facts.cgroup_path = Some(path);
    let used = Bytes::mib(mib);
    process.track.split = Split { used, anon: used, ..Split::default() };
    let series = process.track.series;
    for second in 0..60_u32 {
        let used = Bytes(used.0 / 60 * u64::from(second + 1));
        let at = now.minus(Duration::from_secs(u64::from(60 - second)));
        state.history.push(series, at, Split { used, anon: used, ..Split::default() });
    }
    Target::Process(id)
}

#[test]
fn a_kill_on_cgroup_v2_is_told_with_victim_limit_and_tasks() {
    let mut state = state();
    let now = state.clock.now();
    let kills = captured(MEMCG_V2, now);
    let incident = incidents(&mut state, &kills[..1], now).remove(0);
    let victim = &incident.victims[0];
    assert_eq!(victim.pid, Some(kills[0].victim_pid));
    assert_eq!(victim.rss_bytes.is_some(), victim.anon_bytes.is_some());
    assert_eq!(incident.constraint, ConstraintView::Memcg);
    let memcg = incident.memcg.as_ref().unwrap();
    assert!(matches!(memcg.limit_bytes, Limit::At(_)) && memcg.usage_bytes.is_some());
    assert!(incident.task_dump.iter().any(|task| Some(task.pid) == victim.pid));
    assert_eq!(incident.kind, KillKind::Unknown, "nobody watched its cgroup");
    assert!(incident.summary.contains(&memcg.path), "{}", incident.summary);
    assert!(incident.notes.iter().any(|note| note.contains("not watched")));
}

#[test]
fn a_cgroup_killed_as_a_whole_is_one_incident_with_all_its_victims() {
    let mut state = state();
    let now = state.clock.now();
    let kills = captured(GROUP_V2, now);
    assert!(kills.len() > 1);
    let incidents = incidents(&mut state, &kills, now);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].victims.len(), kills.len());
    assert_eq!(incidents[0].kind, KillKind::Group);
    assert!(incidents[0].victims.iter().skip(1).all(|victim| victim.by_group));
    assert_eq!(state.recorder.counters.incidents, 1);
}

#[test]
fn a_kill_outside_of_any_cgroup_is_the_nodes() {
    let mut state = state();
    let now = state.clock.now();
    let kills = captured(GLOBAL, now);
    let incident = incidents(&mut state, &kills[..1], now).remove(0);
    assert_eq!((incident.kind, incident.memcg.is_none()), (KillKind::Node, true));
    assert!(incident.summary.ends_with("the node was out of memory"), "{}", incident.summary);
}

#[test]
fn a_kernel_without_a_summary_line_still_gives_victim_and_limit() {
    let mut state = state();
    let now = state.clock.now();
    let kills = captured(MEMCG_V1, now);
    let incident = incidents(&mut state, &kills[..1], now).remove(0);
    assert!(incident.memcg.is_some() && incident.victims[0].comm.is_some());
}

#[test]
fn the_oldest_of_a_cgroup_is_its_main_process_and_others_are_children() {
    for (victim, kind) in [(50, KillKind::MainProcess), (51, KillKind::ChildProcess)] {
        let mut state = state();
        watched(&mut state, 50, 1_000, "/app", 40);
        watched(&mut state, 51, 2_000, "/app", 80);
        watched(&mut state, 52, 500, "/other", 90);
        let now = state.clock.now();
        let mut kill = captured(MEMCG_V2, now).remove(0);
        kill.victim_pid = victim;
        kill.memcg = Some("/app".into());
        kill.oom_memcg = Some("/app".into());
        let incident = incidents(&mut state, &[kill], now).remove(0);
        assert_eq!(incident.kind, kind);
        assert_eq!(incident.victims[0].exe.as_deref(), Some(&*format!("/bin/p{victim}")));
        let grown: Vec<&str> = incident.growers.iter().map(|g| &*g.target).collect();
        assert_eq!(grown, ["process:51@2000", "process:50@1000"], "only those of the cgroup");
        assert_eq!(incident.series[0].role, "victim");
        assert!(incident.series[0].points.len() >= 59, "every reading is there");
    }
}

#[test]
fn what_was_said_before_the_kill_is_told_with_its_error() {
    let mut state = state();
    let target = watched(&mut state, 50, 1_000, "/app", 80);
    let now = state.clock.now();
    let suspected = now.minus(Duration::from_secs(30));
    let mut verdict = verdict_of(&state, &target);
    verdict.state = Judgement::OomPredicted;
    verdict.eta_s = Some(crate::verdict::Eta { p10: 20.0, p50: 40.0, p90: f64::INFINITY });
    state.recorder.pins.pin(&target, Judgement::OomPredicted, suspected);
    state.recorder.pins.say(&verdict, &target, suspected);
    let mut kill = captured(MEMCG_V2, now).remove(0);
    kill.victim_pid = 50;
    let incident = incidents(&mut state, &[kill], now).remove(0);
    assert!(incident.foretold.predicted);
    assert_eq!(incident.foretold.predicted_before_s, Some(30.0));
    assert_eq!(incident.foretold.history[0].error_s, Some(10.0));
    assert_eq!(incident.verdict.as_ref().map(|v| v.state), Some(Judgement::OomPredicted));
    let text = serde_json::to_string(&incident).unwrap();
    assert_eq!(serde_json::from_str::<Incident>(&text).unwrap(), incident, "no infinity is left");
}

fn verdict_of(state: &State, target: &Target) -> crate::verdict::Verdict {
    super::super::verdict_of(state, target).unwrap()
}

#[test]
fn a_victim_that_has_given_up_its_memory_when_its_kill_is_heard_of_is_told_with_its_growth() {
    for is_reaped in [false, true] {
        let mut state = state();
        let target = watched(&mut state, 50, 1_000, "/app", 80);
        let killed_at = state.clock.now();
        let mut verdict = verdict_of(&state, &target);
        verdict.state = Judgement::OomPredicted;
        let suspected = killed_at.minus(Duration::from_secs(7));
        state.recorder.pins.pin(&target, Judgement::OomPredicted, suspected);
        state.recorder.pins.say(&verdict, &target, suspected);
        let index = state.processes.index_of(50).unwrap();
        let tick = state.wheel.tick_at(killed_at);
        super::super::ending::without_memory(&mut state, index, tick, killed_at);
        super::super::ending::without_memory(&mut state, index, tick, killed_at);
        assert_eq!(state.processes.by_pid(50).unwrap().track.split, Split::default());
        if is_reaped {
            super::super::discovery::retire(&mut state, index, killed_at);
        }
        let mut kill = captured(MEMCG_V2, killed_at).remove(0);
        (kill.victim_pid, kill.memcg) = (50, Some("/app".into()));
        kill.oom_memcg = Some("/app".into());
        let incident = incidents(&mut state, &[kill], killed_at).remove(0);
        let grower = &incident.growers[0];
        assert!(grower.victim && grower.grown_bytes > Bytes::mib(70), "{grower:?}");
        assert_eq!(incident.foretold.predicted_before_s.map(f64::round), Some(7.0));
        assert_eq!(incident.victims.len(), 1);
    }
}

#[test]
fn a_victim_that_was_next_to_nothing_when_last_read_is_known_all_the_same() {
    let mut state = state();
    let now = state.clock.now();
    let target = watched(&mut state, 50, 1_000, "/app", 0);
    let index = state.processes.index_of(50).unwrap();
    super::super::discovery::retire(&mut state, index, now);
    let mut kill = captured(MEMCG_V2, now).remove(0);
    (kill.victim_pid, kill.start_time) = (50, Some(1_000));
    let incident = incidents(&mut state, &[kill.clone()], now).remove(0);
    assert_eq!(incident.victims[0].target, Some(target.to_string()));
    kill.start_time = Some(2_000);
    kill.oom_memcg = Some("/elsewhere".into());
    let incident = incidents(&mut state, &[kill], now).remove(0);
    assert_eq!(incident.victims[0].target, None, "the kernel says that it was another");
}

#[test]
fn a_kill_whose_counter_was_read_before_it_was_missed_is_still_told_of_its_cgroup() {
    let tree = Tree::new();
    tree.write("sys/fs/cgroup/cgroup.controllers", V2_CONTROLLERS);
    tree.write("sys/fs/cgroup/app/memory.stat", "anon 1\n");
    tree.write("sys/fs/cgroup/app/memory.max", "max\n");
    tree.write("sys/fs/cgroup/app/memory.events", "oom_kill 3\n");
    let mut state = state();
    let now = state.clock.now();
    let layout = Layout::detect(&tree.roots()).unwrap();
    let index = state.cgroups.add(&"/app".into(), &mut state.history, now);
    let details = read_details(&layout, "/app").unwrap();
    let cgroup = state.cgroups.get_mut(index).unwrap();
    // Two were told of; the third is in the details that were read since.
    (cgroup.details, cgroup.kills_told) = (Some(Box::new(details)), Some(2));
    state.cgroup_layout = Some(layout.into());
    kills::counted(&mut state, 1, now);
    let incident = compose(drafts(&mut state).remove(0));
    assert_eq!(incident.memcg.map(|memcg| memcg.path), Some("/app".to_owned()));
    assert_eq!(state.cgroups.get(index).unwrap().kills_told, Some(3));
}

#[test]
fn where_only_counters_tell_who_ended_there_is_taken_for_the_victim() {
    let mut state = state();
    watched(&mut state, 50, 1_000, "/app", 80);
    let now = state.clock.now();
    let index = state.processes.index_of(50).unwrap();
    super::super::discovery::retire(&mut state, index, now);
    let kill = Kill { log: None, memcg: Some("/app"), cgroup: Some("/app"), count: 3 };
    killed(&mut state, &kill, now);
    let incident = compose(drafts(&mut state).remove(0));
    assert_eq!((incident.seen_by, incident.victims_left_out), (SeenBy::Counters, 2));
    assert_eq!((incident.victims[0].pid, incident.victims[0].inferred), (Some(50), true));
    assert!(incident.summary.contains("probably p50"), "{}", incident.summary);
    let nobody = Kill { log: None, memcg: None, cgroup: None, count: 1 };
    killed(&mut state, &nobody, now);
    let incident = compose(drafts(&mut state).remove(0));
    assert_eq!((incident.kind, incident.victims[0].pid), (KillKind::Node, None));
}

#[test]
fn kills_in_two_cgroups_are_two_incidents_with_ids_of_their_own() {
    let mut state = state();
    let now = state.clock.now();
    let mut kills = captured(MEMCG_V2, now);
    kills.truncate(1);
    let mut other = kills[0].clone();
    other.oom_memcg = Some("/elsewhere".into());
    kills.push(other);
    let incidents = incidents(&mut state, &kills, now);
    assert_eq!(incidents.len(), 2);
    assert_ne!(incidents[0].id, incidents[1].id);
    assert!(incidents.iter().all(|incident| crate::recorder::shelf::is_id(&incident.id)));
}

#[test]
fn a_kill_that_an_earlier_run_recorded_is_not_told_again() {
    let mut state = state();
    let now = state.clock.now();
    let mut kill = captured(MEMCG_V2, now).remove(0);
    kill.before_start = true;
    for incident in incidents(&mut state, &[kill.clone()], now) {
        assert_eq!(incident.seen_by, SeenBy::KernelLogLater);
        state.shelf.put(incident);
    }
    let told = state.counters.oom_kills;
    assert_eq!(incidents(&mut state, &[kill], now), []);
    assert_eq!((told, state.counters.oom_kills), (1, 1));
}

#[test]
fn a_flood_of_kills_is_bounded_and_counted() {
    let mut state = state();
    let now = state.clock.now();
    let kill = captured(MEMCG_V2, now).remove(0);
    let flood = (0..100).map(|n| {
        let memcg = Some(format!("/app-{n}"));
        oom::OomKill { oom_memcg: memcg, victim_pid: 1_000 + n, ..kill.clone() }
    });
    let flood: Vec<oom::OomKill> = flood.collect();
    assert_eq!(incidents(&mut state, &flood, now).len(), crate::recorder::OUTBOX_MAX);
    assert_eq!(state.recorder.counters.dropped, 84);
    assert_eq!(state.counters.oom_kills, 100, "the kills themselves are counted");
}
