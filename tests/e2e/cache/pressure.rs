//! The cache node where memory is short: in a real cgroup, beside a leak, told to shrink, and
//! across restarts.

mod agent;
mod limit;
mod restart;
mod squeeze;

use plimsoll_tests::{Cache, Cgroup, Client, binary};
use std::process::Command;

const MIB: u64 = 1024 * 1024;

/// Length of the values here.
const VALUE_LEN: usize = 1000;

/// Sets that are sent before their answers are read.
const BATCH: u64 = 64;

/// Starts a cache node that enters `cgroup` before its first instruction.
fn start_in(cgroup: &Cgroup, args: &[&str]) -> Cache {
    let mut command = Command::new("sh");
    command.args(["-c", "echo 0 > \"$0/cgroup.procs\" && exec \"$@\""]).arg(cgroup.dir());
    command.arg(binary("plimsoll-cache")).args([
        "-p",
        "-1",
        "--admin",
        "127.0.0.1:0",
        "-u",
        "root",
    ]);
    command.args(args);
    Cache::spawn(command)
}

/// The value of the key `n`: no two alike, so that one that stands in for another is noticed.
fn value(n: u64) -> Vec<u8> {
    let word = format!("value-{n}-");
    let mut value = word.repeat(VALUE_LEN / word.len() + 1).into_bytes();
    value.truncate(VALUE_LEN);
    value
}

/// Stores the keys of a range; returns how many were refused.
fn store(client: &mut Client, keys: std::ops::Range<u64>) -> u64 {
    let mut refused = 0;
    let mut from = keys.start;
    while from < keys.end {
        let batch = from..keys.end.min(from + BATCH);
        let mut bytes = Vec::new();
        for n in batch.clone() {
            bytes.extend_from_slice(format!("set key-{n} 0 0 {VALUE_LEN}\r\n").as_bytes());
            bytes.extend_from_slice(&value(n));
            bytes.extend_from_slice(b"\r\n");
        }
        client.send(bytes);
        for n in batch.clone() {
            match client.line().as_str() {
                "STORED" => {}
                "SERVER_ERROR out of memory storing object" => refused += 1,
                other => panic!("set key-{n}: {other}"),
            }
        }
        from = batch.end;
    }
    refused
}

/// How many of the keys are held, each with its own value.
fn held(client: &mut Client, keys: impl Iterator<Item = u64>) -> u64 {
    let mut held = 0;
    for n in keys {
        if let Some(found) = client.get(&format!("key-{n}")) {
            assert!(found == value(n), "key-{n} has another value");
            held += 1;
        }
    }
    held
}

/// Resident size. Units: bytes.
fn rss(cache: &Cache) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", cache.pid()));
    let status = status.expect("the cache runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}
