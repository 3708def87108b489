//! A scripted list of attacks on the agent's HTTP server. After each the agent still answers, and
//! nothing of the node or of a secret is in what the attacker got.

mod cache;
mod credentials;
mod reload;
mod tls;

use plimsoll_tests::{Agent, Answer, wait_for};
use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(super) const READ: &str = "e2e-read-0123456789abcdef";
pub(super) const HEAP: &str = "e2e-heap-0123456789abcdef";
pub(super) const ADMIN: &str = "e2e-admin-0123456789abcdef";

/// Writes `text` where only the owner reads it.
pub(super) fn private(path: &Path, text: &str) {
    std::fs::write(path, text).expect("it is written");
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).expect("its mode is set");
}

pub(super) fn tokens(dir: &Path) -> PathBuf {
    let path = dir.join("tokens");
    private(&path, &format!("read reader {READ}\nheap helper {HEAP}\nadmin ann {ADMIN}\n"));
    path
}

/// A configuration file with `[http]` and what is to be in it.
pub(super) fn config(dir: &Path, http: &str) -> PathBuf {
    let path = dir.join("agent.toml");
    std::fs::write(&path, format!("[http]\n{http}\n")).expect("it is written");
    path
}

/// An agent that knows the three tokens, without a limit of requests.
pub(super) fn guarded(dir: &Path) -> Agent {
    let file = config(dir, &format!("tokens_file = {:?}\nrate_limit = 0", tokens(dir)));
    Agent::start_in(dir, &["--config", file.to_str().expect("text")])
}

pub(super) fn asked(agent: &Agent, method: &str, path: &str, headers: &str) -> Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\
         {headers}\r\n",
        agent.address
    );
    agent.request(&request).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
}

pub(super) fn by(agent: &Agent, token: &str, method: &str, path: &str) -> Answer {
    let json = "Content-Type: application/json\r\n";
    asked(agent, method, path, &format!("{json}Authorization: Bearer {token}\r\n"))
}

/// Sends bytes and returns what comes until the end or `within`.
fn raw(agent: &Agent, bytes: &[u8], within: Duration) -> String {
    let mut stream = TcpStream::connect(&agent.address).expect("it listens");
    stream.set_read_timeout(Some(within)).expect("a timeout can be set");
    // It may close before all is sent.
    let _ = stream.write_all(bytes);
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got);
    String::from_utf8_lossy(&got).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("closed")
}

#[test]
fn paths_ids_and_pids_lead_nowhere_else() {
    let agent = Agent::start(&[]);
    for path in [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/app/..%2f..%2fetc/passwd",
        "/app/%00",
        "//etc/passwd",
        "/api/v1/incidents/..%2f..%2fetc%2fpasswd",
        "/api/v1/incidents/%2e%2e",
        "/api/v1/reports/..%2f..%2fhistory",
        "/api/v1/reports/%00.svg",
        "/api/v1/reports/x%0d%0aSet-Cookie:%20a=b",
        "/api/v1/reports/%ff%fe",
        "/api/v1/processes/-1",
        "/api/v1/processes/0",
        "/api/v1/processes/99999999999999999999",
        "/api/v1/processes/1%00",
        "/api/v1/processes/%E2%91%A0",
        "/api/v1/processes/1e9",
        "/api/v1/series?target=cgroup:/../../etc",
        "/api/v1/series?target=%F0%9F%92%A3",
        "/api/v1/processes?limit=-1&limit=1",
    ] {
        let answer = agent.get(path);
        assert!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
        assert!(!answer.body.contains("root:") && !answer.head.contains("Set-Cookie: a"), "{path}");
    }
    assert_eq!(agent.get("/healthz").status, 200);
}

#[test]
fn foreign_hosts_methods_and_forms_are_refused() {
    let agent = Agent::start(&[]);
    let own = &agent.address;
    for host in
        ["evil.example", "127.0.0.1.evil.example", "user@127.0.0.1", "a b", "169.254.169.254"]
    {
        let get = format!("GET /api/v1/node HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = agent.request(&get).expect("an answer");
        assert!([400, 421].contains(&answer.status), "{host}: {}", answer.status);
        assert!(!answer.body.contains("mem_total"), "{host}");
    }
    let absolute = format!(
        "GET http://evil.example/api/v1/node HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(agent.request(&absolute).expect("an answer").status, 421);
    let over = asked(&agent, "GET", "/api/v1/silences/x", "X-HTTP-Method-Override: DELETE\r\n");
    assert_eq!(over.status, 405);
    for method in ["TRACE", "CONNECT", "PUT", "PROPFIND", "GETT"] {
        let answer = asked(&agent, method, "/api/v1/node", "");
        assert!((400..500).contains(&answer.status), "{method}: {}", answer.status);
    }
    for (path, media) in [
        ("/api/v1/silences", "text/plain"),
        ("/api/v1/silences", "application/x-www-form-urlencoded"),
        ("/api/v1/reports", "multipart/form-data; boundary=a"),
    ] {
        let answer = asked(&agent, "POST", path, &format!("Content-Type: {media}\r\n"));
        assert_eq!(answer.status, 415, "{path} {media}");
    }
    let foreign = "Origin: http://evil.example\r\nContent-Type: application/json\r\n";
    assert_eq!(asked(&agent, "POST", "/api/v1/silences", foreign).status, 403);
    let cors = asked(&agent, "OPTIONS", "/api/v1/silences", foreign);
    assert!(!cors.head.to_lowercase().contains("access-control-allow"), "{}", cors.head);
}

#[test]
fn what_is_too_large_or_ambiguous_is_refused_and_the_agent_goes_on() {
    let agent = Agent::start(&[]);
    let soon = Duration::from_secs(5);
    let host = format!("Host: {}\r\n", agent.address);
    let big = "a".repeat(40_000);
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    for (what, request) in [
        ("a long path", format!("GET /{big} HTTP/1.1\r\n{host}\r\n")),
        ("a long header", format!("GET / HTTP/1.1\r\n{host}X: {big}\r\n\r\n")),
        ("many headers", format!("GET / HTTP/1.1\r\n{host}{many}\r\n")),
        (
            "a large body",
            format!(
                "POST /api/v1/silences HTTP/1.1\r\n{host}Content-Type: \
            application/json\r\nContent-Length: 999999999\r\n\r\n"
            ),
        ),
        (
            "two lengths",
            format!(
                "POST /api/v1/silences HTTP/1.1\r\n{host}Content-Length: 4\r\n\
            Content-Length: 5\r\n\r\nabcde"
            ),
        ),
        ("a negative length", format!("POST / HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n")),
        (
            "two transfer codings",
            format!(
                "POST / HTTP/1.1\r\n{host}Transfer-Encoding: x, \
            y\r\n\r\n0\r\n\r\n"
            ),
        ),
        ("a space before the colon", format!("GET / HTTP/1.1\r\n{host}X : 1\r\n\r\n")),
        ("a line feed in a header", format!("GET / HTTP/1.1\r\n{host}X: a\r b\r\n\r\n")),
        ("no version", "GET /\r\n\r\n".to_owned()),
        ("HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("another protocol", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n".to_owned()),
    ] {
        let answer = raw(&agent, request.as_bytes(), soon);
        let refused = status(&answer).starts_with('4') || status(&answer) == "closed";
        assert!(refused || status(&answer) == "505", "{what}: {answer}");
    }
    // What is behind a refused body must not be taken for a request of its own.
    let smuggled = format!(
        "POST /api/v1/node HTTP/1.1\r\n{host}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\
         \r\n0\r\n\r\nGET /api/v1/node HTTP/1.1\r\n{host}\r\n"
    );
    let answer = raw(&agent, smuggled.as_bytes(), Duration::from_secs(1));
    assert!(!answer.contains("mem_total_bytes"), "{answer}");
    assert_eq!(agent.get("/healthz").status, 200);
}

#[test]
fn streams_and_slow_clients_leave_room_for_others() {
    let agent = Agent::start(&[]);
    let host = &agent.address;
    let stream = format!("GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..60 {
        let mut one = TcpStream::connect(host).expect("it listens");
        one.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout can be set");
        one.write_all(stream.as_bytes()).expect("it reads");
        let mut head = [0; 16];
        one.read_exact(&mut head).expect("it answers");
        refused += u32::from(head.starts_with(b"HTTP/1.1 503"));
        open.push(one);
    }
    assert_eq!(refused, 60 - 32, "32 streams are the most");
    let slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut one = TcpStream::connect(host).expect("it listens");
            one.write_all(b"GET / HTTP/1.1\r\nHo").expect("it reads");
            one
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(agent.get("/healthz").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    drop(open);
    let mut last = slow.into_iter().next_back().expect("there are some");
    last.set_read_timeout(Some(Duration::from_secs(25))).expect("a timeout can be set");
    let mut rest = Vec::new();
    last.read_to_end(&mut rest).expect("it is closed after 15 s");
    assert!(!String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_client_that_floods_is_limited_and_counted() {
    let scratch = tempfile::tempdir().expect("a directory");
    let file = config(scratch.path(), "rate_limit = 20");
    let agent = Agent::start_in(scratch.path(), &["--config", file.to_str().expect("text")]);
    let answers: Vec<Answer> = (0..120).map(|_| agent.get("/healthz")).collect();
    let limited = answers.iter().filter(|answer| answer.status == 429).collect::<Vec<_>>();
    assert!(!limited.is_empty(), "120 requests at once");
    assert!(limited[0].head.to_lowercase().contains("retry-after: 1"), "{}", limited[0].head);
    let counted = wait_for("it answers again", Duration::from_secs(5), || {
        let answer = agent.get("/metrics");
        if answer.status == 200 { Ok(answer.body) } else { Err(answer.body) }
    });
    let line =
        counted.lines().find(|line| line.contains("http_refused_total{reason=\"rate_limited\""));
    assert!(line.is_some_and(|line| !line.ends_with(" 0")), "{line:?}");
}

#[test]
fn nothing_that_is_sent_breaks_a_line_of_the_log() {
    let scratch = tempfile::tempdir().expect("a directory");
    let agent = guarded(scratch.path());
    let path = "/api/v1/reports/x%0a%1b[31mFAKE%20audit:%20who=ann";
    assert_eq!(asked(&agent, "GET", path, "").status, 401);
    let user = "Authorization: Basic YQpGQUtFOmI=\r\n";
    assert_eq!(asked(&agent, "DELETE", "/api/v1/silences/x", user).status, 401);
    let log = wait_for("the audit", Duration::from_secs(5), || {
        let log = agent.log();
        if log.matches("audit: refused").count() >= 2 { Ok(log) } else { Err(log) }
    });
    assert!(!log.lines().any(|line| line.starts_with("FAKE")), "{log}");
    assert!(!log.contains("\u{1b}[31mFAKE"), "{log}");
}
