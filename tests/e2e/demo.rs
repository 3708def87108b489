//! `plimsoll demo` as a person runs it: it tells the programs apart and cleans up after itself.

use plimsoll_tests::{binary, cgroup_version, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A demo, ended by SIGINT if the test fails.
struct Demo {
    child: Child,
    /// What `plimsoll-demo-PID` and the programs' parent are called by.
    pid: u32,
}

impl Demo {
    fn start(seconds: &str) -> Self {
        let mut command = Command::new(binary("plimsoll"));
        command.args(["demo", "--seconds", seconds, "--listen", "127.0.0.1:0"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a demo");
        Self { pid: child.id(), child }
    }

    fn interrupt(&self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).expect("a pid");
        // Fails only if it has ended already.
        let _ = kill_process(pid, Signal::INT);
    }

    fn ended(&mut self, within: Duration) -> ExitStatus {
        wait_for("the demo ends", within, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?}")),
        })
    }

    fn said(&mut self) -> String {
        let mut text = String::new();
        let stdout = self.child.stdout.as_mut().expect("stdout is piped");
        stdout.read_to_string(&mut text).expect("it prints text");
        text
    }

    /// The demo's programs that run, by the parent they die with.
    fn programs(&self) -> Vec<u32> {
        let proc = fs::read_dir("/proc").expect("/proc is mounted").flatten();
        let pids = proc.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let parent = format!("PPid:\t{}\n", self.pid);
        pids.filter(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.contains(&parent)
        })
        .collect()
    }

    fn cgroup_is_there(&self) -> bool {
        cgroup_version().is_some_and(|(_, root)| root.join(self.cgroup()).exists())
    }

    fn cgroup(&self) -> String {
        format!("plimsoll-demo-{}", self.pid)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.interrupt();
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn all_gone(pids: &[u32]) -> bool {
    pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

#[test]
fn the_demo_tells_its_three_programs_apart_within_two_minutes() {
    let mut demo = Demo::start("75");
    let programs = wait_for("three programs run", Duration::from_secs(30), || {
        let programs = demo.programs();
        if programs.len() == 3 { Ok(programs) } else { Err(format!("{programs:?}")) }
    });
    let status = demo.ended(Duration::from_secs(120));
    let said = demo.said();
    assert_eq!(status.code(), Some(0), "{said}");
    for right in ["leak      right", "plateau   right", "sawtooth  right"] {
        assert!(said.contains(right), "no '{right}' in:\n{said}");
    }
    assert!(all_gone(&programs) && !demo.cgroup_is_there(), "something is left of {programs:?}");
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let mut demo = Demo::start("75");
    let programs = wait_for("three programs run", Duration::from_secs(30), || {
        let programs = demo.programs();
        if programs.len() == 3 { Ok(programs) } else { Err(format!("{programs:?}")) }
    });
    demo.interrupt();
    let status = demo.ended(Duration::from_secs(20));
    let said = demo.said();
    assert!(status.code().is_some(), "it ends by itself: {said}");
    assert!(said.contains("Interrupted"), "{said}");
    assert!(all_gone(&programs) && !demo.cgroup_is_there(), "something is left of {programs:?}");
}
