//! End-to-end tests: the built agent against the real kernel of this machine.

#![expect(clippy::panic, reason = "a test that cannot go on fails")]

mod browser;
mod commands;
mod metrics;
mod openapi;
mod surface;
mod terminal;
mod tidy;
