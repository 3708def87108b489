//! A history log of arbitrary bytes: as a whole file, and as records behind good checksums.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::clock::Clock;
use plimsoll::history::persist::{Boot, framed, read_log};
use plimsoll::history::{HistoryParams, Tier};
use plimsoll::units::Bytes;
use std::io::Cursor;

fuzz_target!(|bytes: &[u8]| {
    let params = HistoryParams { ram_budget: Bytes::kib(256) };
    let mut good = b"plimsoll\x01\0\0\0".to_vec();
    good.extend(framed(1, b"boot-a"));
    for payload in bytes.split(|byte| *byte == b'|') {
        good.extend(framed(2, payload));
    }
    for file in [bytes, &good] {
        let boot = Boot::new("boot-b", Clock::start());
        let Ok(Ok(loaded)) = read_log(&mut Cursor::new(file), &params, boot) else { continue };
        assert!(loaded.history.stats().bytes <= params.ram_budget);
        for (id, ..) in loaded.history.iter() {
            let window = loaded.history.window(id);
            window.points().for_each(drop);
            window.buckets(Tier::Minute).for_each(drop);
            window.buckets(Tier::Hour).for_each(drop);
        }
    }
});
