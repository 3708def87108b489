//! Arbitrary bytes as a pressure file.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = plimsoll::sources::psi::parse(bytes);
});
