//! Arbitrary bytes as a record of `/dev/kmsg`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = plimsoll::sources::oom::kmsg::parse(bytes);
});
