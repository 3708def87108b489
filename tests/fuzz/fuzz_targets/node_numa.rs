//! Arbitrary bytes as a NUMA node's `meminfo`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = plimsoll::sources::node::numa::parse(bytes);
});
