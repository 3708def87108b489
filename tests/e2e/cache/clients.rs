//! Other people's clients and their own tests, run against the cache.

use plimsoll_tests::{Cache, skipped};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where `cargo xtask test` puts Python packages.
fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python")
}

fn ran(command: &mut Command) -> Option<Output> {
    command.stdin(Stdio::null()).output().ok()
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn memccapable_finds_every_ascii_command() {
    let cache = Cache::start(&[]);
    let address = cache.address.expect("it listens on TCP");
    let mut command = Command::new("memccapable");
    let port = address.port().to_string();
    let Some(output) = ran(command.args(["-a", "-h", "127.0.0.1", "-p", &port])) else {
        assert!(skipped("memccapable is not installed: apt-get install libmemcached-tools"));
        return;
    };
    let said = text(&output);
    assert!(output.status.success() && said.contains("All tests passed"), "{said}");
    assert_eq!(said.matches("[pass]").count(), 27, "{said}");
}

#[test]
fn the_integration_tests_of_pymemcache_pass() {
    let cache = Cache::start(&[]);
    let port = cache.address.expect("it listens on TCP").port().to_string();
    let mut find = Command::new(python());
    find.args(["-c", "import pymemcache.test as t, pytest; print(t.__path__[0])"]);
    let Some(found) = ran(&mut find).filter(|found| found.status.success()) else {
        assert!(skipped("pymemcache is not installed: cargo xtask test does it"));
        return;
    };
    let tests = PathBuf::from(text(&found).trim());
    let scratch = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(python());
    command.args([
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore",
        "-m",
        "integration",
    ]);
    command.arg(tests.join("test_integration.py"));
    command.args(["--server", "127.0.0.1", "--port", &port]).current_dir(scratch.path());
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = ran(&mut command).expect("pytest starts");
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    // Those that are left out want TLS.
    assert!(said.contains("100 passed") && said.contains("3 skipped"), "{said}");
}

/// Fails if `promtool check metrics` has anything to say.
#[track_caller]
pub(super) fn promtool_accepts(metrics: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    promtool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = promtool.spawn() else {
        assert!(skipped("promtool is not installed: apt-get install prometheus"));
        return;
    };
    let mut stdin = promtool.stdin.take().expect("stdin is piped");
    stdin.write_all(metrics.as_bytes()).expect("promtool reads");
    drop(stdin);
    let checked = promtool.wait_with_output().expect("promtool ends");
    assert!(checked.status.success(), "{}\nin\n{metrics}", text(&checked));
}
