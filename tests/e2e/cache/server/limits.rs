//! Limits on connections, silence and buffers.

use plimsoll_tests::{Cache, Client, binary, wait_for};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(15);

#[test]
fn one_connection_too_many_is_told_so_and_the_others_stay() {
    let cache = Cache::start(&["-c", "10"]);
    let mut clients: Vec<Client> = (0..10).map(|_| cache.client()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("get a"), "END");
    }
    let mut refused = cache.client();
    assert_eq!(refused.line(), "ERROR Too many open connections");
    assert_eq!(refused.try_line(), None);
    for client in &mut clients {
        assert_eq!(client.ask("get a"), "END");
    }
    drop(clients.pop());
    let mut late = wait_for("there is room again", SOON, || {
        let mut client = cache.client();
        // Refused, it may be closed before it has spoken.
        let _ = client.try_send("get a\r\n");
        match client.try_line().as_deref() {
            Some("END") => Ok(client),
            other => Err(format!("{other:?}")),
        }
    });
    let stats = late.multi("stats");
    let refused = stats.lines().find_map(|line| line.strip_prefix("STAT rejected_connections "));
    assert!(refused.is_some_and(|count| count != "0"), "{stats}");
}

#[test]
fn without_maxconns_fast_who_comes_too_late_waits_for_a_place() {
    let cache = Cache::start(&["-c", "4", "-t", "2", "-o", "no_maxconns_fast"]);
    let mut clients: Vec<Client> = (0..4).map(|_| cache.client()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("get a"), "END");
    }
    let mut late = cache.client();
    late.send("get b\r\n");
    wait_for("nobody is let in", SOON, || {
        let answer = cache.get("/readyz");
        if answer.status == 503 { Ok(()) } else { Err(answer.body) }
    });
    clients.pop();
    assert_eq!(late.line(), "END");
}

#[test]
fn who_is_silent_for_too_long_is_closed_who_speaks_is_not() {
    let cache = Cache::start(&["-o", "idle_timeout=2"]);
    let (mut silent, mut busy) = (cache.client(), cache.client());
    // A command that is never finished is silence too.
    let mut slow = cache.client();
    slow.send("get unfin");
    let begun = Instant::now();
    let kicked = wait_for("the silent one is closed", SOON, || {
        assert_eq!(busy.ask("get a"), "END");
        let _ = slow.try_send("i");
        match cache.count("idle_kicks") {
            2.. => Ok(begun.elapsed()),
            few => Err(few.to_string()),
        }
    });
    assert!(kicked >= Duration::from_secs(2), "{kicked:?}");
    assert_eq!(silent.try_line(), None);
    assert_eq!(busy.ask("get a"), "END");
}

#[test]
fn connections_that_wait_hold_next_to_nothing() {
    let cache = Cache::start(&["-c", "3000", "-t", "2"]);
    let before = rss_bytes(cache.pid());
    let mut clients: Vec<Client> = (0..2000).map(|_| cache.client()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("get a"), "END");
    }
    // Half a command each.
    for client in &mut clients {
        client.send("get unfinished");
    }
    wait_for("all have arrived", SOON, || match cache.count("bytes_read") {
        40_000.. => Ok(()),
        few => Err(few.to_string()),
    });
    let each = rss_bytes(cache.pid()).saturating_sub(before) / 2000;
    assert!(each < 3 << 10, "{each} bytes for each connection");
}

#[test]
fn with_too_few_descriptors_it_says_so_and_serves_those_who_are_in() {
    let dir = tempfile::tempdir().expect("a directory");
    // Others must be able to run it: only those who are not root can be held to a limit.
    let program = dir.path().join("plimsoll-cache");
    std::fs::copy(binary("plimsoll-cache"), &program).expect("copied");
    for path in [dir.path(), &program] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("a mode");
    }
    let unprivileged = "--reuid=65534 --regid=65534 --clear-groups";
    let drop = if rustix::process::geteuid().is_root() {
        format!("exec setpriv {unprivileged} \"$0\" \"$@\"")
    } else {
        "exec \"$0\" \"$@\"".to_owned()
    };
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n 48; {drop}")]).arg(&program);
    command.args(["-p", "-1", "-t", "2", "--admin", "off", "-m", "64"]);
    let cache = Cache::spawn(command);

    let mut inside = cache.client();
    assert_eq!(inside.ask("get a"), "END");
    let crowd: Vec<Client> = (0..100).map(|_| cache.client()).collect();
    wait_for("it says what is short", SOON, || {
        let log = cache.log();
        if log.contains("cannot accept connections") { Ok(()) } else { Err(log) }
    });
    assert_eq!(inside.ask("get a"), "END");
    std::mem::drop(crowd);
    wait_for("newcomers are served again", SOON, || {
        let mut client = cache.client();
        let _ = client.try_send("get a\r\n");
        let line = client.try_line();
        if line.as_deref() == Some("END") { Ok(()) } else { Err(format!("{line:?}")) }
    });
    assert!(!cache.log().contains("panicked"), "{}", cache.log());
}

#[test]
fn a_full_cache_that_evicts_nothing_still_lets_clients_in() {
    let cache = Cache::start(&["-M", "-m", "16"]);
    let mut client = cache.client();
    let mut number = 0;
    while client.ask(&format!("set k{number} 0 0 1000\r\n{}", "v".repeat(1000))) == "STORED" {
        number += 1;
        assert!(number < 16_000, "it stores more than it may");
    }
    let mut crowd: Vec<Client> = (0..100).map(|_| cache.client()).collect();
    for client in &mut crowd {
        client.send("get k");
    }
    wait_for("all halves have arrived", SOON, || {
        let waiting = cache.client().multi("stats conns");
        match waiting.matches(":state conn_nread").count() {
            100.. => Ok(()),
            few => Err(few.to_string()),
        }
    });
    for client in &mut crowd {
        client.send("1\r\n");
        assert_eq!(client.line(), "VALUE k1 0 1000");
    }
}

/// Memory of the process that is in use. Units: bytes.
pub(super) fn rss_bytes(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).expect("it runs");
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * rustix::param::page_size() as u64
}
