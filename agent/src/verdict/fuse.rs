//! stub: see brief
use super::Opinion;
use crate::clock::Stamp;

/// What is remembered of a target between two judgements, for hysteresis.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    pub opinion: Opinion,
    pub since: Stamp,
}

pub fn judge() {}
