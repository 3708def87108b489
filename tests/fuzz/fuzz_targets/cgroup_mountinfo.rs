//! The cgroup mounts of `/proc/self/mountinfo`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::sources::cgroup::mountinfo;

fuzz_target!(|bytes: &[u8]| {
    let _ = mountinfo::parse(bytes);
});
