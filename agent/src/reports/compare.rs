//! What changed from one report to another, in the forms in which the agent hands it on.

use plimsoll_heap::diff::{Diff, diff};
use plimsoll_heap::{Report, render};
use serde_json::Value;

/// The difference as JSON; null only if it cannot be written as such.
#[must_use]
pub fn document(before: &Report, now: &Report) -> Value {
    serde_json::to_value(diff(before, now)).unwrap_or_default()
}

/// The difference as text for a terminal.
#[must_use]
pub fn text(before: &Report, now: &Report) -> String {
    render::diff_text(&diff(before, now))
}

/// What a difference says, a line each, most important first; nothing if it is none.
#[must_use]
pub fn lines(document: &Value) -> Vec<String> {
    serde_json::from_value::<Diff>(document.clone())
        .map_or_else(|_| Vec::new(), |diff| render::diff_lines(&diff))
}
