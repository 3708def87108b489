//! What the agent says of this machine is what the kernel says of it.

use super::{PATIENCE, process};
use plimsoll_tests::{Agent, Cgroup, Load, Version, skipped, wait_for};
use serde_json::Value;
use std::fs;
use std::process::{Child, Command, Stdio};

const MIB: u64 = 1024 * 1024;

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The number after `key` in `/proc/meminfo` and its like.
fn value(path: &str, key: &str) -> u64 {
    let text = read(path);
    let line = text.lines().find(|line| line.split([':', ' ']).next() == Some(key));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.unwrap_or_else(|| panic!("{path} has no {key}"))
}

fn near(what: &str, said: &Value, real: u64, tolerance: u64) -> Result<(), String> {
    let said = said.as_u64().ok_or_else(|| format!("{what} is {said}"))?;
    if said.abs_diff(real) <= tolerance {
        return Ok(());
    }
    Err(format!("{what}: the agent says {said}, the kernel {real}"))
}

#[test]
fn the_node_is_what_the_kernel_says_it_is() {
    let kills = value("/proc/vmstat", "oom_kill");
    let agent = Agent::start(&[]);
    let node = agent.json("/api/v1/node");
    assert_eq!(node["mem_total_bytes"], value("/proc/meminfo", "MemTotal") * 1024);
    assert_eq!(node["meminfo"]["SwapTotal"], value("/proc/meminfo", "SwapTotal") * 1024);
    assert_eq!(node["hostname"], read("/proc/sys/kernel/hostname").trim());
    assert_eq!(node["kernel"], read("/proc/sys/kernel/osrelease").trim());
    assert_eq!(node["boot_id"], read("/proc/sys/kernel/random/boot_id").trim());
    assert_eq!(node["cpus"], std::thread::available_parallelism().expect("CPUs").get());
    let (total, available) = (&node["mem_total_bytes"], &node["mem_available_bytes"]);
    let used = total.as_u64().zip(available.as_u64()).map(|(total, free)| total - free);
    assert_eq!(node["used_bytes"].as_u64(), used);
    let said = node["vmstat"]["oom_kill"].as_u64();
    assert!(said >= Some(kills) && said <= Some(value("/proc/vmstat", "oom_kill")), "{said:?}");
    wait_for("memory available agrees", PATIENCE, || {
        let node = agent.json("/api/v1/node");
        let real = value("/proc/meminfo", "MemAvailable") * 1024;
        near("available", &node["mem_available_bytes"], real, 256 * MIB)
    });
    // Only the first zone's size: a balloon may change those above it at any time.
    let zoneinfo = read("/proc/zoneinfo");
    let managed = zoneinfo.lines().find_map(|line| line.trim().strip_prefix("managed"));
    let pages: u64 = managed.and_then(|n| n.trim().parse().ok()).expect("managed pages");
    wait_for("the zones are read", PATIENCE, || {
        let node = agent.json("/api/v1/node");
        let page = rustix::param::page_size() as u64;
        near("first zone", &node["zones"][0]["managed_bytes"], pages * page, 0)
    });
}

#[test]
fn a_process_is_what_the_kernel_says_it_is() {
    let agent = Agent::start(&["--interval", "1s"]);
    let load = Load::named(Some("holds-a-lot"), &["hold", "64"], None);
    let pid = load.pid();
    let shown = wait_for("the agent agrees with statm", PATIENCE, || {
        let shown = process(&agent, pid);
        let statm = read(&format!("/proc/{pid}/statm"));
        let pages: Vec<u64> = statm.split(' ').map_while(|n| n.trim().parse().ok()).collect();
        let page = rustix::param::page_size() as u64;
        near("rss", &shown["rss_bytes"], pages[1] * page, MIB)?;
        near("rss", &shown["rss_bytes"], 66 * MIB, 4 * MIB)?;
        let file = pages[2] * page;
        near("anon", &shown["anon_bytes"], pages[1] * page - file, MIB)?;
        near("virtual", &shown["virtual_bytes"], pages[0] * page, MIB)?;
        near("threads", &shown["threads"], 1, 0)?;
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count();
        near("open files", &shown["open_fds"], fds as u64, 0)?;
        near("PSS", &shown["pss_bytes"], pages[1] * page, 4 * MIB).map(|()| shown)
    });
    assert_eq!(shown["comm"], "holds-a-lot");
    assert_eq!(shown["cmdline"], "holds-a-lot hold 64");
    assert!(shown["exe"].as_str().is_some_and(|exe| exe.ends_with("/plimsoll-load")), "{shown}");
    assert_eq!(shown["uid"], rustix::process::geteuid().as_raw());
    let start: u64 = shown["id"]
        .as_str()
        .and_then(|id| id.strip_prefix(&format!("process:{pid}@"))?.parse().ok())
        .expect("the id is the process and its start");
    let stat = read(&format!("/proc/{pid}/stat"));
    let (_, after_comm) = stat.rsplit_once(") ").expect("a comm in parentheses");
    assert_eq!(after_comm.split(' ').nth(19), Some(start.to_string().as_str()));
    let began: jiff::Timestamp = shown["start_time"].as_str().expect("text").parse().expect("time");
    let age = jiff::Timestamp::now().duration_since(began).as_secs_f64();
    assert!((0.0..120.0).contains(&age), "started {age} s ago");
}

#[test]
fn a_command_line_is_shown_without_its_secrets() {
    struct Reaped(Child);
    impl Drop for Reaped {
        fn drop(&mut self) {
            // Fails only if it has ended already.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let agent = Agent::start(&[]);
    let script = ["-c", "read -r _", "--password=hunter2", "--token", "hunter3", "plain"];
    let mut shell = Command::new("/bin/sh");
    let shell = Reaped(shell.args(script).stdin(Stdio::piped()).spawn().expect("a shell starts"));
    // Between fork and exec the line is still that of this test.
    let line = wait_for("its command line", PATIENCE, || {
        let line = process(&agent, shell.0.id())["cmdline"].to_string();
        if line.contains("plain") { Ok(line) } else { Err(line) }
    });
    assert!(line.contains("--password=***") && line.contains("--token ***"), "{line}");
    assert!(!line.contains("hunter"), "{line}");
}

#[test]
fn a_cgroup_is_what_the_kernel_says_it_is() {
    let agent = Agent::start(&["--interval", "1s"]);
    let cgroup = match Cgroup::make(256) {
        Ok(cgroup) => cgroup,
        Err(why) => {
            assert!(skipped(&why));
            return;
        }
    };
    // It takes its name after it has entered; the agent looks again at whoever renames itself.
    let _load = Load::named(Some("holds-inside"), &["hold", "48"], Some(&cgroup));
    let file = match cgroup.version() {
        Version::V1 => "memory.usage_in_bytes",
        Version::V2 => "memory.current",
    };
    let shown = wait_for("the agent agrees with the kernel", PATIENCE, || {
        let all = agent.json("/api/v1/cgroups");
        let mut all = all.as_array().expect("an array").iter();
        let shown = all.find(|one| one["path"] == cgroup.path()).ok_or("it is not watched yet")?;
        let usage = read(&cgroup.dir().join(file).display().to_string());
        near("usage", &shown["usage_bytes"], usage.trim().parse().expect("bytes"), MIB)?;
        near("anon", &shown["anon_bytes"], 48 * MIB, 2 * MIB)?;
        near("processes", &shown["processes"], 1, 0).map(|()| shown.clone())
    });
    assert_eq!(shown["max_bytes"], 256 * MIB);
    assert_eq!(shown["limit_bytes"], 256 * MIB);
    let peak = shown["peak_bytes"].as_u64().unwrap_or(u64::MAX);
    assert!(peak >= 48 * MIB, "{peak}");
}

#[test]
fn the_series_of_a_process_that_grew_has_the_growth_in_it() {
    let agent = Agent::start(&[]);
    let load = Load::start(&["leak", "16"], None);
    let id = process(&agent, load.pid())["id"].as_str().expect("an id").to_owned();
    let points = wait_for("48 MiB of growth", PATIENCE, || {
        let series = agent.json(&format!("/api/v1/series?target={id}&metric=anon&from=-5m"));
        let points: Vec<(f64, f64)> = series["points"]
            .as_array()
            .expect("points")
            .iter()
            .filter_map(|point| Some((point[0].as_f64()?, point[1].as_f64()?)))
            .collect();
        let grown = points.last().map_or(0.0, |last| last.1 - points[0].1);
        if grown > 48.0 * MIB as f64 { Ok(points) } else { Err(format!("{grown} B")) }
    });
    assert!(points.len() >= 3, "{points:?}");
    assert!(points.is_sorted(), "neither time nor a leak goes back: {points:?}");
    let ((began, first), (ended, last)) = (points[0], points[points.len() - 1]);
    let mib_per_s = (last - first) / (ended - began) / MIB as f64;
    assert!((8.0..32.0).contains(&mib_per_s), "{mib_per_s} MiB/s");
    let now = jiff::Timestamp::now().as_millisecond() as f64 / 1e3;
    assert!((0.0..60.0).contains(&(now - ended)), "{ended} is not now, {now}");
}
