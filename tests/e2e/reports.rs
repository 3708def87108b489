//! Heap reports of a real leaking program: from the command, from the agent, in every format, read
//! by the tools that they are made for; what is kept, for whom, and what never appears in them.

mod agent;

use plimsoll_tests::live::roster::Source;
use plimsoll_tests::live::workshop::Workshop;
use plimsoll_tests::{Load, binary, plimsoll, ran, skipped, wait_for};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const MIB: u64 = 1 << 20;
/// In the arguments and the environment of the program; nothing that is shown may hold it.
const SECRET: &str = "hunter2-9f31";

/// A C program that has leaked some MiB and goes on; None where there is no compiler.
fn leaking() -> Option<(Workshop, Load)> {
    let binaries = binary("plimsoll").parent().expect("a directory").to_owned();
    let source = Source::C("leak");
    let workshop = match Workshop::build(&[source], &binaries) {
        Ok(workshop) => workshop,
        Err(why) => {
            assert!(skipped(&why));
            return None;
        }
    };
    let words = workshop.start(source, &[]);
    let mut command = Command::new(&words[0]);
    let with_secret = format!("4000 --password={SECRET}");
    command.args(&words[1..]).args(["linear", "8000", "0", "10", &with_secret]);
    command.env("DB_PASSWORD", SECRET);
    let load = Load::of(&mut command);
    wait_for("it has leaked", SOON, || {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", load.pid()));
        let statm = statm.map_err(|e| e.to_string())?;
        let pages = statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        if pages * 4096 > 8 * MIB { Ok(()) } else { Err(statm) }
    });
    Some((workshop, load))
}

/// Runs `plimsoll report` with arguments; it succeeds. What it printed.
#[track_caller]
fn report(args: &[&str]) -> String {
    let output = plimsoll(&[&["report"], args].concat()).output().expect("plimsoll starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {complaint}");
    assert_eq!(complaint, "", "no progress where nobody looks");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
fn json_of(path: &Path) -> Value {
    let text = std::fs::read(path).expect("the report is there");
    serde_json::from_slice(&text).expect("JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// A profile that Go's own tool opens, with what it lists by `sample`.
fn opened_by_go(profile: &Path, sample: &str) -> Option<String> {
    let mut go = Command::new("go");
    go.args(["tool", "pprof", "-top", &format!("-sample_index={sample}")]).arg(profile);
    let Ok(output) = go.stdin(Stdio::null()).output() else {
        assert!(skipped("go is not installed"));
        return None;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    Some(said)
}

/// Whether a real XML parser reads it as one SVG element.
#[track_caller]
fn is_svg(drawing: &Path) {
    let parse = "import sys, xml.dom.minidom as m\n\
                 root = m.parse(sys.argv[1]).documentElement\n\
                 assert root.tagName == 'svg' and root.getElementsByTagName('rect'), root.tagName\n\
                 assert not root.getElementsByTagName('script')";
    let mut python = Command::new("python3");
    let Ok(output) = python.args(["-c", parse]).arg(drawing).output() else {
        assert!(skipped("python3 is not installed"));
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Says what every report of the leaking program has to say.
#[track_caller]
fn check(report: &Value, pid: u32) {
    assert_eq!(report["schema"], "plimsoll.report/1");
    assert_eq!((&report["identity"]["pid"], &report["method"]["level"]), (&pid.into(), &0.into()));
    assert_eq!(report["method"]["pause_us"], 0, "level 0 leaves it alone");
    assert_eq!(report["leaks"], Value::Null, "what was not looked for is null");
    let total = report["rss"]["total_bytes"].as_u64().expect("the resident set");
    let parts = report["rss"]["parts"].as_object().expect("its parts");
    let parts = parts.iter().filter(|(name, _)| !["thp", "swap"].contains(&name.as_str()));
    let sum: u64 = parts.filter_map(|(_, n)| n.as_u64()).sum();
    assert_eq!(sum, total, "the parts add up");
    assert_eq!(report["allocator"]["name"], "glibc");
    let in_use = report["allocator"]["in_use_bytes"].as_u64().expect("what is in use");
    assert!(in_use > 6 * MIB && in_use < total, "{in_use} of {total}");
    assert!(!report["verdict"].is_null());
    assert!(!report.to_string().contains(SECRET), "{report:#}");
    let cmdline = report["identity"]["cmdline"].to_string();
    assert!(cmdline.contains("--password=***"), "{cmdline}");
}

/// Says what a report of level 1 has to say of the leaking program.
#[track_caller]
fn check_lost(report: &Value, pid: u32) {
    let method = &report["method"];
    assert_eq!((&report["identity"]["pid"], &method["level"]), (&pid.into(), &1.into()));
    assert_eq!((&method["freeze"], &method["complete"]), (&"ptrace".into(), &true.into()));
    assert!(method["pause_us"].as_u64().is_some_and(|us| us > 0), "{method}");
    let lost = report["leaks"]["unreachable_bytes"].as_u64().expect("what is lost");
    assert!(lost > 4 * MIB, "{}", report["leaks"]);
    let cause = &report["verdict"]["cause"];
    assert_eq!(cause, "heap_leak", "{}", report["verdict"]);
    assert!(!report.to_string().contains(SECRET), "{report:#}");
}

#[test]
fn what_a_program_lost_is_found_without_an_agent_and_the_program_goes_on() {
    let Some((_workshop, load)) = leaking() else { return };
    let pid = load.pid().to_string();
    let asked = [&pid, "--level", "1", "--max-pause-ms", "10000", "--format", "json"];
    let taken: Value = serde_json::from_str(&report(&asked)).expect("a report is JSON");
    check_lost(&taken, load.pid());
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it goes on");
    assert!(status.contains("TracerPid:\t0"), "{status}");
}

#[test]
fn a_leaking_program_is_looked_into_without_an_agent_and_in_every_format() {
    let Some((_workshop, load)) = leaking() else { return };
    let scratch = tempfile::tempdir().expect("a directory");
    let pid = load.pid().to_string();
    let file = |name: &str| scratch.path().join(name);
    let before = file("a.json");
    assert_eq!(report(&[&pid, "--out", text(&before)]), "");
    check(&json_of(&before), load.pid());
    let mode = before.metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for its owner only");

    let shown = report(&[&pid]);
    for part in ["VERDICT", "RESIDENT", "glibc", "FRAGMENTATION", "the process was never stopped"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains(SECRET) && !shown.contains('\u{1b}'), "{shown}");
    let printed: Value = serde_json::from_str(&report(&[&pid, "--format", "json"])).expect("JSON");
    check(&printed, load.pid());

    let profile = file("p.pb.gz");
    report(&[&pid, "--out", text(&profile)]);
    if let Some(said) = opened_by_go(&profile, "inuse_space") {
        assert!(said.contains("Type: inuse_space") && said.contains("blocks of"), "{said}");
    }
    if let Some(said) = opened_by_go(&profile, "leaked_objects") {
        assert!(said.contains("Type: leaked_objects"), "{said}");
    }
    let drawing = file("p.svg");
    report(&[&pid, "--out", text(&drawing)]);
    is_svg(&drawing);
    differences(&pid, &before, scratch.path());
}

#[test]
fn a_window_names_the_functions_that_allocate_what_is_lost_in_every_format() {
    let Some((_workshop, load)) = leaking() else { return };
    let scratch = tempfile::tempdir().expect("a directory");
    let pid = load.pid().to_string();
    let args = |rest: &[&str]| {
        let level = [&pid, "--level", "2", "--window-s", "1", "--max-pause-ms", "10000"];
        report(&[&level, rest].concat())
    };
    let found: Value = serde_json::from_str(&args(&["--format", "json"])).expect("JSON");
    let method = &found["method"];
    if method["level"] == 1 && method["notes"].to_string().contains("could not be trapped") {
        assert!(skipped(&method["notes"].to_string()));
        return;
    }
    assert_eq!(method["level"], 2, "{method}");
    assert!(method["window_s"].as_f64().is_some_and(|s| (0.5..5.0).contains(&s)), "{method}");
    let stack = &found["leaks"]["by_stack"][0];
    assert!(stack["frames"].to_string().contains("main"), "{stack}");
    assert!(stack["count"].as_u64().is_some_and(|count| count > 0), "{stack}");

    let shown = args(&[]);
    assert!(shown.contains("by stack") && shown.contains("main"), "{shown}");
    let drawing = scratch.path().join("w.svg");
    args(&["--out", text(&drawing)]);
    is_svg(&drawing);
    assert!(std::fs::read_to_string(&drawing).expect("it is there").contains("main"));
    let profile = scratch.path().join("w.pb.gz");
    args(&["--out", text(&profile)]);
    if let Some(said) = opened_by_go(&profile, "leaked_space") {
        assert!(said.contains("main"), "{said}");
    }
}

/// What changed after it has leaked more, in the three formats.
fn differences(pid: &str, before: &Path, scratch: &Path) {
    let after = scratch.join("b.json");
    let was = json_of(before)["allocator"]["in_use_bytes"].as_u64().expect("what is in use");
    wait_for("it leaks on", SOON, || {
        report(&[pid, "--out", text(&after)]);
        let is = json_of(&after)["allocator"]["in_use_bytes"].as_u64().unwrap_or(0);
        if is > was + 2 * MIB { Ok(()) } else { Err(is.to_string()) }
    });
    let pair = [text(before), text(&after)];
    let said = report(&["diff", pair[0], pair[1]]);
    assert!(said.contains("+") && said.contains("allocator.in use bytes"), "{said}");
    let diff = report(&["diff", pair[0], pair[1], "--format", "json"]);
    let diff: Value = serde_json::from_str(&diff).expect("JSON");
    assert_eq!(
        (&diff["schema"], &diff["same_life"]),
        (&"plimsoll.report-diff/1".into(), &true.into())
    );
    assert!(diff["bytes"]["rss.total_bytes"]["delta"].as_i64().is_some_and(|n| n > 0), "{diff:#}");
    let drawing = scratch.join("d.svg");
    report(&["diff", pair[0], pair[1], "--out", text(&drawing)]);
    is_svg(&drawing);
}

#[test]
fn what_cannot_be_reported_on_is_told_with_a_reason_and_an_exit_code() {
    let scratch = tempfile::tempdir().expect("a directory");
    let file = |name: &str, content: &str| {
        let path = scratch.path().join(name);
        std::fs::write(&path, content).expect("it is written");
        path
    };
    let torn = file("torn.json", "{\n  \"schema\": \"plimsoll.report/1\",\n  \"taken_at\": \"x\"");
    let other = file("other.json", "{\"schema\": \"plimsoll.incident/1\"}");
    let own = std::process::id().to_string();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["4194304"], 1, "no process has the pid 4194304"),
        (&["2"], 1, "kernel thread"),
        (&[], 2, "<PID>"),
        (&["0"], 2, "0 is not in"),
        (&[&own, "--level", "3"], 2, "3 is not in"),
        (&["diff", text(&torn), text(&torn)], 1, "torn.json:3:17: "),
        (&["diff", text(&other), text(&torn)], 1, "its schema is 'plimsoll.incident/1'"),
        (&["diff", "/nowhere/a.json", text(&torn)], 1, "/nowhere/a.json: cannot be read"),
    ];
    for (args, code, reason) in cases {
        let output = ran(&[&["report"], args].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Without kernel threads in sight pid 2 is somebody else, or nobody.
        let unseen = args == ["2"] && !Path::new("/proc/2/stat").exists();
        assert!(unseen || said.contains(reason), "{args:?}: {said}");
        assert!(unseen || output.status.code() == Some(code), "{args:?}: {:?}", output.status);
    }
}
