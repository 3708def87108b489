//! Arbitrary bytes as `/proc/PID/maps` and `smaps`: an error or values, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_heap::maps::{parse, smaps};
use std::time::{Duration, Instant};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mappings) = parse::maps(bytes) {
        assert!(mappings.iter().all(|mapping| mapping.start < mapping.end));
        let _ = smaps::predicted_stall(&mappings, u64::MAX);
    }
    let later = Instant::now() + Duration::from_secs(60);
    let _ = smaps::each(&mut &bytes[..], later, &mut |_| {});
});
