//! Healthy: a cache that fills to its cap and then replaces what is oldest.
//!
//! `plimsoll-filling-cache CAP_MIB REQUESTS_PER_S`: asks for keys out of half as many again as the
//! cap has room for, and keeps what it did not have. It fills the slower the more it holds.

use std::collections::{HashSet, VecDeque};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const VALUE: usize = 4096;

fn main() -> ExitCode {
    let numbers: Vec<f64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        &[cap_mib, requests_per_s] => fill((cap_mib * 256.0) as usize, requests_per_s),
        _ => ExitCode::from(2),
    }
}

fn fill(values_max: usize, requests_per_s: f64) -> ! {
    let started = Instant::now();
    let keys = values_max as u64 * 3 / 2;
    let mut known: HashSet<u64> = HashSet::new();
    let mut values: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    let (mut asked, mut random) = (0.0, 1_u64);
    loop {
        while asked < started.elapsed().as_secs_f64() * requests_per_s {
            asked += 1.0;
            // Knuth's multiplier: a fixed sequence, the same in every run.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = (random >> 33) % keys;
            if known.insert(key) {
                values.push_back((key, vec![0x5a; VALUE]));
            }
            if values.len() > values_max
                && let Some((oldest, _)) = values.pop_front()
            {
                known.remove(&oldest);
            }
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
