//! Arbitrary bytes as `/proc/PID/statm`: an error or values, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = plimsoll::sources::process::statm::parse(bytes);
});
