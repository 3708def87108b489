//! Leaks boxes through Rust's system allocator, until the kernel ends it.
//!
//! `plimsoll-leak SHAPE KIB_PER_S QUIET_S PERIOD_S`: the shapes of `leak.c`, in blocks of 1 KiB as
//! a forgotten `Rc` cycle or a global map would keep them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

const BLOCK: usize = 1024;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<f64> = words.iter().skip(1).filter_map(|word| word.parse().ok()).collect();
    match (words.first().map(String::as_str), numbers.as_slice()) {
        (Some(shape), &[kib_per_s, quiet_s, period_s]) => leak(shape, kib_per_s, quiet_s, period_s),
        _ => ExitCode::from(2),
    }
}

fn leak(shape: &str, kib_per_s: f64, quiet_s: f64, period_s: f64) -> ! {
    let started = Instant::now();
    let mut lost = 0.0;
    let mut tooth: Vec<Box<[u8; BLOCK]>> = Vec::new();
    loop {
        let age = (started.elapsed().as_secs_f64() - quiet_s).max(0.0);
        let phase = age % period_s;
        let wanted = kib_per_s * if shape == "stair" { age - phase } else { age };
        while lost < wanted {
            // Else the compiler sees that nobody reads it, and takes nothing.
            std::hint::black_box(Box::leak(Box::new([0x5a_u8; BLOCK])));
            lost += 1.0;
        }
        let swing = if shape == "sawtooth" { (3.0 * kib_per_s * phase) as usize } else { 0 };
        if swing < tooth.len() {
            tooth.clear();
        }
        tooth.resize_with(swing, || std::hint::black_box(Box::new([0x5a; BLOCK])));
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
