//! Clients that mean no good: the server stays up, the others are served, memory stays bounded.

use super::limits::rss_bytes;
use plimsoll_tests::{Cache, Client, wait_for};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

/// What a neighbour may wait for an answer meanwhile; the machine is shared.
const NEIGHBOUR_WAIT_MAX: Duration = Duration::from_secs(2);

#[track_caller]
fn neighbour_is_well(client: &mut Client) {
    let begun = Instant::now();
    assert_eq!(client.get("well").as_deref(), Some(&b"yes"[..]));
    assert!(begun.elapsed() < NEIGHBOUR_WAIT_MAX, "{:?}", begun.elapsed());
}

fn cache_and_neighbour(args: &[&str]) -> (Cache, Client) {
    let cache = Cache::start(args);
    let mut neighbour = cache.client();
    neighbour.set("well", "yes");
    (cache, neighbour)
}

#[test]
fn a_reader_that_never_reads_is_not_answered_without_end() {
    let (cache, mut neighbour) = cache_and_neighbour(&["-m", "128", "-t", "1"]);
    let value = vec![b'v'; 512 << 10];
    cache.client().set("big", &value);
    let before = rss_bytes(cache.pid());
    let commands = "get big\r\n".repeat(1000);
    let mut greedy: Vec<Client> = (0..8).map(|_| cache.client()).collect();
    for client in &mut greedy {
        // 4 GB are asked for in all.
        client.send(&commands);
    }
    for _ in 0..50 {
        neighbour_is_well(&mut neighbour);
    }
    let grown = rss_bytes(cache.pid()).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes are held for those who do not read");
    // Whoever reads in the end gets all that was asked for.
    for _ in 0..20 {
        assert_eq!(greedy[0].line(), format!("VALUE big 0 {}", value.len()));
        assert!(greedy[0].bytes(value.len()) == value);
        assert_eq!(greedy[0].bytes(7), b"\r\nEND\r\n");
    }
    drop(greedy);
    wait_for("nothing is left of them", SOON, || match cache.count("curr_connections") {
        0..8 => Ok(()),
        many => Err(many.to_string()),
    });
}

#[test]
fn a_crowd_that_sends_a_byte_at_a_time_holds_nobody_up() {
    let (cache, mut neighbour) = cache_and_neighbour(&["-t", "2"]);
    let mut crowd: Vec<Client> = (0..300).map(|_| cache.client()).collect();
    for byte in b"set loris 0 0 5\r\nhel" {
        for client in &mut crowd {
            client.send([*byte]);
        }
        neighbour_is_well(&mut neighbour);
    }
    for client in &mut crowd {
        client.send("lo\r\n");
        assert_eq!(client.line(), "STORED");
    }
}

#[test]
fn connections_that_come_and_go_at_once_leave_nothing_behind() {
    let (cache, mut neighbour) = cache_and_neighbour(&["-t", "2", "-c", "64"]);
    for round in 0..3000 {
        let client = cache.client();
        if round % 100 == 0 {
            neighbour_is_well(&mut neighbour);
        }
        drop(client);
    }
    wait_for("places are given back", SOON, || match cache.count("curr_connections") {
        0..8 => Ok(()),
        many => Err(many.to_string()),
    });
    assert!(!cache.log().contains("panicked"), "{}", cache.log());
}

#[test]
fn garbage_in_any_amount_leaves_the_server_whole() {
    let (cache, mut neighbour) = cache_and_neighbour(&["-t", "2"]);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..200 {
        let mut client = cache.client();
        let length = 1 + (random() % 20_000) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| random() as u8).collect();
        if round % 2 == 0 {
            // Lines of words that are nearly commands.
            let words =
                ["get", "set", "mg", "ms", " ", "\r\n", "a", "-1", "999999999999", "noreply"];
            let picked = (0..200).map(|_| words[(random() % 10) as usize]);
            bytes.splice(0..0, picked.collect::<String>().bytes());
        }
        // It may have closed already.
        let _ = client.try_send(&bytes);
        client.finish();
        let _ = client.rest();
        if round % 20 == 0 {
            neighbour_is_well(&mut neighbour);
        }
    }
    neighbour_is_well(&mut neighbour);
    assert_eq!(cache.get("/readyz").status, 200);
    assert!(!cache.log().contains("panicked"), "{}", cache.log());
}

#[test]
fn a_line_without_end_is_cut_off() {
    let (cache, mut neighbour) = cache_and_neighbour(&[]);
    let mut client = cache.client();
    let mut sent = 0_usize;
    // It is told and closed long before the memory is full.
    while client.try_send([b'x'; 4096]).is_ok() {
        sent += 4096;
        assert!(sent < 64 << 20, "it swallows everything");
    }
    neighbour_is_well(&mut neighbour);
}

#[test]
fn a_value_that_is_announced_and_does_not_come_costs_nothing() {
    let (cache, mut neighbour) = cache_and_neighbour(&["-m", "64", "-t", "2", "-c", "2000"]);
    let before = rss_bytes(cache.pid());
    let mut crowd: Vec<Client> = (0..1000).map(|_| cache.client()).collect();
    for (number, client) in crowd.iter_mut().enumerate() {
        client.send(format!("set k{number} 0 0 1000000\r\nhello"));
    }
    neighbour_is_well(&mut neighbour);
    let grown = rss_bytes(cache.pid()).saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes for values that never came");
    drop(crowd);
    neighbour_is_well(&mut neighbour);
    let mut client = cache.client();
    client.set("after", vec![b'x'; 100_000]);
}
