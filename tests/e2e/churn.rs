//! Processes that come and go, change their program, and inherit each other's number.

use plimsoll_tests::{Agent, Load, skipped, wait_for};
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(30);

fn process(agent: &Agent, pid: u32) -> Result<Value, String> {
    let answer = agent.get(&format!("/api/v1/processes/{pid}"));
    if answer.status == 200 { Ok(answer.json()) } else { Err(answer.body) }
}

fn pids_now() -> usize {
    let numbered = |name: &std::ffi::OsStr| name.to_str().is_some_and(|n| n.parse::<u32>().is_ok());
    let proc = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    proc.filter(|entry| numbered(&entry.file_name())).count()
}

/// Descriptors of the agent that are none of the kept files.
fn other_descriptors(agent: &Agent) -> f64 {
    let open = fs::read_dir(format!("/proc/{}/fd", agent.pid())).expect("it runs").count();
    open as f64 - agent.metric("plimsoll_kept_fds")
}

/// How many processes the storm has: 20,000, or what `PLIMSOLL_TESTS_FORKS` says.
fn storm() -> u32 {
    let said = std::env::var("PLIMSOLL_TESTS_FORKS").ok();
    said.map_or(20_000, |n| n.parse().expect("PLIMSOLL_TESTS_FORKS is a number"))
}

#[test]
fn a_storm_of_forks_is_counted_and_leaves_nothing_behind() {
    let agent = Agent::start(&[]);
    let before = other_descriptors(&agent);
    let short_lived = || agent.metric("plimsoll_short_lived_processes_total");
    let cpu = || agent.metric("plimsoll_agent_cpu_seconds_total");
    let (counted, used, begun) = (short_lived(), cpu(), Instant::now());

    let forks = storm();
    let mut children = Command::new("sh");
    children.args(["-c", "i=0; while [ $i -lt $0 ]; do (:); i=$((i+1)); done"]);
    let mut load = Load::of(children.arg(forks.to_string()));
    wait_for("the storm is over", Duration::from_secs(60 + u64::from(forks) / 50), || {
        assert_eq!(agent.get("/readyz").status, 200, "{}", agent.log());
        if load.ended() { Ok(()) } else { Err("it goes on".to_owned()) }
    });

    let share = (cpu() - used) / begun.elapsed().as_secs_f64();
    assert!(share < 0.5, "{share} of a core in an unoptimised build");
    if agent.source("proc_events").starts_with("[+]") {
        let most = f64::from(forks) * 0.6;
        wait_for("most were counted", SOON, || {
            let seen = short_lived() - counted;
            if seen > most { Ok(()) } else { Err(format!("{seen} of {forks}")) }
        });
    } else {
        let _ = skipped(&agent.source("proc_events"));
    }
    wait_for("no more is watched than there is", Duration::from_secs(60), || {
        let (watched, there) = (agent.metric("plimsoll_watched_processes"), pids_now());
        if watched <= there as f64 + 5.0 { Ok(()) } else { Err(format!("{watched}, not {there}")) }
    });
    wait_for("its descriptors are back", SOON, || {
        let after = other_descriptors(&agent);
        if after <= before + 8.0 { Ok(()) } else { Err(format!("{after}, before {before}")) }
    });
}

#[test]
fn a_process_that_becomes_another_program_keeps_its_history() {
    let agent = Agent::start(&["--interval", "500ms"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "read go; exec sleep 600"]).stdin(Stdio::piped());
    let mut child = shell.spawn().expect("a shell");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let pid = child.id();
    let seen = || {
        let as_shell = wait_for("the shell has a history", SOON, || {
            let row = process(&agent, pid)?;
            let points = points(&agent, row["id"].as_str().unwrap_or_default());
            if points.is_empty() { Err(row.to_string()) } else { Ok((row, points)) }
        });
        stdin.write_all(b"go\n").map_err(|e| e.to_string())?;
        let as_sleep = wait_for("it is known as sleep", SOON, || {
            let row = process(&agent, pid)?;
            let exe = row["exe"].as_str().unwrap_or_default();
            let other = row["comm"] == "sleep" && exe != as_shell.0["exe"];
            if other { Ok(row) } else { Err(row.to_string()) }
        });
        Ok::<_, String>((as_shell, as_sleep))
    };
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(seen));
    // Only now, so that it does not outlive a failed test.
    let _ = child.kill();
    let _ = child.wait();
    let ((as_shell, before), as_sleep) = match seen {
        Ok(seen) => seen.expect("the shell reads"),
        Err(failed) => std::panic::resume_unwind(failed),
    };
    let id = as_shell["id"].as_str().expect("an id");
    assert_eq!(as_sleep["id"], id, "the same process");
    assert_ne!(as_sleep["workload"], as_shell["workload"]);
    let after = points(&agent, id);
    assert_eq!(after.first().map(|p| p.0), before.first().map(|p| p.0), "history goes on");
}

fn points(agent: &Agent, id: &str) -> Vec<(f64, f64)> {
    let answer = agent.get(&format!("/api/v1/series?target={id}"));
    if answer.status != 200 {
        return Vec::new();
    }
    let point = |p: &Value| Some((p[0].as_f64()?, p[1].as_f64()?));
    let series = answer.json();
    series["points"].as_array().expect("points").iter().filter_map(point).collect()
}

/// Starts a program under the number `pid`, if nobody else takes it. Needs root.
fn start_as(pid: u32) -> Result<Load, String> {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        let last = (pid - 1).to_string();
        fs::write("/proc/sys/kernel/ns_last_pid", last).map_err(|e| format!("ns_last_pid: {e}"))?;
        let load = Load::start(&["hold", "2"], None);
        if load.pid() == pid {
            return Ok(load);
        }
    }
    Err(format!("pid {pid} could not be had again"))
}

#[test]
fn a_recycled_pid_is_another_process_with_a_history_of_its_own() {
    let agent = Agent::start(&["--interval", "500ms"]);
    let old = Load::start(&["hold", "48"], None);
    let pid = old.pid();
    let large = |points: &[(f64, f64)]| points.iter().any(|p| p.1 > 40.0 * 1024.0 * 1024.0);
    let old_id = wait_for("the first has a history", SOON, || {
        let row = process(&agent, pid)?;
        let id = row["id"].as_str().unwrap_or_default().to_owned();
        if large(&points(&agent, &id)) { Ok(id) } else { Err(row.to_string()) }
    });
    drop(old);
    let _new = match start_as(pid) {
        Ok(new) => new,
        Err(why) => return assert!(skipped(&why)),
    };
    let new_id = wait_for("the second is another", SOON, || {
        let row = process(&agent, pid)?;
        let id = row["id"].as_str().unwrap_or_default().to_owned();
        let seen = id != old_id && !points(&agent, &id).is_empty();
        if seen { Ok(id) } else { Err(row.to_string()) }
    });
    let (old, new) = (points(&agent, &old_id), points(&agent, &new_id));
    assert!(large(&old) && !large(&new), "{old:?} {new:?}");
    assert!(old.last().expect("points").0 <= new.first().expect("points").0, "{old:?} {new:?}");
}
