//! Miss ratios over the wire, beside reference policies that hold as many items.
//!
//! One client asks for each key of a made sequence and stores what it misses. How many items the
//! cache held at the end is the size the policies of the Python package `libcachesim` are given.

use super::random::{Random, Zipf};
use super::servers::{Kind, Program, Server, Wish};
use super::table::{Goal, Row};
use super::wire::{Answer, Dialect, key};
use super::{Extent, Figures};
use crate::run::{exists, top};
use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Long, so that segments and items stand in the relation they have in a large cache.
const VALUE_LEN: usize = 1000;

/// Keys there are in all; the cache holds about a tenth.
const OBJECTS: usize = 600_000;
const MEMORY_MIB: u64 = 64;

/// How far above S3-FIFO's the misses may be. Units: points.
const POINTS_BESIDE: f64 = 0.5;

/// Requests that are sent before their answers are read.
const BATCH_MAX: usize = 16;

/// A sequence of keys.
#[derive(Clone, Copy, Debug)]
struct Trace {
    name: &'static str,
    exponent: f64,
    /// Once in so many requests a run of keys comes that are never seen again.
    scans: Option<(u64, u64)>,
}

const TRACES: [Trace; 4] = [
    Trace { name: "Zipf 1.0", exponent: 1.0, scans: None },
    Trace { name: "Zipf 0.8", exponent: 0.8, scans: None },
    Trace { name: "Zipf 1.0 and scans", exponent: 1.0, scans: Some((50_000, 12_500)) },
    Trace { name: "Zipf 0.8 and scans", exponent: 0.8, scans: Some((50_000, 25_000)) },
];

const POLICIES: [&str; 5] = ["LRU", "Sieve", "S3FIFO", "WTinyLFU", "ARC"];

impl Trace {
    fn requests(&self, n: usize) -> Vec<u64> {
        let (zipf, mut random) = (Zipf::new(OBJECTS, self.exponent), Random::new(11));
        // Ranks are scattered, so that neighbours in popularity are none in the hash.
        let mut next_scanned = 1 << 40;
        let mut requests = Vec::with_capacity(n);
        while requests.len() < n {
            let (every, len) = self.scans.unwrap_or((u64::MAX, 0));
            if requests.len() as u64 % every == every - 1 {
                requests.extend(next_scanned..next_scanned + len);
                next_scanned += len;
            }
            requests.push(zipf.draw(&mut random));
        }
        requests.truncate(n);
        requests
    }
}

pub fn measure(programs: &[Program], extent: &Extent) -> Result<Figures, String> {
    let mut rows = Vec::new();
    let python = reference_python();
    if let Err(why) = &python {
        println!("without reference policies: {why}");
    }
    for trace in TRACES {
        let requests = trace.requests(extent.requests);
        let n = programs.len();
        let mut row = Row::new(format!("misses, {}", trace.name), "%", Goal::None, n);
        for (at, program) in programs.iter().enumerate() {
            let memory_mib = Some(MEMORY_MIB);
            let server = program.start(&Wish { memory_mib, threads: 1, ..Wish::default() })?;
            let ratio = replay(program.dialect(), &server, &requests)?;
            row.add(at, ratio * 100.0);
            let held = server.items()? as usize;
            row.notes[at] = format!("{held} items");
            let Ok(python) = python.as_ref() else { continue };
            if program.kind != Kind::Ours {
                continue;
            }
            let references = references(python, &requests, held)?;
            row.notes[at].push_str(&format!(", where {}", said(&references)));
            let s3 = references.iter().find(|(name, _)| *name == "S3FIFO");
            row.goal = s3.map_or(Goal::None, |(_, s3)| Goal::AtMost(s3 * 100.0 + POINTS_BESIDE));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn said(references: &[(&str, f64)]) -> String {
    let one = |(name, ratio): &(&str, f64)| format!("{name} {:.2}", ratio * 100.0);
    references.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Asks for everything in order, stores what is missed. Returns the share that was missed.
fn replay(dialect: Dialect, server: &Server, requests: &[u64]) -> Result<f64, String> {
    let text = |e: std::io::Error| e.to_string();
    let mut stream = TcpStream::connect(server.address).map_err(text)?;
    stream.set_nodelay(true).map_err(text)?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).map_err(text)?;
    let value = [b'v'; VALUE_LEN];
    let (mut misses, mut at) = (0_u64, 0);
    let mut out = Vec::new();
    let mut answers = Answers { stream: stream.try_clone().map_err(text)?, held: Vec::new() };
    let mut batch: HashSet<u64> = HashSet::new();
    while at < requests.len() {
        // A key that comes twice must find what its first coming stored.
        batch.clear();
        let most = &requests[at..requests.len().min(at + BATCH_MAX)];
        let count = most.iter().take_while(|number| batch.insert(**number)).count();
        let asked = &most[..count];
        out.clear();
        asked.iter().for_each(|number| dialect.get(&mut out, &key(*number)));
        stream.write_all(&out).map_err(text)?;
        let mut missed = Vec::with_capacity(count);
        for number in asked {
            if answers.next(dialect)? != Answer::Yes {
                missed.push(*number);
            }
        }
        misses += missed.len() as u64;
        out.clear();
        missed.iter().for_each(|number| dialect.set(&mut out, &key(*number), &value));
        stream.write_all(&out).map_err(text)?;
        for _ in &missed {
            answers.next(dialect)?;
        }
        at += count;
    }
    Ok(misses as f64 / requests.len() as f64)
}

/// Answers of one connection, one by one.
struct Answers {
    stream: TcpStream,
    held: Vec<u8>,
}

impl Answers {
    fn next(&mut self, dialect: Dialect) -> Result<Answer, String> {
        loop {
            if let Some((len, answer)) = dialect.answer(&self.held)? {
                self.held.drain(..len);
                return Ok(answer);
            }
            let mut more = [0; 32 << 10];
            match self.stream.read(&mut more).map_err(|e| e.to_string())? {
                0 => return Err("the server closed".to_owned()),
                n => self.held.extend_from_slice(&more[..n]),
            }
        }
    }
}

/// A Python that has libcachesim, in an environment of its own below `target`.
fn reference_python() -> Result<PathBuf, String> {
    let dir = top().join("target/libcachesim");
    let python = dir.join("bin/python");
    let quiet = |command: &mut Command| -> Result<(), String> {
        let shown = format!("{command:?}");
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("{shown}: {other:?}")),
        }
    };
    if !python.exists() {
        if !exists("python3") {
            return Err("python3 is not there".to_owned());
        }
        quiet(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
        let install = ["-m", "pip", "--quiet", "install", "libcachesim"];
        quiet(Command::new(&python).args(install))?;
    }
    quiet(Command::new(&python).args(["-c", "import libcachesim"]))?;
    Ok(python)
}

/// The miss ratio of each policy when it holds `items`.
fn references(
    python: &Path,
    requests: &[u64],
    items: usize,
) -> Result<Vec<(&'static str, f64)>, String> {
    let scratch = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
    let bytes: Vec<u8> = requests.iter().flat_map(|number| number.to_le_bytes()).collect();
    std::fs::write(scratch.path(), bytes).map_err(|e| e.to_string())?;
    let mut command = Command::new(python);
    command.args(["-c", include_str!("reference.py")]).arg(scratch.path());
    command.arg(items.to_string()).args(POLICIES);
    let output = command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let ratio = |name: &'static str| {
        let found = said.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        found.map(|ratio: f64| (name, ratio))
    };
    let ratios: Vec<_> = POLICIES.into_iter().filter_map(ratio).collect();
    if ratios.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(ratios)
}
