//! The generator against a server of a few lines.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};

/// Answers every get with a miss and swallows sets, on as many connections as come.
fn server() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut out = stream.try_clone().unwrap();
                let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
                while let Some(line) = lines.next() {
                    let answer = if line.starts_with("set") { "STORED\r\n" } else { "END\r\n" };
                    if line.starts_with("set") && lines.next().is_none() {
                        return;
                    }
                    if out.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn load(pace: Pace, mix: Mix) -> Load {
    Load {
        address: server(),
        dialect: Dialect::Memcache,
        connections: 4,
        threads: 2,
        pace,
        mix,
        keys: 500,
        value_len: 10,
        lasts: Duration::from_secs(20),
        seed: 1,
    }
}

#[test]
fn a_fill_sends_every_key_once_and_ends() {
    let outcome = run_whole(&load(Pace::Closed { depth: 7 }, Mix::Fill)).unwrap();
    assert_eq!((outcome.answered, outcome.hits), (500, 500));
}

#[test]
fn a_pace_is_kept() {
    let mix = Mix::Gets { for_each_set: 9 };
    let lasts = Duration::from_millis(500);
    let load = Load { lasts, ..load(Pace::Fixed { per_s: 2000.0 }, mix) };
    let outcome = run_whole(&load).unwrap();
    assert!((700..=1010).contains(&outcome.answered), "{}", outcome.answered);
    let sets = outcome.hits as f64 / outcome.answered as f64;
    assert!((0.04..0.2).contains(&sets), "{sets}");
}
