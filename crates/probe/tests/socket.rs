//! The probe's socket from the outside, as the agent and as somebody who means no good.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use plimsoll_probe::{Answer, Probe};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PATIENCE: Duration = Duration::from_secs(10);

fn ask(path: &Path, line: &str) -> Answer {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(line.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn statistics_are_answered_with_name_and_pid() {
    let dir = tempfile::tempdir().unwrap();
    let probe = Probe::start_at("a\nservice", &dir.path().join("deep/1.sock")).unwrap();
    let kept = vec![1_u8; 32 << 20];
    let answer = ask(probe.path(), "{\"v\":1,\"ask\":\"stats\",\"later\":true}\n");
    assert_eq!((answer.v, answer.name.as_str()), (1, "aservice"));
    assert_eq!((answer.pid, &answer.error), (std::process::id(), &None));
    assert!(answer.stats.unwrap().heap.allocated_bytes >= 32 << 20);
    drop(kept);
}

#[test]
fn garbage_other_versions_and_unknown_asks_are_told_what_is_spoken() {
    let dir = tempfile::tempdir().unwrap();
    let probe = Probe::start_at("x", &dir.path().join("1.sock")).unwrap();
    for (line, word) in [
        ("garbage\n", "no line"),
        ("{\"v\":9,\"ask\":\"stats\"}\n", "version 9"),
        ("{\"v\":1,\"ask\":\"secrets\"}\n", "stats and heap_profile"),
        ("{\"v\":1,\"ask\":\"heap_profile\"}\n", "off: "),
    ] {
        let error = ask(probe.path(), line).error.unwrap();
        assert!(error.contains(word), "{line}: {error}");
    }
}

#[test]
fn one_who_sends_too_much_or_nothing_is_cut_off_and_the_next_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let probe = Probe::start_at("x", &dir.path().join("1.sock")).unwrap();
    let mut silent = UnixStream::connect(probe.path()).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut loud = UnixStream::connect(probe.path()).unwrap();
    loud.set_read_timeout(Some(PATIENCE)).unwrap();
    // The other side may close before all of it is taken.
    let _ = loud.write_all(&[b'x'; 8192]);
    let answer = ask(probe.path(), "{\"v\":1,\"ask\":\"stats\"}\n");
    assert!(answer.stats.is_some());
    assert_eq!(silent.read(&mut [0; 8]).unwrap(), 0);
    assert!(matches!(loud.read(&mut [0; 8]), Ok(0) | Err(_)));
}

#[test]
fn the_socket_is_the_owners_alone_and_goes_with_the_probe() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1.sock");
    let probe = Probe::start_at("x", &path).unwrap();
    let mode = std::fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let next = Probe::start_at("y", &path).unwrap();
    drop(probe);
    assert_eq!(ask(&path, "{\"v\":1,\"ask\":\"stats\"}\n").name, "y");
    drop(next);
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("1.sock");
    std::fs::write(&path, "precious").unwrap();
    let error = Probe::start_at("x", &path).unwrap_err().to_string();
    assert!(error.contains("1.sock"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn what_a_killed_process_left_behind_is_removed_and_the_living_stay() {
    let dir = tempfile::tempdir().unwrap();
    let dead = dir.path().join("7.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    let living = Probe::start_at("x", &dir.path().join("8.sock")).unwrap();
    assert!(!dead.exists());
    let next = Probe::start_at("y", &dir.path().join("9.sock")).unwrap();
    assert_eq!(ask(living.path(), "{\"v\":1,\"ask\":\"stats\"}\n").name, "x");
    drop(next);
}
