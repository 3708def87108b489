//! History on disk: what a kill, a torn file, foreign bytes and a full disk cost.

use plimsoll_tests::{Agent, Load, skipped, wait_for};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const FLUSH_S: f64 = 2.0;
const SOON: Duration = Duration::from_secs(40);

/// An agent on `state_dir` that reads twice a second and flushes every two.
fn agent(state_dir: &Path, config: &Path) -> Agent {
    fs::write(config, "[history]\nflush_interval = \"2s\"\n").expect("the file can be written");
    let config = config.to_str().expect("the path is text");
    Agent::start_in(state_dir, &["--config", config, "--interval", "500ms"])
}

/// The times and values of a process's series. Units: Unix seconds, bytes.
fn points(agent: &Agent, id: &str) -> Vec<(f64, f64)> {
    let answer = agent.get(&format!("/api/v1/series?target={id}"));
    if answer.status != 200 {
        return Vec::new();
    }
    let series = answer.json();
    let point = |p: &serde_json::Value| Some((p[0].as_f64()?, p[1].as_f64()?));
    series["points"].as_array().expect("points").iter().filter_map(point).collect()
}

/// Waits until `id` of the running process `pid` was seen over `seconds`.
fn seen_over(agent: &Agent, pid: u32, seconds: f64) -> String {
    wait_for("its history is long enough", SOON, || {
        let answer = agent.get(&format!("/api/v1/processes/{pid}"));
        let id = answer.json()["id"].as_str().map(str::to_owned).ok_or(answer.body)?;
        let points = points(agent, &id);
        let span = points.last().map_or(0.0, |last| last.0) - points.first().map_or(0.0, |p| p.0);
        if span >= seconds { Ok(id) } else { Err(format!("{span} s of {id}")) }
    })
}

fn newest_log(dir: &Path) -> PathBuf {
    let entries = fs::read_dir(dir).expect("the state directory").flatten();
    let logs = entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "log"));
    logs.max().expect("a log")
}

#[test]
fn a_killed_agent_loses_no_more_than_one_flush_and_goes_on_with_the_same_series() {
    let scratch = tempfile::tempdir().expect("a directory");
    let config = scratch.path().join("agent.toml");
    let state = scratch.path().join("state");
    let load = Load::start(&["sawtooth", "32", "8"], None);
    let mut first = agent(&state, &config);
    let id = seen_over(&first, load.pid(), 8.0);
    let before = points(&first, &id);
    first.kill();

    let second = agent(&state, &config);
    assert_eq!(seen_over(&second, load.pid(), 8.0), id);
    let last = before.last().expect("points").0;
    let after = wait_for("it goes on", SOON, || {
        let after = points(&second, &id);
        let news = after.iter().filter(|point| point.0 > last + 3.0).count();
        if news > 2 { Ok(after) } else { Err(format!("{after:?}")) }
    });
    // A loaded machine may write a flush a little after it is due.
    let kept = before.iter().filter(|p| p.0 <= last - FLUSH_S - 2.0);
    let mut count = 0;
    for &(time, value) in kept {
        count += 1;
        let same = |p: &&(f64, f64)| (p.0 - time).abs() < 0.05 && (p.1 - value).abs() < 1.0;
        assert!(after.iter().any(|p| same(&p)), "{time} {value} is lost of {before:?}: {after:?}");
    }
    assert!(count >= 4, "{before:?}");
    assert!(!second.log().contains("torn"), "{}", second.log());
}

#[test]
fn a_torn_log_costs_its_tail_and_foreign_bytes_are_set_aside() {
    let scratch = tempfile::tempdir().expect("a directory");
    let config = scratch.path().join("agent.toml");
    let state = scratch.path().join("state");
    let load = Load::start(&["sawtooth", "32", "8"], None);
    let mut first = agent(&state, &config);
    let id = seen_over(&first, load.pid(), 10.0);
    let begun = points(&first, &id).first().expect("points").0;
    first.kill();
    let log = newest_log(&state);
    let length = fs::metadata(&log).expect("the log").len();
    let file = OpenOptions::new().write(true).open(&log).expect("the log");
    file.set_len(length - 7).expect("it can be cut");
    fs::write(state.join("history-0000009999.log"), b"\x00garbage\xff".repeat(100)).expect("room");

    let second = agent(&state, &config);
    let said = second.log();
    assert!(said.contains("torn or damaged"), "{said}");
    assert!(said.contains("set aside"), "{said}");
    let after = wait_for("the series is there", SOON, || {
        let after = points(&second, &id);
        if after.is_empty() { Err(second.log()) } else { Ok(after) }
    });
    assert!((after[0].0 - begun).abs() < 1.0, "it began at {begun}: {after:?}");
    assert!(second.source("history").starts_with("[+]"));
}

/// A small disk of its own, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Result<Self, String> {
        fs::create_dir(&at).map_err(|e| e.to_string())?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "plimsoll-test"]).arg(&at);
        match mount.output() {
            Ok(done) if done.status.success() => Ok(Self(at)),
            Ok(done) => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
            Err(e) => Err(e.to_string()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a failed test may leave the agent a moment of life.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_degrades_health_until_there_is_room_again() {
    let scratch = tempfile::tempdir().expect("a directory");
    let disk = match SmallDisk::mount(scratch.path().join("disk")) {
        Ok(disk) => disk,
        Err(why) => return assert!(skipped(&why)),
    };
    let agent = agent(&disk.0, &scratch.path().join("agent.toml"));
    let filler = disk.0.join("filler");
    let mut file = fs::File::create(&filler).expect("there is room");
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    wait_for("health is degraded", SOON, || {
        let history = agent.source("history");
        if history.starts_with("[+]") { Err(history) } else { Ok(()) }
    });
    assert_eq!(agent.get("/readyz").status, 200, "it still watches");
    assert!(agent.metric("plimsoll_history_flush_failures_total") >= 1.0);
    fs::remove_file(&filler).expect("it can be removed");
    // After a failure the next attempt waits for half a minute.
    wait_for("health recovers", Duration::from_secs(120), || {
        let history = agent.source("history");
        if history.starts_with("[+]") { Ok(()) } else { Err(history) }
    });
}
