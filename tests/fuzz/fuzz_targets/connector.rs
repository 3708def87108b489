//! Arbitrary bytes as a datagram of the process events connector: it ends, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    assert!(plimsoll::sources::connector::parse(bytes).count() <= bytes.len());
});
