//! Arbitrary bytes as `/proc/slabinfo`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::units::Bytes;

fuzz_target!(|bytes: &[u8]| {
    let _ = plimsoll::sources::node::slabinfo::parse(bytes, Bytes(4096));
});
