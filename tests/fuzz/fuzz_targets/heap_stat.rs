//! Arbitrary bytes as `/proc/PID/stat` and `status`: nothing or values, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_heap::target::stat::{Stat, Status};

fuzz_target!(|bytes: &[u8]| {
    let _ = Stat::parse(bytes);
    let _ = Status::parse(bytes);
});
