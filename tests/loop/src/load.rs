//! What the neighbour does to memory: `plimsoll-loop load …`, run in the cgroup.
//!
//! `leak MIB_PER_S MOST_MIB`: takes memory at an even pace from its first moment, in steps of
//! milliseconds, touches it, keeps it, and after `MOST_MIB` only holds it. `crowd SOCKET N`:
//! subscribes so often to the agent, writes a line for each one it hears (milliseconds, who,
//! number, level, scope), and never reads what the first of them is told. `read FILE MIB`: reads
//! so much of a file and keeps it open. All end when they are killed, or with their parent.

use crate::Fault;
use crate::wait::unix_ms;
use serde_json::Value;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The hidden command.
pub const LOAD: &str = "load";
/// How the neighbour is called in process lists and incidents.
pub const NAME: &str = "loop-leaker";
const STEP: Duration = Duration::from_millis(5);
const MIB: f64 = 1_048_576.0;

/// # Errors
/// What is wrong with the words; a load that runs does not return.
pub fn run(words: &[OsString]) -> Fault {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    // Without it the program is called after its file: no harm.
    let _ = std::fs::write("/proc/self/comm", NAME);
    match words.as_slice() {
        ["leak", numbers @ ..] => {
            let numbers: Option<Vec<f64>> = numbers.iter().map(|n| n.parse().ok()).collect();
            match numbers.as_deref() {
                Some(&[rate, most]) => leak(rate, most),
                _ => format!("leak: {words:?}: a rate and the most"),
            }
        }
        ["read", file, mib] => match mib.parse() {
            Ok(mib) => read(file, mib),
            Err(e) => format!("read: {mib}: {e}"),
        },
        ["crowd", socket, count] => match count.parse() {
            Ok(count) => crowd(socket, count),
            Err(e) => format!("crowd: {count}: {e}"),
        },
        _ => format!("what is {words:?}?"),
    }
}

fn leak(mib_per_s: f64, most_mib: f64) -> ! {
    let begun = Instant::now();
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut taken = 0.0;
    while taken < most_mib {
        let wanted = (begun.elapsed().as_secs_f64() * mib_per_s).min(most_mib);
        held.push(vec![0x5a; ((wanted - taken) * MIB) as usize]);
        taken = wanted;
        std::thread::park_timeout(STEP);
    }
    loop {
        std::hint::black_box(&held);
        std::thread::park();
    }
}

fn read(path: &str, mib: u64) -> Fault {
    let copied = File::open(path).and_then(|file| {
        std::io::copy(&mut (&file).take(mib << 20), &mut std::io::sink())?;
        Ok(file)
    });
    match copied {
        Err(e) => format!("{path}: {e}"),
        // A block device's page cache goes when nobody has it open.
        Ok(file) => loop {
            std::hint::black_box(&file);
            std::thread::park();
        },
    }
}

/// Threads of the crowd need little more than a line.
const STACK: usize = 64 << 10;

fn crowd(socket: &str, count: usize) -> Fault {
    let mut deaf = Vec::new();
    for who in 0..count {
        let subscribed = UnixStream::connect(socket).and_then(|mut stream| {
            let hello = r#"{"v":1,"hello":{"name":"crowd","pid":1,"can_free_bytes":0}}"#;
            writeln!(stream, "{hello}")?;
            if who == 0 {
                deaf.push(stream);
                return Ok(());
            }
            let thread = std::thread::Builder::new().stack_size(STACK);
            thread.spawn(move || write_down(who, stream)).map(drop)
        });
        if let Err(e) = subscribed {
            return format!("{socket}: {e}");
        }
    }
    loop {
        std::hint::black_box(&deaf);
        std::thread::park();
    }
}

fn write_down(who: usize, stream: UnixStream) {
    for line in BufReader::with_capacity(4096, stream).lines().map_while(Result::ok) {
        let at_ms = unix_ms();
        let Ok(word) = serde_json::from_str::<Value>(&line) else { return };
        let text = |key: &str| word[key].as_str().unwrap_or("?").to_owned();
        let (level, scope) = (text("level"), text("scope"));
        // The driver reads what is there; a line that cannot be written is one that was not heard.
        let _ = writeln!(std::io::stdout(), "{at_ms} {who} {} {level} {scope}", word["seq"]);
    }
}
