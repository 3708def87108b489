//! Arbitrary bytes as one line of what syslog(2) returns.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = plimsoll::sources::oom::syslog::parse(bytes);
});
