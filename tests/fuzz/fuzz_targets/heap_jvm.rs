//! Arbitrary bytes as the file in which a JVM publishes its counters.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_heap::runtimes::jvm;

fuzz_target!(|bytes: &[u8]| {
    // The magic and the version, so that what lies behind them is reached.
    for head in [&b""[..], b"\xca\xfe\xc0\xc0\x01\x02\0\x01"] {
        if let Some(counters) = jvm::parse(&[head, bytes].concat()) {
            let _ = jvm::stats(&counters);
        }
    }
});
