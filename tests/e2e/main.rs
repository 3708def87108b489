//! End-to-end tests: the built agent against the real kernel of this machine.

mod browser;
mod commands;
mod metrics;
mod openapi;
mod surface;
mod terminal;
mod tidy;
