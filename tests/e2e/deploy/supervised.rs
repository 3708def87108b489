//! What agent and cache tell systemd, heard at a socket as systemd's.

use plimsoll_tests::{Agent, Cache, binary, plimsoll, wait_for};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
/// `WatchdogSec=` as a service is told of it.
const WATCHDOG_US: &str = "1500000";

/// The socket of which a service learns by its environment.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        Self(socket)
    }

    fn tell_of_it(command: &mut Command, path: &Path) {
        command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", WATCHDOG_US);
        command.env_remove("WATCHDOG_PID");
    }

    /// The next words that hold `wanted`; what else is said before it goes by.
    #[track_caller]
    fn hears(&self, wanted: &str) -> String {
        wait_for(wanted, SOON, || {
            let mut words = [0; 4096];
            let len = self.0.recv(&mut words).map_err(|e| e.to_string())?;
            let words = String::from_utf8_lossy(&words[..len]).into_owned();
            if words.lines().any(|line| line.starts_with(wanted)) { Ok(words) } else { Err(words) }
        })
    }
}

fn hang_up(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::HUP)
        .expect("it is there");
}

#[test]
fn an_agent_says_that_it_is_ready_alive_reloading_and_stopping() {
    let scratch = tempfile::tempdir().expect("a directory");
    let socket = scratch.path().join("notify");
    let manager = Manager::at(&socket);
    let state = scratch.path().to_str().expect("text");
    let mut command = plimsoll(&["run", "--listen", "127.0.0.1:0", "--state-dir", state]);
    command.env("PLIMSOLL_PRESSURE_SOCKET", scratch.path().join("pressure.sock"));
    Manager::tell_of_it(&mut command, &socket);
    let mut agent = Agent::spawn(command, scratch.path());
    let ready = manager.hears("READY=1");
    assert!(ready.contains(&format!("STATUS=listens on {}", agent.address)), "{ready}");
    manager.hears("WATCHDOG=1");
    hang_up(agent.pid());
    let reloading = manager.hears("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    assert!(manager.hears("READY=1").contains("was read anew"));
    assert_eq!(agent.terminate(), Some(0));
    manager.hears("STOPPING=1");
}

#[test]
fn a_cache_says_that_it_is_ready_alive_reloading_and_stopping() {
    let scratch = tempfile::tempdir().expect("a directory");
    let socket = scratch.path().join("notify");
    let manager = Manager::at(&socket);
    let mut command = Command::new(binary("plimsoll-cache"));
    command.args(["-p", "-1", "--admin", "127.0.0.1:0"]);
    Manager::tell_of_it(&mut command, &socket);
    let mut cache = Cache::spawn(command);
    assert!(manager.hears("READY=1").contains("STATUS=listens on "));
    manager.hears("WATCHDOG=1");
    hang_up(cache.pid());
    manager.hears("RELOADING=1");
    manager.hears("READY=1");
    cache.terminate();
    manager.hears("STOPPING=1");
}
