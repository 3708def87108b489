//! Two foreign report documents, on a line each: their difference, growth and verdict.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_heap::report::Report;
use plimsoll_heap::{diff, verdict};

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let mut report = || serde_json::from_slice::<Report>(lines.next().unwrap_or_default()).ok();
    let (Some(a), Some(b)) = (report(), report()) else { return };
    let _ = diff::diff(&a, &b);
    let _ = diff::growth(&a, &b);
    let confidence = verdict::judge(&b, Some(&a)).confidence;
    assert!((0.0..1.0).contains(&confidence));
});
