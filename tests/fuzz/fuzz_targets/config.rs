//! Arbitrary text as a configuration file: never a panic, and what is accepted prints and reads
//! back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::config::{effective_toml, from_text};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(effective) = from_text(Path::new("fuzz.toml"), text) {
        let printed = effective_toml(&effective);
        if printed.contains("is set and not shown") {
            // A destination without its secret is not accepted.
            return;
        }
        let again = from_text(Path::new("again.toml"), &printed);
        assert_eq!(again.expect("what was printed is read").config, effective.config);
    }
});
