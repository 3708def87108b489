//! Arbitrary bytes as a trace: as they are, and below a good header.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::replay::replay;

fuzz_target!(|bytes: &[u8]| {
    let mut headed =
        b"time_s,entity,used_bytes,limit_bytes,anon_bytes,file_bytes,shmem_bytes\n".to_vec();
    headed.extend_from_slice(bytes);
    for trace in [bytes, &headed] {
        let mut events = Vec::new();
        let Ok(done) = replay(trace, 0.0, &mut events, |_| ()) else { continue };
        assert!(done.readings <= done.rows);
        assert_eq!(events.iter().filter(|byte| **byte == b'\n').count() as u64, done.events);
    }
});
