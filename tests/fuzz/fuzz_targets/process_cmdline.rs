//! Arbitrary bytes as `/proc/PID/cmdline`: one bounded line that no terminal trips over.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::sources::process::Redactor;

fuzz_target!(|bytes: &[u8]| {
    let line = Redactor::default().redact(bytes);
    assert!(line.len() <= 4096 + "…".len());
    assert!(!line.contains(char::is_control));
});
