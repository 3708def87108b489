//! TLS: certificates of clients, good and bad; certificates that are renewed; users; bad peers.

use super::{config, raw};
use plimsoll_tests::{Agent, plimsoll, skipped, wait_for};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);

/// Runs a program that has to succeed, with `dir` as its own.
fn run(dir: &Path, program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(dir).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A certificate authority, `NAME.crt` and `NAME.key`.
pub(super) fn authority(dir: &Path, name: &str) {
    let (key, crt, subject) = (format!("{name}.key"), format!("{name}.crt"), format!("/CN={name}"));
    let words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", &key];
    run(dir, "openssl", &[&words[..], &["-out", &crt, "-subj", &subject]].concat());
}

/// A certificate of `ca` for `name`, that holds from `from` to `to` (YYYYMMDDHHMMSSZ).
pub(super) fn certificate(dir: &Path, ca: &str, name: &str, from: &str, to: &str) {
    let (key, csr, crt) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.crt"));
    let subject = format!("/CN={name}");
    let words = ["req", "-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &csr];
    run(dir, "openssl", &[&words[..], &["-subj", &subject]].concat());
    let names = format!("subjectAltName=DNS:{name}.example,DNS:localhost,IP:127.0.0.1\n");
    std::fs::write(dir.join("ext"), names).expect("it is written");
    std::fs::write(dir.join("index.txt"), "").expect("it is written");
    std::fs::write(dir.join("index.txt.attr"), "unique_subject = no\n").expect("it is written");
    let settings = "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\n\
        default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n";
    std::fs::write(dir.join("ca.cnf"), settings).expect("it is written");
    let (ca_crt, ca_key) = (format!("{ca}.crt"), format!("{ca}.key"));
    let words = ["ca", "-batch", "-config", "ca.cnf", "-cert", &ca_crt, "-keyfile", &ca_key];
    let dates = ["-startdate", from, "-enddate", to, "-extfile", "ext", "-notext"];
    run(dir, "openssl", &[&words[..], &dates, &["-in", &csr, "-out", &crt]].concat());
}

pub(super) const PAST: &str = "20200101000000Z";
pub(super) const FUTURE: &str = "20400101000000Z";

/// An agent with a web-config file.
fn with_web(dir: &Path, web: &str, http: &str) -> Agent {
    let path = dir.join("web.yml");
    std::fs::write(&path, web).expect("it is written");
    let file = config(dir, &format!("web_config_file = {path:?}\n{http}"));
    Agent::start_in(dir, &["--config", file.to_str().expect("text")])
}

pub(super) fn has_curl() -> bool {
    Command::new("curl").arg("-V").output().is_ok() || !skipped("curl is not there")
}

/// What curl gets: the status, 000 if there was none.
pub(super) fn curl(dir: &Path, address: &str, args: &[&str], path: &str) -> String {
    let url = format!("https://{address}{path}");
    let mut curl = Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10"]);
    let output = curl.args(["--cacert", "ca.crt"]).args(args).arg(url).current_dir(dir).output();
    String::from_utf8_lossy(&output.expect("curl starts").stdout).into_owned()
}

#[test]
fn only_good_certificates_of_the_right_authority_get_in_and_new_ones_are_taken_up() {
    if !has_curl() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = scratch.path();
    authority(dir, "ca");
    authority(dir, "evil");
    certificate(dir, "ca", "server", PAST, FUTURE);
    certificate(dir, "ca", "client", PAST, FUTURE);
    certificate(dir, "ca", "expired", PAST, "20210101000000Z");
    certificate(dir, "ca", "early", "20390101000000Z", FUTURE);
    certificate(dir, "ca", "stranger", PAST, FUTURE);
    certificate(dir, "evil", "forged", PAST, FUTURE);
    let web = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  \
        client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  \
        client_allowed_sans: [client.example]\nhttp_server_config:\n  headers:\n    \
        Strict-Transport-Security: max-age=60\n";
    let agent = with_web(dir, web, "");
    let as_ = |name: &str, path: &str| {
        let (crt, key) = (format!("{name}.crt"), format!("{name}.key"));
        curl(dir, &agent.address, &["--cert", &crt, "--key", &key], path)
    };
    assert_eq!(as_("client", "/api/v1/node"), "200");
    for bad in ["expired", "early", "stranger", "forged"] {
        assert_eq!(as_(bad, "/healthz"), "000", "{bad}");
    }
    assert_eq!(curl(dir, &agent.address, &[], "/healthz"), "000", "no certificate");
    let old = ["--cert", "client.crt", "--key", "client.key", "--tls-max", "1.1"];
    assert_eq!(curl(dir, &agent.address, &old, "/healthz"), "000", "TLS 1.1");
    let plain = raw(&agent, b"GET /api/v1/node HTTP/1.1\r\nHost: x\r\n\r\n", SOON);
    assert!(!plain.contains("200 OK") && !plain.contains("mem_total"), "{plain}");
    // The certificate's scope is read.
    let post = ["-X", "POST", "-H", "Content-Type: application/json", "--cert", "client.crt"];
    let post = [&post[..], &["--key", "client.key"]].concat();
    assert_eq!(curl(dir, &agent.address, &post, "/api/v1/reload"), "403");

    let serial = || {
        let (_, port) = agent.address.rsplit_once(':').expect("a port");
        let shown = format!(
            "openssl s_client -connect 127.0.0.1:{port} -cert client.crt -key client.key \
             </dev/null 2>/dev/null | openssl x509 -noout -serial"
        );
        run(dir, "sh", &["-c", &shown])
    };
    let before = serial();
    certificate(dir, "ca", "server", PAST, FUTURE);
    wait_for("the renewed certificate is shown", SOON, || {
        let now = serial();
        if now == before { Err(agent.log()) } else { Ok(()) }
    });
    // Half of a renewal is no reason to stop: the old one goes on.
    std::fs::write(dir.join("server.crt"), "no certificate").expect("it is written");
    wait_for("it is told", SOON, || {
        let log = agent.log();
        if log.contains("the new configuration is bad") { Ok(()) } else { Err(log) }
    });
    assert_eq!(as_("client", "/healthz"), "200");
}

#[test]
fn users_log_in_over_tls_and_the_commands_ask_with_authority_and_token() {
    if !has_curl() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = scratch.path();
    authority(dir, "ca");
    certificate(dir, "ca", "server", PAST, FUTURE);
    let tokens = super::tokens(dir);
    // bcrypt of "hunter2", cost 4.
    let web = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n\
        basic_auth_users:\n  \
        ann: $2b$04$HASHHASH\n";
    let web = web.replace("$2b$04$HASHHASH", HUNTER2);
    let agent = with_web(dir, &web, &format!("tokens_file = {tokens:?}"));
    assert_eq!(curl(dir, &agent.address, &["-u", "ann:hunter2"], "/api/v1/node"), "200");
    assert_eq!(curl(dir, &agent.address, &["-u", "ann:hunter3"], "/api/v1/node"), "401");
    assert_eq!(curl(dir, &agent.address, &["-u", "bob:hunter2"], "/api/v1/node"), "401");
    assert_eq!(curl(dir, &agent.address, &[], "/healthz"), "200");
    let url = format!("https://{}", agent.address);
    let (ca, file) = (dir.join("ca.crt"), tokens.display().to_string());
    let ca = ca.display().to_string();
    let leaks = |args: &[&str]| {
        let output = plimsoll(&[&["leaks", "--json", "--url", &url], args].concat()).output();
        output.expect("it starts").status.code()
    };
    assert_eq!(leaks(&["--ca-file", &ca, "--token-file", &file]), Some(0));
    assert_eq!(leaks(&["--ca-file", &ca]), Some(1), "no token");
    assert_eq!(leaks(&["--token-file", &file]), Some(1), "an authority that nobody knows");
}

/// bcrypt of `hunter2` at cost 4.
const HUNTER2: &str = "$2b$04$R6XT/KWslrf1cAF2ZkzhnOWydEWRLinsjaptJIHcxvDc9.5eGo/qK";
