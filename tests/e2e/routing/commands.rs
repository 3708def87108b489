//! `plimsoll route`, `check-config` and `doctor` on configurations with destinations.

use plimsoll_tests::{Alertmanager, Hook, Load, plimsoll, ran, skipped, wait_for};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn file(dir: &Path, text: &str) -> String {
    let file = dir.join("p.toml");
    std::fs::write(&file, text).expect("the file can be written");
    file.display().to_string()
}

fn test_of(config: &str, words: &[&str]) -> Output {
    let mut args = vec!["route", "test", "--config", config];
    args.extend(words);
    ran(&args)
}

#[test]
fn a_test_notice_says_what_came_back_from_each_destination() {
    let dir = tempfile::tempdir().expect("a directory");
    let address = Alertmanager::free_address();
    let alertmanager = match Alertmanager::start(&address, dir.path()) {
        Ok(alertmanager) => alertmanager,
        Err(why) => return assert!(skipped(&why)),
    };
    let hook = Hook::start();
    hook.answer(403);
    let config = file(
        dir.path(),
        &format!(
            r#"
            [[destinations]]
            name = "am"
            type = "alertmanager"
            urls = ["http://{address}", "http://{}"]
            [[destinations]]
            name = "hook"
            type = "webhook"
            url = "{}?key=s3same"
            "#,
            Alertmanager::free_address(),
            hook.url
        ),
    );
    let output = test_of(&config, &[]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "am/1 (alertmanager): took it (200)");
    assert!(lines[1].starts_with("am/2 (alertmanager): did not take it: "), "{said}");
    assert_eq!(lines[2], "hook (webhook): did not take it: answered 403");
    assert_eq!(alertmanager.alerts("alertname", "PlimsollTest").len(), 1);
    hook.answer(200);
    let output = test_of(&config, &["hook"]);
    assert_eq!(text(&output.stdout), "hook (webhook): took it (200)\n");
    assert_eq!(hook.posted()[0].body["reason"], "test");
    let output = test_of(&config, &["nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is no destination; there are am, hook"));
    let doctor = ran(&["doctor", "--config", &config]);
    let said = text(&doctor.stdout);
    assert!(said.contains("[warn] destinations of alerts: am/2: "), "{said}");
    let printed = text(&ran(&["print-config", "--config", &config]).stdout);
    assert!(printed.contains("#url is set and not shown"), "{printed}");
    assert!(!printed.contains("s3same") && !said.contains("s3same"));
}

#[test]
fn explain_says_which_way_an_alert_would_take() {
    let dir = tempfile::tempdir().expect("a directory");
    let config =
        file(dir.path(), "[[routes]]\nmatch = [\"namespace=shop\"]\ndestinations = [\"log\"]\n");
    let output = ran(&["route", "explain", "-c", &config, "namespace=shop", "severity=critical"]);
    let said = text(&output.stdout);
    assert!(said.contains("route    1 → log: "), "{said}");
    let output = ran(&["route", "explain", "-c", &config, "namespace=bank"]);
    assert!(text(&output.stdout).contains("nobody is told"));
    assert_eq!(ran(&["route", "explain", "nonsense"]).status.code(), Some(2));
}

#[test]
fn a_bad_route_keeps_the_agent_from_starting_and_is_told_with_its_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = file(dir.path(), "[[routes]]\ndestinations = [\"pager\"]\n");
    for command in [&["check-config", &config][..], &["run", "--config", &config]] {
        let output = plimsoll(command).output().expect("plimsoll starts");
        assert_eq!(output.status.code(), Some(78), "{command:?}");
        let said = text(&output.stderr);
        assert!(said.contains("p.toml:2:16: routes[1].destinations: \"pager\" is no"), "{said}");
    }
}

/// A server of HTTPS that answers each POST by 200.
const HTTPS: &str = r#"
import http.server, ssl, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

#[test]
fn https_is_spoken_with_who_is_known_and_refused_to_who_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (cert, key) = (at("cert.pem"), at("key.pem"));
    let mut openssl = Command::new("openssl");
    openssl
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", &key, "-out", &cert])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:false"]);
    match openssl.stdin(Stdio::null()).output() {
        Ok(output) => assert!(output.status.success(), "{}", text(&output.stderr)),
        Err(why) => return assert!(skipped(&format!("openssl: {why}"))),
    }
    let address = Alertmanager::free_address();
    let port = address.rsplit(':').next().expect("a port");
    let _server = Load::of(Command::new("python3").args(["-c", HTTPS, port, &cert, &key]));
    let config = |ca: &str| {
        let url = format!("url = \"https://localhost:{port}/\"");
        file(
            dir.path(),
            &format!("[[destinations]]\nname = \"hook\"\ntype = \"webhook\"\n{url}\n{ca}"),
        )
    };
    let trusting = config(&format!("ca_file = \"{cert}\"\n"));
    wait_for("the server is trusted by its own certificate", Duration::from_secs(20), || {
        let said = text(&test_of(&trusting, &[]).stdout);
        if said == "hook (webhook): took it (200)\n" { Ok(()) } else { Err(said) }
    });
    let output = test_of(&config(""), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("certificate"), "{}", text(&output.stdout));
}
