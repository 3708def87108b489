//! The commands as a shell meets them: what they print where, and how they end.

use plimsoll_tests::{Agent, Cgroup, Load, plimsoll, ran, skipped, wait_for};
use serde_json::Value;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// What a command that went well printed; it complained of nothing.
#[track_caller]
fn good(args: &[&str]) -> String {
    let output = ran(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", err(&output));
    assert_eq!(err(&output), "", "{args:?}");
    out(&output)
}

#[track_caller]
fn json(args: &[&str]) -> Value {
    let text = good(args);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{args:?}: {e} in {text}"))
}

#[test]
fn version_help_and_usage_errors_end_as_they_should() {
    let version = good(&["--version"]);
    assert!(version.starts_with("plimsoll 0.") && version.lines().count() == 1, "{version}");
    let help = good(&["--help"]);
    for command in ["run", "demo", "top", "leaks", "doctor", "replay", "check-config", "generate"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}");
    }
    for wrong in [
        &["frobnicate"][..],
        &["top", "--nope"],
        &["run", "--listen", "here"],
        &["run", "--interval", "soon"],
        &["top", "--sort", "size"],
        &["generate", "completion", "csh"],
        &["replay"],
    ] {
        let output = ran(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(err(&output).contains("error: "), "{wrong:?}: {}", err(&output));
        assert_eq!(out(&output), "", "{wrong:?}");
    }
}

#[test]
fn every_problem_of_a_configuration_is_told_at_once_and_nothing_starts() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("bad.toml");
    let text = "[http]\nlisten = \"here\"\n[sampling]\ncpu_budget = 7.0\nspeed = 1\n\n[nonsense]\n";
    std::fs::write(&file, text).expect("it can be written");
    let path = file.display().to_string();
    let at = |line: u32, key: &str| format!("{path}:{line}:") + "|" + key;
    let faults = [
        at(2, "http.listen"),
        at(4, "sampling.cpu_budget"),
        at(5, "sampling.speed"),
        at(7, "nonsense"),
    ];
    let commands = [
        vec!["check-config", &path],
        vec!["print-config", "--config", &path],
        vec!["run", "--config", &path],
    ];
    for command in commands {
        let output = ran(&command);
        assert_eq!(output.status.code(), Some(78), "{command:?}");
        let said = err(&output);
        for fault in &faults {
            let (place, key) = fault.split_once('|').expect("two parts");
            let told = said.lines().any(|line| line.contains(place) && line.contains(key));
            assert!(told, "{command:?} does not tell of {key} at {place}:\n{said}");
        }
        assert!(said.contains("4 problems"), "{said}");
        assert_eq!(out(&output), "");
    }
    let missing = ran(&["check-config", "/no/such/file.toml"]);
    assert_eq!(missing.status.code(), Some(78));
    assert!(err(&missing).contains("/no/such/file.toml"), "{}", err(&missing));
}

#[test]
fn the_reference_configuration_is_good_and_says_the_defaults() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("reference.toml");
    std::fs::write(&file, good(&["generate", "config"])).expect("it can be written");
    let path = file.display().to_string();
    let checked = good(&["check-config", &path]);
    assert!(checked.starts_with(&format!("ok: {path}; ")), "{checked}");
    assert!(checked.contains("http://127.0.0.1:9977/"), "{checked}");
    let values = |args: &[&str]| -> Vec<String> {
        let printed = good(args);
        let bare = printed.lines().map(|line| line.split(" #").next().unwrap_or("").trim());
        bare.filter(|line| line.contains('=')).map(str::to_owned).collect()
    };
    let with_file = values(&["print-config", "--config", &path]);
    assert!(with_file.len() >= 20, "{with_file:?}");
    assert_eq!(with_file, values(&["print-config"]));
    let set = good(&["print-config", "--listen", "127.0.0.1:1234"]);
    let line = set.lines().find(|line| line.starts_with("listen")).expect("listen");
    assert!(line.contains("\"127.0.0.1:1234\"") && line.contains("--listen"), "{line}");
}

#[test]
fn completion_and_man_page_are_taken_by_bash_and_man() {
    let script = good(&["generate", "completion", "bash"]);
    let completed = Command::new("bash")
        .args(["--norc", "-c"])
        .arg(format!(
            "{script}\nCOMP_WORDS=(plimsoll che); COMP_CWORD=1; _plimsoll plimsoll che plimsoll; \
             echo \"${{COMPREPLY[@]}}\""
        ))
        .output();
    match completed {
        Ok(output) => assert_eq!(out(&output).trim(), "check-config", "{}", err(&output)),
        Err(_) => assert!(skipped("bash is not installed")),
    }
    let page = good(&["generate", "man"]);
    assert!(page.contains(".TH plimsoll 1"), "{page}");
    for word in ["check\\-config", "\\-\\-state\\-dir", "\\-\\-insecure"] {
        assert!(page.contains(word), "{word}");
    }
    let shells = ["zsh", "fish"].map(|shell| good(&["generate", "completion", shell]));
    assert!(shells.iter().all(|script| script.contains("check-config")));
}

#[test]
fn doctor_tells_what_it_looked_at() {
    let output = ran(&["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let checks = report["checks"].as_array().expect("checks");
    let failed = checks.iter().any(|check| check["level"] == "fail");
    assert_eq!(report["ok"], !failed);
    assert_eq!(output.status.code(), Some(i32::from(failed)));
    assert!(checks.len() >= 10, "{report}");
    for check in checks {
        for key in ["name", "what", "why"] {
            assert!(check[key].as_str().is_some_and(|text| !text.is_empty()), "{check}");
        }
        assert!(check["level"] == "ok" || check["todo"].is_string(), "{check}");
    }
    let blind = ran(&["doctor", "--proc-root", "/no/such"]);
    assert_eq!(blind.status.code(), Some(1));
    assert!(out(&blind).contains("[fail]"), "{}", out(&blind));
}

#[test]
fn without_an_agent_the_commands_that_ask_one_say_so_and_fail() {
    // A port that was free a moment ago and that nobody is likely to take.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    for command in ["leaks", "top"] {
        for mode in [&["--url", &url][..], &["--json", "--url", &url]] {
            let output = ran(&[&[command], mode].concat());
            assert_eq!(output.status.code(), Some(1), "{command}");
            let said = err(&output);
            assert!(said.starts_with(&format!("plimsoll: no agent answers at {url}")), "{said}");
            assert!(said.contains("plimsoll run") && said.contains("--url"), "{said}");
            assert_eq!(out(&output), "");
        }
    }
    let odd = ran(&["leaks", "--url", "ftp://x"]);
    assert_eq!(odd.status.code(), Some(1));
    assert!(err(&odd).contains("is not the address of an agent"), "{}", err(&odd));
}

#[test]
fn top_and_leaks_tell_of_a_running_agent() {
    let agent = Agent::start(&[]);
    let cgroup = Cgroup::make(200).ok();
    let load = Load::named(Some("leaks-on"), &["leak", "2"], cgroup.as_ref());
    let url = format!("http://{}", agent.address);
    let top = wait_for("top shows it", Duration::from_secs(30), || {
        let top = good(&["top", "--once", "--sort", "used", "--url", &url]);
        if top.contains("leaks-on") { Ok(top) } else { Err(top) }
    });
    assert!(top.contains("cpus") && top.contains("mem ") && top.contains("TIME LEFT"), "{top}");
    assert!(!top.contains('\u{1b}'), "no terminal, no escapes");
    let document = json(&["top", "--json", "--sort", "used", "--url", &url]);
    assert!(document["node"]["mem_total_bytes"].as_u64() > Some(0));
    let listed = document["processes"].as_array().expect("processes");
    assert!(listed.iter().any(|process| process["pid"] == load.pid()));
    assert!(document["verdicts"].as_array().is_some_and(|all| !all.is_empty()));
    let all = json(&["leaks", "--all", "--json", "--url", &url]);
    assert!(all.as_array().expect("verdicts").iter().any(|v| v["target"]["pid"] == load.pid()));
    let path = format!("/api/v1/processes/{}", load.pid());
    wait_for("it is suspected", Duration::from_secs(120), || {
        let state = agent.json(&path)["judgement"]["state"].clone();
        if state == "ok" || state == "warming_up" { Err(state.to_string()) } else { Ok(()) }
    });
    let leaks = good(&["leaks", "--url", &url]);
    assert!(leaks.starts_with("STATE"), "{leaks}");
    assert!(leaks.contains(&format!("leaks-on[{}]", load.pid())), "{leaks}");
    let listed = json(&["leaks", "--json", "--url", &url]);
    let mine = |v: &&Value| v["target"]["pid"] == load.pid();
    let verdict = listed.as_array().expect("verdicts").iter().find(mine).expect("the leak");
    let rate = verdict["rate_bytes_per_s"].as_f64().expect("a rate") / (1024.0 * 1024.0);
    assert!((1.0..4.0).contains(&rate), "{rate} MiB/s, {verdict}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for args in [&["generate", "man"][..], &["generate", "config"], &["print-config"]] {
        let mut child = plimsoll(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("plimsoll starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(err(&output), "", "{args:?}");
    }
}
