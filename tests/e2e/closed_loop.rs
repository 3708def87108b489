//! The closed loop in the large: each scenario of `plimsoll-loop` on this machine's own cgroups.
//!
//! The driver judges; here is only said which scenarios have to pass, and how often one whose
//! promises are milliseconds may be tried on a machine that has other things to do.

use plimsoll_tests::{binary, cgroup_version, skipped};
use serde_json::Value;
use std::process::{Command, Stdio};

/// What the driver says of one scenario.
fn report(scenario: &str, more: &[&str]) -> Value {
    let mut driver = Command::new(binary("plimsoll-loop"));
    driver.args(["run", "--json", "--scenario", scenario]).args(more);
    driver.arg("--agent").arg(binary("plimsoll")).arg("--cache").arg(binary("plimsoll-cache"));
    let output = driver.stdin(Stdio::null()).output().expect("the driver starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next();
    let line = line.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"))
}

/// Runs a scenario until all its promises are kept, so often at most.
#[track_caller]
fn must_pass(scenario: &str, tries: usize) {
    if cgroup_version().is_none() || !rustix::process::geteuid().is_root() {
        return assert!(skipped("memory cgroups need root"));
    }
    let mut last = Value::Null;
    for _ in 0..tries {
        last = report(scenario, &[]);
        if last["passed"] == true {
            return;
        }
        let musts = last["musts"].as_array().expect("musts");
        let killed = musts.iter().find(|must| {
            let what = must["what"].as_str().unwrap_or_default();
            must["passed"] == false && what.contains("killed")
        });
        assert!(killed.is_none(), "no busy machine excuses a kill: {last:#}");
    }
    panic!("{last:#}");
}

#[test]
fn beside_a_leak_that_stops_nobody_is_killed_and_the_cache_gives_what_is_asked() {
    must_pass("leak-stops", 2);
}

#[test]
fn a_leak_that_goes_on_is_named_in_time_and_is_what_the_kernel_kills() {
    must_pass("leak-goes-on", 2);
}

#[test]
fn intake_at_full_speed_kills_nobody_and_gets_are_answered() {
    must_pass("full-intake", 2);
}

#[test]
fn a_burst_is_critical_at_once_and_answered_at_once() {
    must_pass("burst", 3);
}

#[test]
fn a_cache_whose_agent_is_killed_helps_itself() {
    must_pass("agent-killed", 2);
}

#[test]
fn a_cache_whose_agent_is_stopped_helps_itself() {
    must_pass("agent-stopped", 2);
}

#[test]
fn a_removed_socket_is_put_back_and_costs_nobody_his_life() {
    must_pass("socket-removed", 2);
}

#[test]
fn of_a_hundred_subscribers_one_that_never_reads_delays_neither_words_nor_answers() {
    must_pass("crowd", 3);
}

#[test]
fn an_interrupted_run_leaves_neither_processes_nor_cgroups() {
    if cgroup_version().is_none() || !rustix::process::geteuid().is_root() {
        return assert!(skipped("memory cgroups need root"));
    }
    let (_, root) = cgroup_version().expect("looked at above");
    let mut driver = Command::new(binary("plimsoll-loop"));
    driver.args(["run", "--scenario", "leak-stops"]);
    driver.arg("--agent").arg(binary("plimsoll")).arg("--cache").arg(binary("plimsoll-cache"));
    driver.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut driver = driver.spawn().expect("the driver starts");
    let dir = root.join(format!("plimsoll-loop-{}-leak-stops.service", driver.id()));
    let soon = std::time::Duration::from_secs(60);
    let inside = || std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let cache: u32 = plimsoll_tests::wait_for("the cache is inside", soon, || {
        inside().lines().next().and_then(|pid| pid.parse().ok()).ok_or_else(inside)
    });
    let pid = i32::try_from(driver.id()).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::INT)
        .expect("it runs");
    let status = driver.wait().expect("it ends");
    assert_eq!(status.code(), Some(1));
    assert!(!dir.exists() && !std::path::Path::new(&format!("/proc/{cache}")).exists());
}
