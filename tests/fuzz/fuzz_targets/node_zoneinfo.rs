//! Arbitrary bytes as `/proc/zoneinfo`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = plimsoll::sources::node::zoneinfo::parse(bytes);
});
