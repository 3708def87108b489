//! Asks an application that links `plimsoll-probe` what its jemalloc says of itself.
//!
//! The socket is looked for where the convention puts it, as the target sees its own paths and pid.
//! What answers has to be the target by the kernel's word; it may still be slow, or talk nonsense:
//! it has half a second, and of its answer only known figures are taken.

use super::jvm::own_pid;
use crate::target::Opened;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde_json::{Map, Value};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const VERSION: u64 = 1;
const PATIENCE: Duration = Duration::from_millis(500);
/// An answer with statistics has one kilobyte.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const TEXT_CHARS_MAX: usize = 100;

const FIGURES: [&str; 6] = [
    "allocated_bytes",
    "active_bytes",
    "metadata_bytes",
    "resident_bytes",
    "mapped_bytes",
    "retained_bytes",
];
const ARENA_FIGURES: [&str; 5] =
    ["count", "small_bytes", "large_bytes", "dirty_bytes", "muzzy_bytes"];

/// The application's own figures. None if it has no probe.
///
/// # Errors
/// One sentence for the report's notes, if a probe is there but does not answer.
pub fn ask(target: &Opened) -> Option<Result<Value, String>> {
    let path = socket_of(target)?;
    let stream = match connect(&path) {
        // Left behind by an earlier process of that pid.
        Err(Errno::CONNREFUSED) => return None,
        connected => connected,
    };
    let answer = stream.map_err(|error| error.to_string()).and_then(|s| answer(target, s));
    Some(answer.map_err(|why| format!("probe: {why}")))
}

fn socket_of(target: &Opened) -> Option<PathBuf> {
    let pid = own_pid(target).unwrap_or(target.pid());
    let users = target.status.uid.map(|uid| format!("run/user/{uid}/plimsoll/probe"));
    let dirs = ["run/plimsoll/probe".to_owned()].into_iter().chain(users);
    let root = target.path().join("root");
    let mut paths = dirs.map(|dir| root.join(dir).join(format!("{pid}.sock")));
    paths
        .find(|path| std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()))
}

/// Does not wait for a place in a queue that nobody serves.
fn connect(path: &Path) -> rustix::io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

fn answer(target: &Opened, mut stream: UnixStream) -> Result<Value, String> {
    let failed = |error: std::io::Error| error.to_string();
    let peer = net::sockopt::socket_peercred(&stream).map_err(|error| error.to_string())?;
    if target.same_namespace && peer.pid.as_raw_nonzero().get().cast_unsigned() != target.pid() {
        return Err("another process than the target listens there".to_owned());
    }
    stream.set_nonblocking(false).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.write_all(b"{\"v\":1,\"ask\":\"stats\"}\n").map_err(failed)?;
    let deadline = Instant::now() + PATIENCE;
    let mut line = Vec::new();
    let mut piece = [0; 4096];
    while !line.ends_with(b"\n") && line.len() < ANSWER_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("no answer within {} ms", PATIENCE.as_millis()));
        }
        stream.set_read_timeout(Some(left)).map_err(failed)?;
        match stream.read(&mut piece).map_err(failed)? {
            0 => break,
            count => line.extend_from_slice(&piece[..count]),
        }
    }
    parse(&line)
}

/// What is taken of an answer.
///
/// # Errors
/// What the application said it cannot, or that its answer is none.
pub fn parse(line: &[u8]) -> Result<Value, String> {
    let said: Value =
        serde_json::from_slice(line).map_err(|_| "the answer is no line of JSON".to_owned())?;
    if said.get("v").and_then(Value::as_u64) != Some(VERSION) {
        return Err(format!("the answer is not of version {VERSION}"));
    }
    if let Some(error) = said.get("error").and_then(Value::as_str) {
        return Err(short(error));
    }
    let stats = said.get("stats").ok_or("the answer has no statistics")?;
    let mut taken = figures(stats, &FIGURES);
    if taken.len() < FIGURES.len() {
        return Err("the answer lacks figures".to_owned());
    }
    let arenas = stats.get("arenas").map(|arenas| figures(arenas, &ARENA_FIGURES));
    taken.insert("arenas".to_owned(), Value::Object(arenas.unwrap_or_default()));
    for (key, text) in [
        ("name", said.get("name")),
        ("version", stats.get("version")),
        ("heap_profiling", stats.get("heap_profiling")),
    ] {
        if let Some(text) = text.and_then(Value::as_str) {
            taken.insert(key.to_owned(), Value::String(short(text)));
        }
    }
    Ok(Value::Object(taken))
}

fn figures(of: &Value, names: &[&str]) -> Map<String, Value> {
    let figure = |name: &&str| Some(((*name).to_owned(), Value::from(of.get(name)?.as_u64()?)));
    names.iter().filter_map(figure).collect()
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: &str = r#""allocated_bytes":1,"active_bytes":2,"metadata_bytes":3,
        "resident_bytes":4,"mapped_bytes":5,"retained_bytes":6,"version":"5.3.1\n""#;

    #[test]
    fn known_figures_are_taken_and_others_are_not() {
        let line = format!(
            r#"{{"v":1,"name":"x","stats":{{{STATS},"arenas":{{"count":2,"odd":9}},"secret":"s"}}}}"#
        );
        let taken = parse(line.as_bytes()).unwrap();
        assert_eq!(taken["allocated_bytes"], 1);
        assert_eq!(taken["arenas"], serde_json::json!({"count": 2}));
        assert_eq!(taken["version"], "5.3.1");
        assert_eq!(taken.get("secret"), None);
    }

    #[test]
    fn what_is_no_answer_is_told_in_one_sentence() {
        for (line, word) in [
            ("", "no line"),
            ("{\"v\":2}", "version"),
            ("{\"v\":1}", "no statistics"),
            ("{\"v\":1,\"stats\":{\"allocated_bytes\":-1}}", "lacks figures"),
            ("{\"v\":1,\"error\":\"busy\\u001b[31m\"}", "busy[31m"),
        ] {
            let error = parse(line.as_bytes()).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
