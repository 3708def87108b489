//! The classic commands: one file for each family.

pub(super) mod delete;
pub(super) mod delta;
pub(super) mod get;
pub(super) mod touch;
pub(super) mod update;
