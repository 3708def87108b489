//! A service with a probe. `cargo run --example service`, then ask from another terminal:
//! `echo '{"v":1,"ask":"stats"}' | socat - UNIX-CONNECT:/run/plimsoll/probe/PID.sock`
//!
//! Keeps what it is told to, a line of standard input at a time: a number of blocks of 1000 bytes.
//! After each it says what `mallctl` says, so that tests can hold others' figures against it.

use std::io::{BufRead as _, Write as _};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let probe = plimsoll_probe::Probe::start("example")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", probe.path().display())?;
    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(1 << 20);
    let mut line = String::with_capacity(64);
    let stdin = std::io::stdin();
    while stdin.lock().read_line(&mut line)? > 0 {
        let count: usize = line.trim().parse()?;
        kept.extend((0..count).map(|_| vec![0x5a; 1000]));
        line.clear();
        tikv_jemalloc_ctl::epoch::advance().map_err(|error| error.to_string())?;
        let allocated = tikv_jemalloc_ctl::stats::allocated::read();
        writeln!(out, "{}", allocated.map_err(|error| error.to_string())?)?;
    }
    Ok(())
}
