//! The same attacks on the admin side of the cache: tokens, hosts, bodies, guesses, TLS, reload.

use super::tls::{FUTURE, PAST, authority, certificate, curl, has_curl};
use super::{ADMIN, private};
use plimsoll_tests::{Answer, Cache, binary, exchange, wait_for};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SCRAPER: &str = "e2e-scraper-0123456789abcdef";
const SOON: Duration = Duration::from_secs(15);

fn admin(cache: &Cache) -> String {
    cache.admin.expect("there is an admin side").to_string()
}

fn asked(cache: &Cache, method: &str, path: &str, headers: &str) -> Answer {
    let address = admin(cache);
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"
    );
    exchange(&address, &request).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
}

fn by(cache: &Cache, token: &str, method: &str, path: &str) -> u16 {
    asked(cache, method, path, &format!("Authorization: Bearer {token}\r\n")).status
}

fn guarded(dir: &Path) -> Cache {
    let tokens = dir.join("tokens");
    private(&tokens, &format!("metrics scraper {SCRAPER}\nadmin ann {ADMIN}\n"));
    let (tokens, file) = (tokens.display().to_string(), dir.join("items").display().to_string());
    Cache::start(&["-u", "root", "-v", "-m", "64", "--admin-tokens", &tokens, "-e", &file])
}

#[test]
fn its_probes_are_open_its_figures_need_a_token_and_a_snapshot_the_scope_admin() {
    let scratch = tempfile::tempdir().expect("a directory");
    let cache = guarded(scratch.path());
    for open in ["/healthz", "/readyz"] {
        assert_eq!(asked(&cache, "GET", open, "").status, 200, "{open}");
    }
    for closed in ["/", "/metrics", "/readyz?verbose", "/nothing"] {
        let answer = asked(&cache, "GET", closed, "");
        assert_eq!(answer.status, 401, "{closed}");
        assert!(answer.head.to_lowercase().contains("www-authenticate: bearer"), "{closed}");
    }
    assert_eq!(by(&cache, SCRAPER, "GET", "/metrics"), 200);
    assert_eq!(by(&cache, "e2e-wrong-0123456789abcdef", "GET", "/metrics"), 401);
    assert_eq!(by(&cache, SCRAPER, "POST", "/snapshot"), 403);
    assert_eq!(by(&cache, ADMIN, "POST", "/snapshot"), 202);
    let log = wait_for("the audit", SOON, || {
        let log = cache.log();
        if log.contains("token:ann") && log.contains("token:scraper") { Ok(log) } else { Err(log) }
    });
    assert!(!log.contains(SCRAPER) && !log.contains(ADMIN), "{log}");
    assert_eq!(cache.client().ask("get a"), "END");
}

#[test]
fn it_answers_no_foreign_host_no_body_and_no_web_site() {
    let cache = Cache::start(&["-m", "64"]);
    let address = admin(&cache);
    for host in ["evil.example", "127.0.0.1.evil.example", "user@127.0.0.1"] {
        let get = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = exchange(&address, &get).expect("an answer");
        assert!([400, 421].contains(&answer.status), "{host}: {}", answer.status);
        assert!(!answer.body.contains("memcached_up"), "{host}");
    }
    let foreign = asked(&cache, "POST", "/snapshot", "Origin: http://evil.example\r\n");
    assert_eq!(foreign.status, 403);
    assert_eq!(asked(&cache, "POST", "/snapshot", "Content-Length: 999999\r\n").status, 413);
    let long = format!("X: {}\r\n", "a".repeat(40_000));
    assert_eq!(asked(&cache, "GET", "/metrics", &long).status, 431);
}

#[test]
fn a_client_that_guesses_tokens_is_soon_limited_and_counted() {
    let scratch = tempfile::tempdir().expect("a directory");
    let cache = guarded(scratch.path());
    let guess = "Authorization: Bearer e2e-guess-0123456789abcdef\r\n";
    // Each costs as much as eleven requests, of which there may be 100 a second.
    let limited = (0..200).map(|_| asked(&cache, "GET", "/metrics", guess));
    let limited = limited.into_iter().find(|answer| answer.status == 429).expect("200 guesses");
    assert!(limited.head.to_lowercase().contains("retry-after: 1"), "{}", limited.head);
    let right = format!("Authorization: Bearer {SCRAPER}\r\n");
    let counted = wait_for("it answers again", SOON, || {
        let answer = asked(&cache, "GET", "/metrics", &right);
        if answer.status == 200 { Ok(answer.body) } else { Err(answer.body) }
    });
    let line = counted.lines().find(|line| line.contains("admin_refused_total{reason=\"rate_"));
    assert!(line.is_some_and(|line| !line.ends_with(" 0.0")), "{line:?}");
}

#[test]
fn its_tokens_are_read_anew_and_bad_ones_change_nothing() {
    let scratch = tempfile::tempdir().expect("a directory");
    let cache = guarded(scratch.path());
    let tokens = scratch.path().join("tokens");
    let swap = |text: &str| {
        let new = scratch.path().join("new");
        private(&new, text);
        std::fs::rename(new, &tokens).expect("it is renamed");
    };
    assert_eq!(by(&cache, SCRAPER, "GET", "/metrics"), 200);
    swap("metrics scraper short\n");
    wait_for("the fault is told", SOON, || {
        assert_eq!(by(&cache, SCRAPER, "GET", "/metrics"), 200);
        let log = cache.log();
        if log.contains("the new files are bad") { Ok(()) } else { Err(log) }
    });
    let other = "e2e-other-0123456789abcdef";
    swap(&format!("metrics scraper {other}\n"));
    wait_for("the new token holds", SOON, || match by(&cache, other, "GET", "/metrics") {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
    // Wrong ones are limited, so that it may take a while to be told so.
    wait_for("the old one does not", SOON, || match by(&cache, SCRAPER, "GET", "/metrics") {
        401 => Ok(()),
        status => Err(status.to_string()),
    });
}

#[test]
fn it_is_not_opened_to_other_machines_unless_something_keeps_strangers_out() {
    let refused = |args: &[&str]| {
        let mut command = Command::new(binary("plimsoll-cache"));
        command.args(["-p", "-1", "-u", "root", "--admin", "0.0.0.0:0"]).args(args);
        let output = command.output().expect("it starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = refused(&[]);
    assert!(code == Some(78) && said.contains("--admin-tokens"), "{code:?}: {said}");
    let (code, said) = refused(&["--admin-tokens", "/nowhere/tokens"]);
    assert!(code == Some(78) && said.contains("/nowhere/tokens"), "{code:?}: {said}");
    let cache = Cache::start(&["--admin", "0.0.0.0:0", "--admin-insecure", "-m", "64"]);
    let port = cache.admin.expect("there is an admin side").port();
    let ask = |request: &str| exchange(&format!("127.0.0.1:{port}"), request).expect("an answer");
    let host = "Host: 127.0.0.1\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(&format!("GET /metrics HTTP/1.1\r\n{host}")).status, 200);
    assert_eq!(ask(&format!("POST /snapshot HTTP/1.1\r\n{host}")).status, 403);
}

#[test]
fn it_speaks_tls_and_lets_in_certificates_of_its_authority_only() {
    if !has_curl() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = scratch.path();
    authority(dir, "ca");
    authority(dir, "evil");
    certificate(dir, "ca", "server", PAST, FUTURE);
    certificate(dir, "ca", "client", PAST, FUTURE);
    certificate(dir, "evil", "forged", PAST, FUTURE);
    let web = dir.join("web.yml");
    let text = "tls_server_config: {cert_file: server.crt, key_file: server.key, \
        client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}\n";
    std::fs::write(&web, text).expect("it is written");
    let web = web.display().to_string();
    let cache = Cache::start(&["-u", "root", "-m", "64", "--admin-web-config", &web]);
    let asked = |args: &[&str]| curl(dir, &admin(&cache), args, "/metrics");
    assert_eq!(asked(&["--cert", "client.crt", "--key", "client.key"]), "200");
    assert_eq!(asked(&["--cert", "forged.crt", "--key", "forged.key"]), "000");
    assert_eq!(asked(&[]), "000", "no certificate");
}
