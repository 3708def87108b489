//! The same program, looked into by a running agent.

use super::{MIB, SECRET, SOON, check, check_lost, is_svg, leaking, opened_by_go};
use plimsoll_tests::{Agent, Load, skipped, wait_for};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const TOKEN: &str = "e2e-0123456789abcdef";

/// Asks for a report of `pid`; what came back.
fn ask(agent: &Agent, pid: u32, level: u8, token: Option<&str>) -> (u16, Value) {
    let body = format!("{{\"pid\":{pid},\"level\":{level}}}");
    let bearer = token.map_or_else(String::new, |t| format!("Authorization: Bearer {t}\r\n"));
    let request = format!(
        "POST /api/v1/reports HTTP/1.1\r\nHost: localhost\r\n{bearer}\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = agent.request(&request).expect("an answer");
    (answer.status, answer.json())
}

/// Has a report of level 0 taken, and returns its id once it is finished.
#[track_caller]
fn taken(agent: &Agent, pid: u32) -> String {
    let (status, made) = ask(agent, pid, 0, None);
    assert!(status == 201 || status == 202, "{status} {made}\n{}", agent.log());
    let id = made["id"].as_str().expect("an id").to_owned();
    finished(agent, &id);
    id
}

/// The report, once there is one.
#[track_caller]
fn finished(agent: &Agent, id: &str) -> Value {
    wait_for("it is finished", SOON, || {
        let answer = agent.get(&format!("/api/v1/reports/{id}"));
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.body) }
    })
}

/// The body of an answer as bytes, written to a file.
fn fetched(agent: &Agent, path: &str, into: &Path) -> String {
    let mut stream = TcpStream::connect(&agent.address).expect("the agent listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    std::fs::write(into, &answer[end + 4..]).expect("it is written");
    String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase()
}

fn kept(state: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(state.join("reports")).expect("the folder");
    let mut kept: Vec<PathBuf> = listed.map(|entry| entry.expect("an entry").path()).collect();
    kept.sort_unstable();
    kept
}

/// Where every file below a directory is searched for the secret.
#[track_caller]
fn holds_no_secret(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            holds_no_secret(&path);
        } else if path.is_file() {
            let bytes = std::fs::read(&path).expect("a file");
            let found = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

/// An agent with `[reports]` as given.
fn agent_with(state: &Path, reports: &str) -> Agent {
    let file = state.join("agent.toml");
    std::fs::write(&file, format!("[reports]\n{reports}\n")).expect("it is written");
    Agent::start_in(state, &["--config", file.to_str().expect("text")])
}

#[test]
fn an_agent_takes_keeps_serves_and_forgets_reports() {
    let Some((_workshop, load)) = leaking() else { return };
    let scratch = tempfile::tempdir().expect("a directory");
    let config = "cooldown = \"0s\"\nreports_max = 2";
    let mut agent = agent_with(scratch.path(), config);
    let first = taken(&agent, load.pid());
    let report = agent.json(&format!("/api/v1/reports/{first}"));
    check(&report, load.pid());
    assert_eq!(report["id"], first.as_str());
    formats(&agent, &first, scratch.path());
    told_of(&agent, &first, load.pid());

    let second = leaked_more(&agent, &load, &first);
    let diff = agent.json(&format!("/api/v1/reports/diff?a={first}&b={second}"));
    assert!(diff["bytes"]["rss.total_bytes"]["delta"].as_i64().is_some_and(|n| n > 0), "{diff:#}");
    let grown = agent.json(&format!("/api/v1/reports/{second}"));
    assert!(!grown["growth"].is_null(), "the earlier report is taken into account");
    let drawing = scratch.path().join("d.svg");
    fetched(&agent, &format!("/api/v1/reports/diff?a={first}&b={second}&format=svg"), &drawing);
    is_svg(&drawing);

    let third = taken(&agent, load.pid());
    wait_for("the oldest goes", SOON, || {
        let files = kept(scratch.path());
        if files.len() == 2 { Ok(()) } else { Err(format!("{files:?}")) }
    });
    for file in kept(scratch.path()) {
        assert_eq!(file.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(agent.get(&format!("/api/v1/reports/{first}")).status, 404);
    let log = agent.log();
    assert!(!log.contains(SECRET), "{log}");
    agent.kill();
    // Torn by a power cut.
    let torn = kept(scratch.path()).remove(0);
    std::fs::write(&torn, "{\"at_ms\":1,\"summary\":").expect("it is written");
    let agent = agent_with(scratch.path(), config);
    let listed = agent.json("/api/v1/reports");
    let ids: Vec<&str> =
        listed.as_array().expect("a list").iter().filter_map(|r| r["id"].as_str()).collect();
    assert!(ids.contains(&third.as_str()) && !ids.contains(&second.as_str()), "{listed:#}");
    check(&agent.json(&format!("/api/v1/reports/{third}")), load.pid());
    assert!(agent.log().contains("report.damaged"), "{}", agent.log());
    holds_no_secret(scratch.path());
}

fn formats(agent: &Agent, id: &str, scratch: &Path) {
    let profile = scratch.join("p.pb.gz");
    let head = fetched(agent, &format!("/api/v1/reports/{id}.pb.gz"), &profile);
    assert!(head.contains("content-disposition: attachment"), "{head}");
    assert!(head.contains("cache-control: no-store") && head.contains("x-robots-tag: noindex"));
    if let Some(said) = opened_by_go(&profile, "inuse_space") {
        assert!(said.contains("blocks of"), "{said}");
    }
    let drawing = scratch.join("p.svg");
    let head = fetched(agent, &format!("/api/v1/reports/{id}.svg"), &drawing);
    assert!(head.contains("content-type: image/svg+xml"), "{head}");
    is_svg(&drawing);
}

/// Who asked for it is in the log, in the stream and in the metrics.
fn told_of(agent: &Agent, id: &str, pid: u32) {
    let event = agent.event(SOON, |event| event["event"] == "report" && event["data"]["id"] == id);
    let data = &event["data"];
    assert_eq!((&data["pid"], &data["asked_by"]), (&pid.into(), &"http".into()));
    assert!(data["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{data}");
    assert!(!data.to_string().contains(SECRET), "{data}");
    let log = agent.log();
    let line = log.lines().find(|line| line.contains("audit: heap report") && line.contains(id));
    assert!(line.is_some_and(|line| line.contains("127.0.0.1:")), "{log}");
    assert!(agent.metric("plimsoll_heap_reports_total{level=\"0\"}") >= 1.0);
    assert!(agent.metric("plimsoll_heap_report_seconds_total") > 0.0);
}

/// A further report, taken after the program has leaked some MiB more.
fn leaked_more(agent: &Agent, load: &Load, first: &str) -> String {
    let was = agent.json(&format!("/api/v1/reports/{first}"))["rss"]["total_bytes"].as_u64();
    let was = was.expect("the resident set");
    wait_for("it leaks on", SOON, || {
        let process = agent.json(&format!("/api/v1/processes/{}", load.pid()));
        let is = process["rss_bytes"].as_u64().unwrap_or(0);
        if is > was + 4 * MIB { Ok(()) } else { Err(is.to_string()) }
    });
    taken(agent, load.pid())
}

#[test]
fn nobody_has_a_process_touched_over_http_without_level_and_token() {
    let Some((_workshop, load)) = leaking() else { return };
    let pid = load.pid();
    let scratch = tempfile::tempdir().expect("a directory");
    let closed = agent_with(scratch.path(), "");
    for level in [1, 2] {
        let (status, problem) = ask(&closed, pid, level, Some(TOKEN));
        assert_eq!((status, &problem["title"]), (403, &"Not permitted".into()), "{problem}");
    }
    let (status, problem) = ask(&closed, pid, 3, None);
    assert_eq!((status, &problem["errors"][0]["parameter"]), (400, &"level".into()));
    assert_eq!(ask(&closed, 4_194_304, 0, None).0, 404);
    taken(&closed, pid);
    let (status, problem) = ask(&closed, pid, 0, None);
    assert_eq!((status, &problem["title"]), (429, &"Too soon".into()), "{problem}");
    drop(closed);

    let scratch = tempfile::tempdir().expect("a directory");
    let token = scratch.path().join("token");
    std::fs::write(&token, format!("{TOKEN}\n")).expect("it is written");
    // A debug build on a busy machine walks slowly; how long it may pause is not asked here.
    let config =
        format!("level_max = 1\nhttp_level_max = 1\nmax_pause = \"10s\"\ntoken_file = {token:?}");
    let open = agent_with(scratch.path(), &config);
    assert_eq!(ask(&open, pid, 1, None).0, 401);
    assert_eq!(ask(&open, pid, 1, Some("e2e-0123456789abcdeg")).0, 401);
    assert_eq!(ask(&open, pid, 2, Some(TOKEN)).0, 403);
    let (status, made) = ask(&open, pid, 1, Some(TOKEN));
    assert!([201, 202].contains(&status), "{status} {made}\n{}", open.log());
    let report = finished(&open, made["id"].as_str().expect("an id"));
    check_lost(&report, pid);
    let log = open.log();
    assert!(log.contains("with a wrong token") && !log.contains(TOKEN), "{log}");
}

#[test]
fn a_window_is_opened_over_http_with_the_token_and_tells_how_far_it_is() {
    let Some((_workshop, load)) = leaking() else { return };
    let scratch = tempfile::tempdir().expect("a directory");
    let token = scratch.path().join("token");
    std::fs::write(&token, format!("{TOKEN}\n")).expect("it is written");
    let config = format!(
        "level_max = 2\nhttp_level_max = 2\nwindow = \"3s\"\nmax_pause = \"10s\"\n\
         token_file = {token:?}"
    );
    let agent = agent_with(scratch.path(), &config);
    assert_eq!(ask(&agent, load.pid(), 2, None).0, 401);
    let (made, doing) = std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&agent, load.pid(), 2, Some(TOKEN)));
        let doing = told_while(&agent, || asked.is_finished());
        (asked.join().expect("an answer"), doing)
    });
    let (status, made) = made;
    assert!([201, 202].contains(&status), "{status} {made}\n{}", agent.log());
    let report = finished(&agent, made["id"].as_str().expect("an id"));
    let method = &report["method"];
    if method["level"] == 1 && method["notes"].to_string().contains("could not be trapped") {
        assert!(skipped(&method["notes"].to_string()));
        return;
    }
    assert_eq!(method["level"], 2, "{method}");
    assert!(method["window_s"].as_f64().is_some_and(|s| s <= 4.0), "at most reports.window");
    assert!(doing.iter().any(|what| what.contains("watches its allocations")), "{doing:?}");
    let stack = &report["leaks"]["by_stack"][0];
    assert!(stack["frames"].to_string().contains("main"), "{stack}");
    assert_eq!(report["verdict"]["cause"], "heap_leak", "{}", report["verdict"]);
    wait_for("it is counted", SOON, || {
        let counted = agent.metric("plimsoll_heap_reports_total{level=\"2\"}");
        if counted >= 1.0 { Ok(()) } else { Err(counted.to_string()) }
    });
    let log = agent.log();
    assert!(log.contains("a heap report that touches its process begins"), "{log}");
    assert!(!log.contains(TOKEN) && !report.to_string().contains(SECRET), "{log}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", load.pid()));
    assert!(status.expect("it goes on").contains("TracerPid:\t0"));
}

/// All that the list of reports says is being done until `is_over`.
fn told_while(agent: &Agent, is_over: impl Fn() -> bool) -> Vec<String> {
    let mut told = Vec::new();
    let deadline = std::time::Instant::now() + SOON;
    while !is_over() && std::time::Instant::now() < deadline {
        let listed = agent.json("/api/v1/reports");
        let doing = listed.as_array().and_then(|all| all.first()?["doing"].as_str());
        told.extend(doing.map(str::to_owned));
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    told
}

#[test]
fn a_configuration_that_opens_levels_without_a_token_does_not_start() {
    let scratch = tempfile::tempdir().expect("a directory");
    let file = scratch.path().join("agent.toml");
    for (reports, told) in [
        ("level_max = 1\nhttp_level_max = 1", "token_file"),
        ("recorder_level = 1", "reports.level_max"),
        ("ttl = \"1s\"", "reports.ttl"),
    ] {
        std::fs::write(&file, format!("[reports]\n{reports}\n")).expect("it is written");
        let output = plimsoll_tests::ran(&["check-config", file.to_str().expect("text")]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(told), "{said}");
    }
}
