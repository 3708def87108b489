//! The meta commands: `mg`, `ms`, `md`, `ma`, `me`; flags of one letter, each with its own file.

pub(super) mod arithmetic;
mod base64;
pub(super) mod debug;
pub(super) mod delete;
pub(super) mod flags;
pub(super) mod get;
pub(super) mod set;

pub(super) use base64::encode;
