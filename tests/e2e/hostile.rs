//! Names and files that mean harm or make no sense: shown safely, survived, and said aloud.

use plimsoll_tests::{Agent, Cgroup, Load, binary, skipped, wait_for};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn process(agent: &Agent, pid: u32) -> Result<Value, String> {
    let answer = agent.get(&format!("/api/v1/processes/{pid}"));
    if answer.status == 200 { Ok(answer.json()) } else { Err(answer.body) }
}

/// Whether a line of `/metrics` is a comment or `name{label="value",…} number`, with every quote,
/// backslash and newline of a value escaped.
fn is_metric_line(line: &str) -> bool {
    if line.is_empty() || line.starts_with("# ") {
        return true;
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut rest = line.trim_start_matches(word);
    if let Some(labels) = rest.strip_prefix('{') {
        rest = labels;
        while !rest.starts_with('}') {
            let Some((_, value)) = rest.split_once("=\"") else { return false };
            let mut escaped = false;
            let end = value.find(|c: char| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            let Some(end) = end else { return false };
            rest = value[end + 1..].trim_start_matches(',');
        }
        rest = &rest[1..];
    }
    rest.strip_prefix(' ').is_some_and(|number| number.parse::<f64>().is_ok())
}

#[test]
fn a_hostile_name_is_shown_safely_and_its_row_can_be_told() {
    let names: [(&[u8], &str); 5] = [
        (b"new\nline", r"new\nline"),
        (b"qu\"o'te\\", r#"qu"o'te\"#),
        (b") S 1 2 3", ") S 1 2 3"),
        (b"\xff\xfe bad", "\u{fffd}\u{fffd} bad"),
        (b"<b>&amp;</b>", "<b>&amp;</b>"),
    ];
    let agent = Agent::start(&[]);
    let loads: Vec<_> = names
        .into_iter()
        .map(|(name, shown)| {
            let mut load = Command::new(binary("plimsoll-load"));
            (Load::of(load.arg0(OsStr::from_bytes(name)).args(["hold", "1"])), shown)
        })
        .collect();
    for (load, shown) in &loads {
        wait_for("its name is shown", SOON, || {
            let comm = process(&agent, load.pid())?["comm"].clone();
            if comm == *shown { Ok(()) } else { Err(format!("{comm} is not {shown}")) }
        });
    }
    let all = agent.json("/api/v1/processes?sort=pid&limit=10000");
    let rows = all["processes"].as_array().expect("a list");
    for (load, shown) in &loads {
        let row = rows.iter().find(|row| row["pid"] == load.pid()).expect("its row");
        assert_eq!(row["comm"], *shown);
        assert!(row["rss_bytes"].as_u64().is_some_and(|rss| rss > 0), "{row}");
    }
    let page = agent.get("/");
    assert!(!page.body.contains("<b>&amp;"), "names come as data, never as markup");
}

#[test]
fn a_hostile_cgroup_name_leaves_every_metric_line_whole() {
    let cgroup = match Cgroup::make(64) {
        Ok(cgroup) => cgroup,
        Err(why) => return assert!(skipped(&why)),
    };
    struct Removed<'a>(&'a Path);
    impl Drop for Removed<'_> {
        fn drop(&mut self) {
            // Nothing ever ran in it.
            let _ = fs::remove_dir(self.0);
        }
    }
    // cgroupfs refuses a newline in a name and takes all else.
    let dir = cgroup.dir().join("a\"b\\c{}=,<i>");
    fs::create_dir(&dir).expect("cgroupfs takes the name");
    let _removed = Removed(&dir);
    let agent = Agent::start(&[]);
    let path = format!("{}/a\"b\\c{{}}=,<i>", cgroup.path());
    wait_for("the cgroup is listed", SOON, || {
        let rows = agent.json("/api/v1/cgroups");
        let listed = rows.as_array().is_some_and(|rows| rows.iter().any(|r| r["path"] == path));
        if listed { Ok(()) } else { Err(format!("{rows}")) }
    });
    let text = agent.get("/metrics").body;
    assert!(text.contains(r#"a\"b\\c{}=,<i>""#), "{text}");
    for line in text.lines() {
        assert!(is_metric_line(line), "{line}");
    }
}

#[test]
fn a_program_whose_file_is_gone_keeps_its_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let exe = dir.path().join("short-lived-file");
    fs::copy(binary("plimsoll-load"), &exe).expect("the program can be copied");
    let load = Load::of(Command::new(&exe).args(["hold", "1"]));
    fs::remove_file(&exe).expect("it can be removed");
    let agent = Agent::start(&[]);
    let seen = wait_for("it is seen", SOON, || process(&agent, load.pid()));
    assert_eq!(seen["exe"], format!("{} (deleted)", exe.display()));
    let workload = seen["workload"].as_str().expect("a workload");
    assert!(workload.ends_with("/short-lived-file"), "{workload}");
}

/// A `/proc` of the test's own making.
struct FakeProc(tempfile::TempDir);

impl FakeProc {
    fn make() -> Self {
        let fake = Self(tempfile::tempdir().expect("a directory"));
        fs::create_dir_all(fake.0.path().join("sys")).expect("room");
        for (name, text) in [
            ("meminfo", "MemTotal: lots\n\0\0MemFree"),
            ("vmstat", "oom_kill -7\npgscan"),
            ("buddyinfo", "Node 0, zone"),
            ("zoneinfo", "\u{1}\u{2}\u{3}"),
            ("slabinfo", "slabinfo - version: 9.9\n"),
            ("mounts", "nonsense"),
            ("stat", "btime yesterday"),
        ] {
            fs::write(fake.0.path().join(name), text).expect("room");
        }
        for (pid, stat) in [
            ("101", "garbage"),
            ("102", "102 (cut"),
            ("103", ""),
            ("104", "104 (x) S 99999999999999999999999 1 1"),
        ] {
            fake.add(pid, stat, "1 1 1 0 0 0 0\n");
        }
        // Listed, but nothing in it: as if it had ended in between.
        fs::create_dir(fake.0.path().join("105")).expect("room");
        fs::create_dir_all(fake.0.path().join("106/stat")).expect("room");
        fs::create_dir(fake.0.path().join("99999999999999999999")).expect("room");
        fake.add("100", &stat_line(100, "honest"), "5000 1000 200 10 0 300 0\n");
        fake
    }

    fn add(&self, pid: &str, stat: &str, statm: &str) {
        let dir = self.0.path().join(pid);
        fs::create_dir(&dir).expect("room");
        fs::write(dir.join("stat"), stat).expect("room");
        fs::write(dir.join("statm"), statm).expect("room");
        fs::write(dir.join("status"), "VmRSS:\tnot a number kB\n").expect("room");
        fs::write(dir.join("cgroup"), "0::/\n").expect("room");
        fs::write(dir.join("cmdline"), b"--password=\xff\0\0\0x").expect("room");
    }
}

/// A line of `/proc/PID/stat` as Linux 6.x writes it.
fn stat_line(pid: u32, comm: &str) -> String {
    let rest = "1 1 0 -1 4194560 10 0 0 0 1 2 0 0 20 0 1 0 5000 20480000 1000 18446744073709551615 \
                1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
    format!("{pid} ({comm}) S 1 {rest}\n")
}

#[test]
fn a_proc_full_of_nonsense_degrades_health_and_hides_nothing_that_can_be_read() {
    let fake = FakeProc::make();
    let root = fake.0.path();
    let text = |path: &Path| path.to_str().expect("the path is text").to_owned();
    let (proc, sys) = (text(root), text(&root.join("sys")));
    let mut agent = Agent::start(&["--proc-root", &proc, "--sys-root", &sys, "--interval", "1s"]);

    let honest = wait_for("the readable process is seen", SOON, || process(&agent, 100));
    assert_eq!(honest["comm"], "honest");
    assert_eq!(honest["rss_bytes"], 1000 * rustix::param::page_size() as u64);
    wait_for("health says what cannot be read", SOON, || {
        let sources = [agent.source("node"), agent.source("process"), agent.source("cgroup")];
        let worse = sources.iter().all(|source| !source.starts_with("[+]"));
        if worse { Ok(()) } else { Err(format!("{sources:#?}")) }
    });
    for path in ["/api/v1/node", "/api/v1/cgroups", "/api/v1/processes", "/api/v1/verdicts"] {
        let _ = agent.json(path);
    }

    // What could be read no longer can, what could not now can, and one is gone.
    fs::write(root.join("100/statm"), "-1 x\n").expect("room");
    fs::write(root.join("101/stat"), stat_line(101, "late")).expect("room");
    wait_for("the repaired process is seen", SOON, || process(&agent, 101));
    fs::remove_dir_all(root.join("100")).expect("it can be removed");
    wait_for("the one that is gone is no longer listed", SOON, || {
        process(&agent, 100).map_or(Ok(()), |row| Err(row.to_string()))
    });
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
    assert_eq!(agent.terminate(), Some(0));
}
