//! Both versions' `memory.stat`, and the small files beside it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::sources::cgroup::{stat, v1, v2};

fuzz_target!(|bytes: &[u8]| {
    let _ = v1::parse(bytes);
    let _ = v2::parse(bytes);
    let _ = stat::parse_limit(bytes);
    let _ = stat::parse_number(bytes);
    let _ = stat::parse_events(bytes);
});
