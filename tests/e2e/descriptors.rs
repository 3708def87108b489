//! An agent that may open hardly any file still reads everyone.

use plimsoll_tests::{Agent, Load, binary, wait_for};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
const SLEEPERS: usize = 300;

#[test]
fn with_64_descriptors_it_says_so_and_reads_all_of_300_processes() {
    let state = tempfile::tempdir().expect("a directory");
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""]).arg(binary("plimsoll"));
    limited.args(["run", "--listen", "127.0.0.1:0", "--interval", "1s", "--state-dir"]);
    limited.arg(state.path());
    let sleepers: Vec<Load> =
        (0..SLEEPERS).map(|_| Load::of(Command::new("sleep").arg("600"))).collect();
    let pids: BTreeSet<u32> = sleepers.iter().map(Load::pid).collect();
    let mut agent = Agent::spawn(limited, state.path());

    wait_for("health says what is short", SOON, || {
        let source = agent.source("descriptors");
        if source.starts_with("[+]") { Err(source) } else { Ok(()) }
    });
    let now = agent.json("/api/v1/node")["at"].as_str().expect("a time").to_owned();
    wait_for("all are read after that", SOON, || {
        let all = agent.json("/api/v1/processes?limit=10000");
        let rows = all["processes"].as_array().expect("a list").iter();
        // Both are RFC 3339 in UTC, of one length.
        let fresh = rows.filter(|row| row["at"].as_str().is_some_and(|at| at > now.as_str()));
        let read: BTreeSet<u32> =
            fresh.filter_map(|row| u32::try_from(row["pid"].as_u64()?).ok()).collect();
        let missing = pids.difference(&read).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} of {SLEEPERS} are missing")) }
    });
    assert_eq!(agent.get("/readyz").status, 200);
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
    assert_eq!(agent.terminate(), Some(0));
}
