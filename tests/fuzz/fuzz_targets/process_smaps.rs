//! Arbitrary bytes as `/proc/PID/smaps`: an error or values, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = plimsoll::sources::process::smaps::parse(bytes);
});
