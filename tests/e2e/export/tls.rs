//! Export by TLS: who is trusted, and a collector that wants to know whom it talks to.

use super::{SOON, start, until_metrics};
use plimsoll_tests::otlp::Receiver;
use plimsoll_tests::{skipped, wait_for};
use std::path::{Path, PathBuf};
use std::process::Command;

const PROTOCOLS: [&str; 2] = ["grpc", "http/protobuf"];

/// A certificate that vouches for itself, and its key, as NAME.pem and NAME.key.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

/// None, and the reason is said, where there is no openssl.
fn made(dir: &Path, name: &str, alternative: &str) -> Option<Pair> {
    let (certificate, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", &format!("/CN={name}")])
        .args(["-addext", &format!("subjectAltName={alternative}")])
        .args(["-addext", "basicConstraints=CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    if made.as_ref().is_ok_and(|made| made.status.success()) {
        return Some(Pair { certificate, key });
    }
    assert!(skipped(&format!("openssl: {made:?}")));
    None
}

fn config(receiver: &Receiver, protocol: &str, more: &str) -> String {
    format!(
        "[export.otlp]\nenabled = true\ninterval = \"1s\"\nprotocol = \"{protocol}\"\n\
         endpoint = \"https://{}\"\n{more}",
        receiver.address
    )
}

#[test]
fn over_tls_both_protocols_trust_the_authority_they_are_given_and_no_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(server) = made(dir.path(), "server", "IP:127.0.0.1") else { return };
    for protocol in PROTOCOLS {
        let receiver = Receiver::start_tls("127.0.0.1:0", &server.certificate, &server.key, None);
        let own = tempfile::tempdir().expect("a directory");
        let trusts = format!("ca_file = \"{}\"", server.certificate.display());
        let mut agent = start(own.path(), &config(&receiver, protocol, &trusts));
        until_metrics(&receiver, &agent, 1);
        agent.kill();
        let before = receiver.requests().len();
        let agent = start(own.path(), &config(&receiver, protocol, ""));
        wait_for("the certificate is refused", SOON, || {
            let source = agent.source("export:metrics");
            let refused = source.starts_with("[-]") && source.contains("TLS");
            if refused { Ok(()) } else { Err(source) }
        });
        assert_eq!(receiver.requests().len(), before, "{protocol}");
    }
}

#[test]
fn a_collector_that_asks_for_a_certificate_gets_the_one_that_lies_there_now() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(server) = made(dir.path(), "server", "IP:127.0.0.1") else { return };
    let Some(known) = made(dir.path(), "known", "DNS:agent") else { return };
    let Some(stranger) = made(dir.path(), "stranger", "DNS:agent") else { return };
    for protocol in PROTOCOLS {
        let receiver = Receiver::start_tls(
            "127.0.0.1:0",
            &server.certificate,
            &server.key,
            Some(&known.certificate),
        );
        let own = tempfile::tempdir().expect("a directory");
        let (shown, key) = (own.path().join("client.pem"), own.path().join("client.key"));
        let put = |pair: &Pair| {
            std::fs::copy(&pair.certificate, &shown).expect("it can be copied");
            std::fs::copy(&pair.key, &key).expect("it can be copied");
        };
        put(&stranger);
        let more = format!(
            "ca_file = \"{}\"\nclient_cert_file = \"{}\"\nclient_key_file = \"{}\"",
            server.certificate.display(),
            shown.display(),
            key.display()
        );
        let agent = start(own.path(), &config(&receiver, protocol, &more));
        wait_for("a stranger is sent away", SOON, || {
            let source = agent.source("export:metrics");
            if source.starts_with("[-]") { Ok(()) } else { Err(source) }
        });
        assert!(receiver.requests().is_empty(), "{protocol}");
        // The files are read for each request: no restart is needed.
        put(&known);
        until_metrics(&receiver, &agent, 1);
    }
}
