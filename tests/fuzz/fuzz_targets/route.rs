//! A queued notice, a matcher and a Retry-After of arbitrary bytes: never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::route::backoff::retry_after;
use plimsoll::route::matcher::{Labels, Matcher};
use plimsoll::route::queue::decode;

fuzz_target!(|bytes: &[u8]| {
    let _ = decode(bytes);
    let mut sound = format!("plimsoll-notice-1 {:08x} 5\n", crc32fast::hash(bytes)).into_bytes();
    sound.extend_from_slice(bytes);
    let _ = decode(&sound);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = retry_after(text, 0);
    let (matcher, value) = text.split_once('\n').unwrap_or((text, text));
    if let Some(matcher) = Matcher::parse(matcher) {
        let shown = Matcher::parse(&matcher.to_string());
        assert_eq!(shown.as_ref(), Some(&matcher));
        let _ = matcher.matches(&Labels::from([("a".to_owned(), value.to_owned())]));
    }
});
