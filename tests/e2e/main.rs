//! End-to-end tests: the built agent against the real kernel of this machine.
mod tidy;
