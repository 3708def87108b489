//! Arbitrary bytes as a Go program's table of functions and as its memory statistics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_heap::runtimes::go::memstats;
use plimsoll_heap::runtimes::go::pclntab::Functions;

const TEXT: u64 = 0x40_1000;

fuzz_target!(|bytes: &[u8]| {
    // The magic and the sizes, so that what lies behind them is reached.
    for head in [&b""[..], b"\xf1\xff\xff\xff\0\0\x01\x08"] {
        if let Some(functions) = Functions::parse([head, bytes].concat(), TEXT) {
            for pc in [TEXT, TEXT + 1, TEXT + 77, TEXT + 0x1000, u64::MAX] {
                let _ = functions.name(pc);
            }
        }
    }
    let (sizes, stats) = bytes.split_at(bytes.len().min(136));
    let _ = memstats::parse(stats, sizes);
});
