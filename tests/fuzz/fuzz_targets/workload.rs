//! Owners of cgroup paths, and names of workloads.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::workload::{owner_of, workload_name};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (path, program) = text.split_once('\0').unwrap_or((&text, ""));
    let owner = owner_of(path);
    assert!(owner.labels.values().all(|value| value.len() <= 255));
    assert!(workload_name(&owner, program).len() <= 400);
});
