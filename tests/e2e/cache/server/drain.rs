//! The end: what has arrived is answered, what is under way may finish, then it is over.

use plimsoll_tests::{Cache, wait_for};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn what_has_arrived_before_the_signal_is_answered() {
    for _ in 0..5 {
        let mut cache = Cache::start(&["-t", "2"]);
        let mut clients: Vec<_> = (0..8).map(|_| cache.client()).collect();
        for client in &mut clients {
            client.set("k", vec![b'v'; 1000]);
        }
        for client in &mut clients {
            client.send("get k\r\n".repeat(500));
        }
        assert_eq!(cache.terminate(), Some(0));
        for client in &mut clients {
            let rest = client.rest();
            let answer = [&b"VALUE k 0 1000\r\n"[..], &[b'v'; 1000], b"\r\nEND\r\n"].concat();
            assert_eq!(rest.len(), 500 * answer.len(), "every answer arrived");
        }
    }
}

#[test]
fn an_upload_under_way_may_finish_and_nobody_new_comes_in() {
    let mut cache = Cache::start(&[]);
    let address = cache.address.expect("it listens on TCP");
    let mut client = cache.client();
    client.send("set slow 0 0 100000\r\n");
    client.send(vec![b'x'; 50_000]);
    wait_for("half has arrived", SOON, || match cache.count("bytes_read") {
        50_000.. => Ok(()),
        few => Err(few.to_string()),
    });
    cache.signal(Signal::TERM);
    wait_for("the door is closed", SOON, || match std::net::TcpStream::connect(address) {
        Err(_) => Ok(()),
        Ok(_) => Err("somebody is let in".to_owned()),
    });
    client.send(vec![b'x'; 50_000]);
    client.send("\r\n");
    assert_eq!(client.line(), "STORED");
    assert_eq!(cache.ended(), Some(0));
}

#[test]
fn idle_connections_do_not_hold_up_the_end_and_stuck_ones_not_for_long() {
    let mut cache = Cache::start(&[]);
    let _idle: Vec<_> = (0..50).map(|_| cache.client()).collect();
    let begun = Instant::now();
    assert_eq!(cache.terminate(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());

    let mut cache = Cache::start(&[]);
    let mut stuck = cache.client();
    stuck.send("set never 0 0 10\r\nhalf");
    let begun = Instant::now();
    assert_eq!(cache.terminate(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn the_shutdown_command_works_only_where_it_is_allowed() {
    let cache = Cache::start(&[]);
    assert_eq!(cache.client().ask("shutdown"), "ERROR: shutdown not enabled");
    for command in ["shutdown\r\n", "shutdown graceful\r\n"] {
        let mut cache = Cache::start(&["-A"]);
        cache.client().send(command);
        assert_eq!(cache.ended(), Some(0), "{command}");
    }
}

#[test]
fn a_graceful_stop_keeps_items_a_plain_one_does_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("items");
    let args = ["-e", file.to_str().expect("UTF-8")];
    let mut cache = Cache::start(&args);
    cache.client().set("kept", "across");
    cache.signal(Signal::USR1);
    assert_eq!(cache.ended(), Some(0));

    let mut cache = Cache::start(&args);
    assert_eq!(cache.client().get("kept").as_deref(), Some(&b"across"[..]));
    assert_eq!(cache.terminate(), Some(0));
    let cache = Cache::start(&args);
    assert_eq!(cache.client().get("kept"), None);
}

#[test]
fn a_snapshot_alive_is_written_on_demand_and_loaded_only_when_wanted() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("items");
    let args = ["-e", file.to_str().expect("UTF-8")];
    let mut cache = Cache::start(&args);
    cache.client().set("kept", "across");
    cache.signal(Signal::USR2);
    wait_for("it is written", SOON, || match file.exists() {
        true => Ok(()),
        false => Err(cache.log()),
    });
    cache.kill();
    let cache = Cache::start(&args);
    assert_eq!(cache.client().get("kept"), None);
    drop(cache);
    let cache = Cache::start(&[args[0], args[1], "--load-live"]);
    assert_eq!(cache.client().get("kept").as_deref(), Some(&b"across"[..]));
}
