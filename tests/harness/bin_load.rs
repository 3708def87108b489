//! `plimsoll-load`: a program that does one thing to memory until it is killed.
//!
//! `leak MIB_PER_S [GATE]` (once the file GATE is there) · `hold MIB` · `shmem MIB` ·
//! `pagecache MIB_PER_S FILE` · `sawtooth MIB PERIOD_S` (grows by as much and gives all of it back)
//! · `forks N` (as many short-lived children, then waits) · `cache MIB SOCKET LOG` (holds so much
//! and gives back what the pressure signal asks for; writes what it was told and what it freed into
//! the log) · `without CAPABILITIES PROGRAM ARGS…` (becomes another program that lacks these,
//! `bpf,perfmon`). Enters the cgroup directory in `LOAD_CGROUP` first, takes its comm from
//! `argv[0]`, and dies with its parent.

use plimsoll_pressure::{Answer, Bytes, Options};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{
    CapabilitySet, capabilities, remove_capability_from_bounding_set, set_capabilities,
};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Error, ErrorKind, Result, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MIB: usize = 1024 * 1024;
const STEP: Duration = Duration::from_millis(50);

fn main() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if let Some(cgroup) = std::env::var_os("LOAD_CGROUP") {
        fs::write(std::path::Path::new(&cgroup).join("cgroup.procs"), "0")?;
    }
    let args: Vec<_> = std::env::args_os().collect();
    take_name(args[0].as_bytes())?;
    let words: Vec<_> = args[1..].iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        ["leak", rate] => leak(number(rate)?),
        ["leak", rate, gate] => {
            while !std::path::Path::new(gate).exists() {
                std::thread::park_timeout(STEP);
            }
            leak(number(rate)?)
        }
        ["hold", mib] => {
            let _held = touched(number(mib)? as usize * MIB);
            rest()
        }
        ["shmem", mib] => shmem(number(mib)? as usize),
        ["pagecache", rate, file] => page_cache(number(rate)?, file),
        ["sawtooth", mib, period] => sawtooth(number(mib)?, number(period)?),
        ["forks", n] => forks(number(n)? as usize),
        ["cache", mib, socket, log] => cache(number(mib)? as usize, socket, log),
        ["without", dropped, program, ..] => Err(without(dropped, program, &args[4..])?),
        _ => Err(Error::new(ErrorKind::InvalidInput, format!("what is {words:?}?"))),
    }
}

fn number(text: &str) -> Result<f64> {
    text.parse().map_err(|e| Error::new(ErrorKind::InvalidInput, format!("{text}: {e}")))
}

fn take_name(argv0: &[u8]) -> Result<()> {
    if argv0.starts_with(b"/") {
        return Ok(());
    }
    fs::write("/proc/self/comm", argv0)
}

/// Each MiB is a mapping of its own, so that what is dropped goes back to the kernel.
fn cache(mib: usize, socket: &str, log: &str) -> Result<()> {
    let mut held: Vec<Vec<u8>> = (0..mib).map(|_| touched(MIB)).collect();
    let mut log = File::create(log)?;
    let bytes = |blocks: usize| Bytes((blocks * MIB) as u64);
    let mut options = Options::new(socket, "test-cache", bytes(held.len()));
    // Only the agent counts here.
    (options.own, options.watch) = (None, None);
    let subscriber = options.start()?;
    while let Some(told) = subscriber.wait() {
        let wanted = told.reclaim_bytes.unwrap_or_default().0.div_ceil(MIB as u64);
        let freed = held.len().min(wanted as usize);
        held.truncate(held.len() - freed);
        let left = bytes(held.len());
        let answer = Answer { freed_bytes: bytes(freed), used_bytes: left, can_free_bytes: left };
        subscriber.ack(&told, answer);
        writeln!(log, "{} {} {wanted} {freed}", told.scope, told.level)?;
    }
    Ok(())
}

/// What root starts has what the bounding set leaves it. Returns why it did not become `program`.
fn without(dropped: &str, program: &str, args: &[OsString]) -> Result<Error> {
    for name in dropped.split(',') {
        let known = CapabilitySet::from_name(&name.to_uppercase());
        let unknown = || Error::new(ErrorKind::InvalidInput, format!("what is {name}?"));
        remove_capability_from_bounding_set(known.ok_or_else(unknown)?)?;
    }
    let mut sets = capabilities(None)?;
    sets.inheritable = CapabilitySet::empty();
    set_capabilities(None, sets)?;
    Ok(Command::new(program).args(args).exec())
}

fn rest() -> ! {
    loop {
        std::thread::park();
    }
}

fn touched(bytes: usize) -> Vec<u8> {
    vec![0x5a; bytes]
}

fn leak(mib_per_s: f64) -> ! {
    let started = Instant::now();
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut taken = 0.0;
    loop {
        let wanted = started.elapsed().as_secs_f64() * mib_per_s;
        held.push(touched(((wanted - taken) * MIB as f64) as usize));
        taken = wanted;
        std::thread::park_timeout(STEP);
    }
}

fn sawtooth(mib: f64, period_s: f64) -> ! {
    let started = Instant::now();
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        let phase = (started.elapsed().as_secs_f64() / period_s).fract();
        let wanted = (phase * mib) as usize;
        if wanted < held.len() {
            held.clear();
        }
        while held.len() < wanted {
            held.push(touched(MIB));
        }
        std::thread::park_timeout(STEP);
    }
}

fn shmem(mib: usize) -> Result<()> {
    let path = format!("/dev/shm/plimsoll-load-{}", std::process::id());
    let mut file = File::create(&path)?;
    fs::remove_file(&path)?;
    for _ in 0..mib {
        file.write_all(&touched(MIB))?;
    }
    rest()
}

fn page_cache(mib_per_s: f64, path: &str) -> Result<()> {
    let mut file = File::create(path)?;
    let block = touched(MIB);
    let pause = Duration::from_secs_f64(1.0 / mib_per_s);
    loop {
        file.write_all(&block)?;
        std::thread::park_timeout(pause);
    }
}

fn forks(n: usize) -> Result<()> {
    for _ in 0..n {
        let mut child = Command::new("/bin/true");
        child.stdin(Stdio::null()).spawn()?.wait()?;
    }
    rest()
}
