//! What the neighbour does to memory: `plimsoll-loop load …`, run in the cgroup.
//!
//! `leak MIB_PER_S MOST_MIB`: takes memory at an even pace, in steps of milliseconds, touches it,
//! keeps it, and after `MOST_MIB` only holds it. It ends when it is killed, or with its parent.

use crate::Fault;
use std::ffi::OsString;
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
        ["leak", rate, most] => match (rate.parse(), most.parse()) {
            (Ok(rate), Ok(most)) => leak(rate, most),
            _ => format!("leak: {rate} and {most} are no numbers"),
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
