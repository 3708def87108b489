//! Tokens: what each scope opens, what wrong ones get, and the lines of the audit.

use super::{ADMIN, HEAP, READ, asked, by, config, guarded, private};
use plimsoll_tests::{Load, ran, wait_for};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

#[test]
fn each_scope_opens_what_is_its_own_and_the_audit_says_who_did_what() {
    let scratch = tempfile::tempdir().expect("a directory");
    let agent = guarded(scratch.path());
    assert_eq!(asked(&agent, "GET", "/healthz", "").status, 200);
    assert_eq!(asked(&agent, "GET", "/readyz", "").status, 200);
    for path in ["/", "/metrics", "/readyz?verbose", "/api/v1/node", "/openapi.json", "/app.js"] {
        let answer = asked(&agent, "GET", path, "");
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.head.to_lowercase().contains("www-authenticate: bearer"), "{path}");
        assert_eq!(by(&agent, READ, "GET", path).status, 200, "{path}");
    }
    assert_eq!(by(&agent, READ, "POST", "/api/v1/reports").status, 403);
    assert_eq!(by(&agent, HEAP, "POST", "/api/v1/reload").status, 403);
    assert_eq!(by(&agent, ADMIN, "POST", "/api/v1/reload").status, 200);
    let load = Load::start(&["hold", "8"], None);
    let body = format!("{{\"pid\": {}, \"level\": 0}}", load.pid());
    let request = format!(
        "POST /api/v1/reports HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: \
         application/json\r\nAuthorization: Bearer {HEAP}\r\nContent-Length: {}\r\n\r\n{body}",
        agent.address,
        body.len()
    );
    let taken = wait_for("the report", Duration::from_secs(20), || {
        let answer = agent.request(&request)?;
        let taken = matches!(answer.status, 201 | 202);
        if taken { Ok(answer) } else { Err(format!("{} {}", answer.status, answer.body)) }
    });
    let id = taken.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(by(&agent, READ, "GET", &format!("/api/v1/reports/{id}")).status, 403);
    let log = wait_for("the audit", Duration::from_secs(5), || {
        let log = agent.log();
        if log.contains(&format!("report {id}")) { Ok(log) } else { Err(log) }
    });
    for told in [
        "who=\"token:ann\" scope=\"admin\"",
        "who=\"token:helper\" scope=\"heap\"",
        "who=\"token:reader\" scope=\"read\"",
        &format!("pid {} level 0", load.pid()),
    ] {
        assert!(log.contains(told), "no {told} in\n{log}");
    }
    for secret in [READ, HEAP, ADMIN] {
        assert!(!log.contains(secret), "{log}");
        assert!(!agent.request("x").is_ok_and(|answer| answer.body.contains(secret)));
    }
}

#[test]
fn a_wrong_token_takes_as_long_whatever_it_shares_with_the_right_one() {
    let scratch = tempfile::tempdir().expect("a directory");
    let agent = guarded(scratch.path());
    let near = format!("{}X", &READ[..READ.len() - 1]);
    let long = format!("{READ}{}", "a".repeat(4000));
    let median = |token: &str| {
        let mut times: Vec<Duration> = (0..40)
            .map(|_| {
                let begun = Instant::now();
                assert_eq!(by(&agent, token, "GET", "/api/v1/node").status, 401);
                begun.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() / 2]
    };
    // Comparing is nanoseconds beside a request of a millisecond: what shows here is a mistake
    // such as trying each prefix, not a leak of single bytes; those the digests rule out.
    let (far, near, long) = (median("x"), median(&near), median(&long));
    let slowest = far.max(near).max(long);
    assert!(
        slowest < far.min(near).min(long) * 4 + Duration::from_millis(5),
        "{far:?} {near:?} {long:?}"
    );
}

#[test]
fn a_file_of_tokens_that_others_can_read_does_not_start() {
    let scratch = tempfile::tempdir().expect("a directory");
    let tokens = super::tokens(scratch.path());
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&tokens, mode).expect("its mode is set");
    let file = config(scratch.path(), &format!("tokens_file = {tokens:?}"));
    let file = file.to_str().expect("text");
    for args in [vec!["check-config", file], vec!["run", "--config", file]] {
        let output = ran(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("chmod 0600") && !said.contains(READ), "{said}");
    }
    private(&tokens, "root ann 0123456789abcdef\n");
    let said = ran(&["check-config", file]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("tokens:1: the scope"));
}

#[test]
fn an_address_that_others_reach_needs_a_file_that_really_holds_a_credential() {
    let scratch = tempfile::tempdir().expect("a directory");
    let tokens = scratch.path().join("tokens");
    private(&tokens, "# none yet\n");
    let http = format!("listen = \"0.0.0.0:0\"\ntokens_file = {tokens:?}");
    let file = config(scratch.path(), &http);
    let output = ran(&["run", "--config", file.to_str().expect("text"), "--no-persist"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("refusing to listen on 0.0.0.0"), "{said}");
}
