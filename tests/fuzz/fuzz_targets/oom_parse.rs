//! Each line of the input is one kernel message, a millisecond after the one before.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::clock::Stamp;
use plimsoll::sources::oom::{OomParser, TASKS_MAX};

fuzz_target!(|bytes: &[u8]| {
    let mut parser = OomParser::default();
    for (at, message) in (0..).zip(String::from_utf8_lossy(bytes).lines()) {
        if let Some(kill) = parser.push(message, Stamp(at)) {
            assert!(kill.tasks.len() <= TASKS_MAX);
        }
    }
});
