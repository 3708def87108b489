//! What changed from one report to another: as a document, as text and as a flame graph.

use plimsoll_heap::Report;
use serde_json::Value;

/// The difference as JSON.
#[must_use]
pub fn document(_before: &Report, _now: &Report) -> Value {
    Value::Null
}

/// The difference as text for a terminal.
#[must_use]
pub fn text(_before: &Report, _now: &Report) -> String {
    String::new()
}

/// What a difference says, a line each, most important first.
#[must_use]
pub fn lines(_diff: &Value) -> Vec<String> {
    Vec::new()
}
