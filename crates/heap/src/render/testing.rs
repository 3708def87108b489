//! Documents that the tests of rendering share.

use crate::report::Report;

fn read(text: &str) -> Report {
    serde_json::from_str(text).expect("a fixture is a report")
}

/// A native program with everything that level 2 can say.
pub(super) fn leaking() -> Report {
    read(include_str!("../../fixtures/leaking.json"))
}

/// A runtime whose allocator could not be read, with an escape sequence in its name.
pub(super) fn opaque() -> Report {
    read(include_str!("../../fixtures/opaque.json"))
}
