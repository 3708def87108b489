//! Arbitrary bytes as the beginning of an ELF file and as notes: nothing or values, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_heap::memory::Recorded;
use plimsoll_heap::modules::Image;

fuzz_target!(|bytes: &[u8]| {
    let memory = Recorded { stretches: vec![(0x1000, bytes.to_vec())] };
    if let Some(image) = Image::read(&memory, 0x1000) {
        let bias = image.bias(0x1000);
        let _ = (image.loaded(bias), image.segments(bias, true));
    }
});
