//! Requests and starts that are refused, and that the refusal says why.

use plimsoll_tests::{Agent, Answer, plimsoll, ran};
use serde_json::Value;

/// The problem document of a refusal.
#[track_caller]
fn problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}\n{}", answer.head, answer.body);
    let head = answer.head.to_lowercase();
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    for key in ["type", "title", "detail", "instance"] {
        assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {problem}");
    }
    problem
}

#[test]
fn what_is_wrong_with_a_request_is_told_in_a_problem_document() {
    let agent = Agent::start(&[]);
    for (path, parameter) in [
        ("/api/v1/processes?sort=size", "sort"),
        ("/api/v1/processes?limit=0", "limit"),
        ("/api/v1/processes/abc", "pid"),
        ("/api/v1/series?metric=used", "target"),
        ("/api/v1/series?target=node&from=soon", "from"),
        ("/api/v1/verdicts?kind=pod", "kind"),
        ("/api/v1/verdicts?state=bad", "state"),
        ("/api/v1/node?verbose", "verbose"),
        ("/api/v1/events?after=-1", "after"),
    ] {
        let problem = problem(&agent.get(path), 400);
        assert_eq!(problem["errors"][0]["parameter"], parameter, "{path}: {problem}");
    }
    assert_eq!(problem(&agent.get("/api/v2/node"), 404)["instance"], "/api/v2/node");
    problem(&agent.get("/api/v1/processes/4194305"), 404);
    problem(&agent.get("/api/v1/series?target=cgroup:/no/such"), 404);
    let host = &agent.address;
    let sent = |request: String| agent.request(&request).expect("an answer");
    let post = sent(format!(
        "POST /api/v1/node HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    ));
    problem(&post, 405);
    assert!(post.head.to_lowercase().contains("allow: get,head"), "{}", post.head);
    let asked = "GET /api/v1/processes HTTP/1.1\r\nConnection: close\r\n";
    let rebound = sent(format!("{asked}Host: evil.example\r\n\r\n"));
    assert!(problem(&rebound, 421)["detail"].to_string().contains("evil.example"));
    problem(&sent(format!("{asked}\r\n")), 400);
    assert!(!rebound.body.contains("rss_bytes"));
    assert_eq!(sent("\u{0} nonsense\r\n\r\n".into()).status, 400);
    assert_eq!(agent.get("/healthz").status, 200, "it still answers");
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_address_that_others_can_reach_is_refused_unless_insecure() {
    let state = tempfile::tempdir().expect("a directory");
    let dir = state.path().display().to_string();
    let args = ["run", "--listen", "0.0.0.0:0", "--state-dir", &dir];
    let refused = ran(&args);
    assert_eq!(refused.status.code(), Some(78));
    let said = stderr(&refused);
    assert!(
        said.starts_with("plimsoll: --listen: http.listen: 0.0.0.0:0 can be reached"),
        "{said}"
    );
    assert!(said.contains("--insecure"), "{said}");
    assert!(refused.stdout.is_empty());
    let mut insecure = plimsoll(&args);
    insecure.arg("--insecure");
    let agent = Agent::spawn(insecure, state.path());
    assert!(agent.address.starts_with("0.0.0.0:"), "{}", agent.address);
    assert_eq!(agent.get("/healthz").status, 200);
}

#[test]
fn a_second_agent_on_the_same_port_or_the_same_state_is_refused() {
    let mut agent = Agent::start(&[]);
    let other = tempfile::tempdir().expect("a directory");
    let (own, other) =
        (agent.state_dir().display().to_string(), other.path().display().to_string());
    let on_port = ran(&["run", "--listen", &agent.address, "--state-dir", &other]);
    assert_eq!(on_port.status.code(), Some(1));
    let said = stderr(&on_port);
    assert!(said.contains(&format!("cannot listen on {}", agent.address)), "{said}");
    assert!(said.contains("is an agent running already?"), "{said}");
    let on_state = ran(&["run", "--listen", "127.0.0.1:0", "--state-dir", &own]);
    assert_eq!(on_state.status.code(), Some(1));
    let said = stderr(&on_state);
    assert!(said.contains(&own), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("plimsoll: ")).count(), 1, "{said}");
    assert_eq!(agent.get("/readyz").status, 200, "the first goes on");
    assert_eq!(agent.terminate(), Some(0));
}
