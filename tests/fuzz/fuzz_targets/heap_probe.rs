//! Arbitrary bytes as the answer of an application's probe.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_heap::runtimes::probe_socket;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(taken) = probe_socket::parse(bytes) {
        assert!(taken["allocated_bytes"].is_u64());
    }
});
