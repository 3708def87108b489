//! Arbitrary bytes as the files from which a subscriber judges its own cgroup.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_pressure::own::{Reading, Thresholds, text};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _ = text::own_paths(&text);
    let _ = text::mounts(&text);
    let _ = text::keyed(&text, "inactive_file");
    let _ = (text::held_v1(&text), text::held_v2(&text));
    let _ = text::meminfo(&text, "MemAvailable:");
    let reading = Reading { cgroup_psi: text::psi(&text), ..Reading::default() };
    let _ = reading.judge(&Thresholds::default());
});
