//! The page in Chromium against a real agent: runs `tests/browser/live.test.mjs`.

use plimsoll_tests::{Agent, Cgroup, Load, skipped, wait_for};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// As long as a comm may be: markup that would run a script if it were taken for markup.
const HOSTILE: &str = "<img onerror=x>";

#[test]
fn the_page_shows_this_machine_in_chromium() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    let missing = [
        (!Path::new(&chromium).exists()).then_some("chromium: apt-get install chromium"),
        (!folder.join("node_modules").exists())
            .then_some("tests/browser/node_modules: npm ci --ignore-scripts in tests/browser"),
    ];
    if let Some(what) = missing.into_iter().flatten().next() {
        assert!(skipped(what));
        return;
    }
    let agent = Agent::start(&[]);
    let cgroup = Cgroup::make(2048).ok();
    let leak = Load::named(Some("leaks-steadily"), &["leak", "8"], cgroup.as_ref());
    let _hostile = Load::named(Some(HOSTILE), &["hold", "600"], None);
    wait_for("the leak is watched", Duration::from_secs(30), || {
        let answer = agent.try_get(&format!("/api/v1/processes/{}", leak.pid()))?;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    });
    let mut node = Command::new("node");
    node.args(["--test", "live.test.mjs"])
        .current_dir(&folder)
        .env("PLIMSOLL_URL", format!("http://{}/", agent.address))
        .env("HOSTILE_COMM", HOSTILE)
        .stdin(Stdio::null());
    // Without a cgroup the process has no limit to be shown.
    if cgroup.is_some() {
        node.env("LEAK_PID", leak.pid().to_string());
    }
    let Ok(output) = node.output() else {
        assert!(skipped("node is not installed"));
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\nlog:\n{}", agent.log());
    assert!(said.contains("# fail 0") && said.contains("# skipped 0"), "{said}");
}
