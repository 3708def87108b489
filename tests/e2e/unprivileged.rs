//! An agent without any right watches what everybody may see, and says what it cannot.

use plimsoll_tests::{Agent, Load, binary, skipped, wait_for};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const NOBODY: u32 = 65_534;

#[test]
fn as_nobody_it_works_and_says_what_it_cannot_see() {
    if !rustix::process::geteuid().is_root() {
        return assert!(skipped("only root can become nobody"));
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        return assert!(skipped("there is no setpriv"));
    }
    let scratch = tempfile::tempdir().expect("a directory");
    let program = scratch.path().join("plimsoll");
    let state = scratch.path().join("state");
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::copy(binary("plimsoll"), &program).expect("the program can be copied");
    fs::create_dir(&state).expect("room");
    chown(&state, Some(NOBODY), Some(NOBODY)).expect("root may");
    let mut unprivileged = Command::new("setpriv");
    unprivileged
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .args(["--inh-caps=-all", "--bounding-set=-all"])
        .arg(&program)
        .args(["run", "--listen", "127.0.0.1:0", "--state-dir"])
        .arg(&state);
    let load = Load::start(&["hold", "32"], None);
    let mut agent = Agent::spawn(unprivileged, &state);

    let row = wait_for("a process of root is seen", SOON, || {
        let answer = agent.get(&format!("/api/v1/processes/{}", load.pid()));
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.body) }
    });
    assert_eq!(row["comm"], "plimsoll-load");
    assert!(row["rss_bytes"].as_u64().is_some_and(|rss| rss > 32 << 20), "{row}");
    assert!(row["exe"].is_null(), "the kernel shows it to the owner only: {row}");
    let seen = wait_for("it says why it has no PSS", SOON, || {
        let answer = agent.get(&format!("/api/v1/processes/{}", load.pid())).json();
        let note = answer["smaps_note"].as_str().unwrap_or_default().to_owned();
        if note.contains("not allowed") { Ok(answer) } else { Err(note) }
    });
    assert!(seen["pss_bytes"].is_null());

    let smaps = agent.source("smaps");
    assert!(smaps.starts_with("[-]") && smaps.contains("CAP_SYS_PTRACE"), "{smaps}");
    assert!(agent.source("history").starts_with("[+]"), "{}", agent.source("history"));
    assert_eq!(agent.get("/readyz").status, 200);
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
    assert_eq!(agent.terminate(), Some(0));
}
