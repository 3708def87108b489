//! t
use crate::target::Opened;
use serde_json::Value;
/// x
pub fn ask(_t: &Opened) -> Option<Result<Value, String>> {
    None
}
